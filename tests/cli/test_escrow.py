"""What an operator sees of bounded counters, and rights that were lost with a disk."""

from __future__ import annotations

import shutil

import pytest

import tierstore

POLICY = """\
version: 1
timeouts: {regional: 60s}
rules:
  - {match: "stock/*", type: bounded_counter, minimum: -3}
"""


@pytest.fixture
def lost(folder):
    """The holder of rights whose disk is gone: it sold 4 of the 10 units, and told of none."""
    (folder / "tierstore.yaml").write_text(POLICY, encoding="utf-8")
    store = tierstore.open("tierstore.yaml")
    stock = store.bounded_counter("stock/1")
    stock.give(10)
    stock.take(4)
    store._core.replica._stop_driver(5.0)  # which would report what was sold within a second
    state = store._core.replica.state
    state.journal.close()
    state.journal.escrow.close_connection()
    shutil.rmtree(folder / "tierstore-data" / "journal")
    yield f"{state.replica:x}"
    with pytest.warns(ResourceWarning):
        store._core.abandon()


def test_what_a_lost_disk_had_is_listed_and_taken_back(lost, cli, cli_json):
    code, (book,) = cli_json("escrow", "list")
    assert code == 0
    (holder,) = book["holders"]
    assert (book["key"], book["value"], book["given"], book["sold"]) == ("stock/1", 7, 10, 0)
    assert holder["replica"] == lost
    assert holder["granted"] + book["pool"] == 10
    assert f"  {lost}: {holder['granted']} granted, 0 of them" in cli("escrow", "list").stdout
    assert cli_json("escrow", "list", "stock/1") == (0, [book])

    refused = cli("escrow", "reclaim", "stock/1", lost)
    assert (refused.exit_code, "--sold" in refused.stderr) == (2, True)
    refused = cli("escrow", "reclaim", "stock/1", lost, "--sold", "4")
    assert (refused.exit_code, "was heard of" in refused.stderr) == (2, True)
    refused = cli("escrow", "reclaim", "stock/1", lost, "--sold", "11", "--force")
    assert (refused.exit_code, "it cannot have sold 11" in refused.stderr) == (2, True)
    assert cli("escrow", "reclaim", "stock/1", "0", "--sold", "1", "--force").exit_code == 2
    assert cli("escrow", "list", "other").exit_code == 2

    code, told = cli_json("escrow", "reclaim", "stock/1", lost, "--sold", "4", "--force")
    assert (code, told["returned"]) == (0, holder["granted"] - 4)
    code, (book,) = cli_json("escrow", "list")
    assert (book["holders"], book["pool"], book["sold"], book["value"]) == ([], 6, 4, 3)


def test_stats_and_explain_tell_of_rights(lost, cli, cli_json):
    assert cli_json("stats")[1]["escrow"] is None
    assert "units were given" in cli("explain", "stock/1").stdout
