"""`link` and `peers`: two regions in files."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

import tierstore

POLICY = """\
version: 1
tiers: {{edge: {{journal: none}}, regional: {{url: "sqlite:///{here}.db"}}}}
replication: {{links: relay, pull: 100ms, peers: {{{there}: {{url: "sqlite:///{there}.db"}}}}}}
rules: [{{match: "**", durability: memory}}]
"""
WAIT_S = 60.0


@pytest.fixture
def policies(tmp_path):
    """The policies of two regions that are each other's peers."""
    paths = {}
    for here, there in (("eu", "us"), ("us", "eu")):
        paths[here] = str(tmp_path / f"{here}.yaml")
        (tmp_path / f"{here}.yaml").write_text(POLICY.format(here=here, there=there))
    return paths


def put(policy, key, value):
    with tierstore.open(policy) as store:
        store.put(key, value)
        store.flush()


def get(policy, key):
    with tierstore.open(policy) as store:
        return store.get(key, max_age=0)


def test_what_one_region_has_the_other_gets(cli_json, policies):
    put(policies["eu"], "k", 1)
    put(policies["us"], "j", 2)
    code, links = cli_json("--policy", policies["eu"], "link", "--once")
    assert code == 0
    assert [(link["source"], link["target"]) for link in links] == [("us", "here"), ("here", "us")]
    assert [(link["changed"], link["is_whole"], link["error"]) for link in links] == [
        (1, True, None), (1, True, None),
    ]  # fmt: skip
    assert (get(policies["us"], "k"), get(policies["eu"], "j")) == (1, 2)


def test_how_far_peers_have_got_is_told(cli_json, policies):
    code, (before,) = cli_json("--policy", policies["eu"], "peers")
    assert code == 0
    assert (before["peer"], before["cursor"], before["is_whole"]) == ("us", None, False)
    put(policies["us"], "j", 2)
    cli_json("--policy", policies["eu"], "link", "--once")
    (even,) = cli_json("--policy", policies["eu"], "peers")[1]
    assert (even["lag_positions"], even["lag_there_positions"]) == (0, 0)
    put(policies["us"], "j", 3)
    put(policies["eu"], "k", 1)
    (after,) = cli_json("--policy", policies["eu"], "peers")[1]
    assert (after["lag_positions"], after["lag_there_positions"]) == (1, 1)
    assert after["is_whole"]
    assert not after["is_late"]


def test_a_peer_that_is_away_is_told_and_ends_a_relay(cli, cli_json, policies, tmp_path):
    (tmp_path / "us.db").mkdir()  # no database can be there
    (standing,) = cli_json("--policy", policies["eu"], "peers")[1]
    assert "us.db" in standing["error"]
    done = cli("--policy", policies["eu"], "link", "--once", "--timeout", "300ms")
    assert done.exit_code == 3
    assert "us.db" in done.stderr


def test_words_for_people(cli, policies):
    done = cli("--policy", policies["eu"], "link", "--once")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].split() == ["from", "to", "lag", "positions", "changed"]
    assert len(done.stdout.splitlines()) == 3
    assert "us" in cli("--policy", policies["eu"], "peers").stdout


def test_nobody_to_trust_is_exit_1(cli, policies):
    assert cli("--policy", policies["eu"], "peers", "--trust", "unknown").exit_code == 1


def test_without_peers_there_is_nothing_to_link(cli):
    done = cli("link", "--once")
    assert done.exit_code == 2
    assert "replication.peers" in done.stderr


def test_a_relay_runs_until_it_is_told_to_end(policies, tmp_path):
    words = [sys.executable, "-m", "tierstore", "--policy", policies["eu"], "--json", "link"]
    relay = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        put(policies["eu"], "k", 1)
        deadline = time.monotonic() + WAIT_S
        while get(policies["us"], "k") != 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        relay.send_signal(signal.SIGTERM)
        printed, errors = relay.communicate(timeout=WAIT_S)
    finally:
        relay.kill()
        relay.wait()
    assert relay.returncode == 0, errors
    assert json.loads(printed)[1]["changed"] == 1
