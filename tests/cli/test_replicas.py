"""Who takes part in a region, and who does not any more."""

from __future__ import annotations


def test_replicas_are_listed_and_retired(cli, cli_json):
    cli("put", "k", "1")
    code, (member,) = cli_json("replicas")
    assert code == 0
    assert (member["is_here"], member["is_retired"], member["batches"]) == (True, False, 1)
    assert member["silent_s"] < 60
    text = cli("replicas").stdout
    assert member["replica"] in text
    assert text.splitlines()[1].endswith("this one")

    code, told = cli_json("replicas", "--retire", member["replica"])
    assert (code, told) == (0, {"replica": member["replica"], "retired": True})
    assert cli("replicas", "--retire", member["replica"]).exit_code == 1
    assert "retired" in cli("replicas").stdout.splitlines()[1]
    assert cli("replicas", "--retire", "no id").exit_code == 2


def test_who_was_retired_goes_on_under_another_name(cli, cli_json):
    cli("put", "k", "1")
    _, (member,) = cli_json("replicas")
    cli("replicas", "--retire", member["replica"])
    assert cli("put", "k", "2").exit_code == 0
    assert cli("get", "k").stdout == "2\n"
    _, members = cli_json("replicas")
    assert {one["replica"]: one["is_retired"] for one in members}[member["replica"]]
    assert len(members) == 2
