"""Workers of one edge on a cluster, while its nodes are killed and its slots move."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import valkey_cluster as valkey
from click.testing import CliRunner
from journey import Journey, some_requests
from valkey_fixtures import running

import tierstore
from tierstore.cli.app import main
from tierstore.region.shared import TAGS, tag_of
from tierstore_redis.keys import LEAD, STANDING
from tierstore_redis.topology import SLOT_OF_HOME

pytestmark = pytest.mark.further
DEMO = files("tierstore.trace.data") / "twitter_c52_demo.csv.gz"
REQUESTS = 1_200
RULES = [{"match": "**", "durability": "memory"}]
cluster = running(valkey.Cluster)
"""A cluster of this file, which has every write on disk."""


@pytest.fixture
def policy(cluster, tmp_path):
    for node in cluster.nodes:
        node.ask("FLUSHALL")
    return {
        "version": 1,
        "tiers": {
            "edge": {"url": cluster.url},
            "regional": {"url": f"sqlite:///{tmp_path}/region.db"},
        },
        "timeouts": {"edge": "500ms", "regional": "5s"},
        "replication": {"flush": "20ms", "pull": "100ms"},
        "rules": [{"match": "**"}],
    }


def travel(policy, events):
    """A trace by one worker while another reads, too, after which all is read by a third."""
    requests, first, second = some_requests(DEMO, REQUESTS), Journey(), Journey()
    with tierstore.open(policy) as store, tierstore.open(policy) as beside:
        first.load(store, requests)
        second.may_be = first.may_be
        half = len(requests) // 2
        first.go(store, requests[:half], events)
        second.go(beside, requests[half:], events)
        valkey.wait_until(lambda: is_flushed(beside))
    with tierstore.open(policy) as third:
        second.look(third)
        assert third.check().ok
    print(dict(first.tiers + second.tiers), dict(first.failures + second.failures))
    return first.wrong + second.wrong, first.failures + second.failures


def is_flushed(store):
    try:
        store.flush(timeout=10)
    except tierstore.UnavailableError:
        return False
    return True


def test_a_trace_is_read_right_while_nodes_are_killed(cluster, policy):
    nodes = iter(cluster.nodes * 2)
    killed = []

    def kill():
        killed.append(next(nodes))
        killed[-1].kill()

    wrong, failed = travel(policy, {150: kill, 300: lambda: killed[-1].start()})
    assert wrong == []
    assert set(failed) & {"UnavailableError", "DeadlineExceededError"}
    cluster.wait_ok()


@pytest.mark.parametrize("home", [LEAD, STANDING])
def test_one_node_away_costs_its_own_keys_only(cluster, policy, caplog, home):
    """The others are written, read and brought to the region meanwhile."""
    node = cluster.owner(SLOT_OF_HOME[home])
    tags = [tag for tag in range(TAGS) if cluster.owner(SLOT_OF_HOME[tag]) is node]
    keys = [f"key/{number}" for number in range(200)]
    its = [key for key in keys if tag_of(key) in tags]
    others = [key for key in keys if tag_of(key) not in tags]
    elsewhere = {**policy, "tiers": {"regional": policy["tiers"]["regional"]}}
    with tierstore.open(policy) as store, tierstore.open(elsewhere) as region:
        store.put_many(dict.fromkeys(keys, 0))
        store.flush(timeout=10)
        node.kill()
        for number, key in enumerate(others):
            with pytest.raises(tierstore.UnavailableError):
                store.put(its[number % len(its)], 1)
            store.put(key, 1)
            assert store.get(key) == store.get(key, max_age=0) == 1
        assert len([one for one in caplog.records if "edge server" in one.message]) <= 2
        valkey.wait_until(lambda: all(region.get(key, max_age=0) == 1 for key in others))
        node.start()
        valkey.wait_until(lambda: is_written(store, its[0]))
    cluster.wait_ok()


def is_written(store, key):
    """Whether a write is taken."""
    try:
        store.put(key, 2)
    except (tierstore.UnavailableError, tierstore.OutcomeUnknownError):
        return False
    return True


def test_it_is_while_slots_move_to_and_fro(cluster, policy):
    def move():
        for slot in SLOT_OF_HOME[::3]:
            source = cluster.owner(slot)
            target = cluster.nodes[(cluster.nodes.index(source) + 1) % 3]
            cluster.move(slot, source, target)

    wrong, _ = travel(policy, dict.fromkeys(range(50, 600, 200), move))
    assert wrong == []


def test_the_doctor_describes_it(cluster, tmp_path):
    text = json.dumps({"version": 1, "tiers": {"edge": {"url": cluster.url}}, "rules": RULES})
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    result = CliRunner().invoke(main, ["--policy", str(path), "doctor"])
    assert result.exit_code == 0, result.output
    assert "cluster of 3" in result.output
    assert "every write is on disk" in result.output
