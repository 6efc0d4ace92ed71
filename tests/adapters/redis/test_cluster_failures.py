"""Nodes of a cluster that end, hang or fail over."""

from __future__ import annotations

import os
import signal
import time

import pytest
import valkey_cluster
from redis.exceptions import ConnectionError as DriverConnectionError

import tierstore
from tierstore.errors import (
    DeadlineExceededError,
    OutcomeUnknownError,
    TierStoreError,
    UnavailableError,
)
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import TAGS, life_of, tag_of
from tierstore_redis.connections import Link
from tierstore_redis.topology import SLOT_OF_HOME

pytestmark = pytest.mark.further
T = 10.0
SHORT_S = 0.4
SLACK_S = 2.0
BYTES_MAX = 1 << 30
TAG = 3
ONE_OF_EACH = [next(k for k in map(str, range(999)) if tag_of(k) == tag) for tag in range(TAGS)]


def put(key, stamp, payload=b"x"):
    return Delta(key, PUT, Record(stamp, 1, payload))


@pytest.fixture
def cluster(own_cluster):
    return own_cluster()


@pytest.fixture
def edge(cluster, open_edge):
    """Every tag of it has an identity."""
    edge = open_edge(cluster.url)
    run = edge.connect(T).run
    for tag in range(TAGS):
        edge.bind(tag, run, 77, T)
    return edge


def tags_of(cluster, node):
    """The tags that a node serves."""
    return {tag for tag in range(TAGS) if cluster.owner(SLOT_OF_HOME[tag]) is node}


def failures(calls, timeout_s):
    """What each call raised, by its tag; none takes longer than it may."""
    found = {}
    for tag, call in calls.items():
        began = time.monotonic()
        try:
            call()
        except TierStoreError as error:
            found[tag] = type(error)
        assert time.monotonic() - began < timeout_s + SLACK_S
    return found


def test_a_killed_node_takes_its_own_tags_along_and_brings_them_back(cluster, edge):
    node = cluster.nodes[1]
    its, run = tags_of(cluster, node), edge.connect(T).run
    assert 0 < len(its) < TAGS
    node.kill()
    reads = {tag: lambda key=key: edge.read([key], SHORT_S) for tag, key in enumerate(ONE_OF_EACH)}
    assert failures(reads, SHORT_S) == dict.fromkeys(its, UnavailableError)
    writes = {
        tag: lambda key=key: edge.write([put(key, 1)], run, BYTES_MAX, SHORT_S)
        for tag, key in enumerate(ONE_OF_EACH)
    }
    assert failures(writes, SHORT_S) == dict.fromkeys(its, UnavailableError)
    meanwhile = edge.connect(T).run
    assert {tag for tag in range(TAGS) if not life_of(meanwhile, tag)} == its
    for tag in set(range(TAGS)) - its:
        assert life_of(meanwhile, tag) == life_of(run, tag)
    some = min(its)
    with pytest.raises(UnavailableError):
        edge.write([put(ONE_OF_EACH[some], 1)], meanwhile, BYTES_MAX, SHORT_S)
    node.start()
    cluster.wait_ok()
    valkey_cluster.wait_until(lambda: not failures(reads, SHORT_S))
    found = edge.read(ONE_OF_EACH, T).copies
    assert set(found) == {ONE_OF_EACH[tag] for tag in set(range(TAGS)) - its}
    assert edge.write([put(ONE_OF_EACH[some], 1)], meanwhile, BYTES_MAX, T).verdict == "unbound"
    run = edge.connect(T).run
    edge.bind(some, run, 78, T)
    assert edge.write([put(ONE_OF_EACH[some], 1)], run, BYTES_MAX, T).numbers == (1, 1)


def test_fills_go_on_while_the_node_of_the_clock_is_away(cluster, edge):
    standing = cluster.owner(SLOT_OF_HOME[TAGS])
    its = tags_of(cluster, standing)
    standing.kill()
    keys = [key for tag, key in enumerate(ONE_OF_EACH) if tag not in its]
    with pytest.raises(UnavailableError):
        edge.standing(SHORT_S)
    assert edge.read(keys, T).copies == {}
    fetched_ms = edge.lease(keys, 1, T)
    rows = {key: Record(1, 1, b"row") for key in keys}
    assert edge.fill(rows, 1, fetched_ms, 60_000, T) == set(keys)
    assert set(edge.read(keys, T).copies) == set(keys)


def test_a_node_that_hangs_costs_no_more_than_the_timeout(cluster, edge):
    node = cluster.nodes[0]
    its, run = tags_of(cluster, node), edge.connect(T).run
    one, other = ONE_OF_EACH[min(its)], ONE_OF_EACH[min(set(range(TAGS)) - its)]
    node.signal(signal.SIGSTOP)
    calls = {
        "write": lambda: edge.write([put(one, 1)], run, BYTES_MAX, SHORT_S),
        "read": lambda: edge.read([one, other], SHORT_S),
        "withdraw": lambda: edge.withdraw([one], SHORT_S),
    }
    found = failures(calls, SHORT_S)
    assert found["write"] is OutcomeUnknownError
    assert issubclass(found["read"], DeadlineExceededError)
    assert issubclass(found["withdraw"], UnavailableError)
    assert edge.write([put(other, 1)], run, BYTES_MAX, T).verdict == "written"
    info = edge.connect(T)
    assert {tag for tag in range(TAGS) if not life_of(info.run, tag)} == its
    node.signal(signal.SIGCONT)
    valkey_cluster.wait_until(lambda: edge.connect(T).run == run)


def test_a_lost_write_is_not_sent_to_who_took_over(edge_cluster, open_edge, monkeypatch):
    """It may have happened, and the next master may have it."""
    edge, key = open_edge(edge_cluster.url), ONE_OF_EACH[TAG]
    run = edge.connect(T).run
    edge.bind(TAG, run, 77, T)
    servers = edge._parts().server
    other = next(node for node in servers._topology.nodes() if node != servers.owner(TAG))
    assert edge.write([put(key, 1)], run, BYTES_MAX, T).numbers == (1, 1)

    def take_over(*_):
        servers._topology = servers._topology.moved(SLOT_OF_HOME[TAG], other)

    def lose(*_):
        raise DriverConnectionError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(servers, "_learn_quietly", take_over)
        patch.setattr(Link, "answers", lose)
        with pytest.raises(OutcomeUnknownError):
            edge.write([put(key, 2)], run, BYTES_MAX, T)
    assert edge.write([put(key, 2)], run, BYTES_MAX, T).numbers in {(2, 2), (3, 2)}


def test_a_forked_child_has_connections_of_its_own(edge_cluster, open_edge):
    edge = open_edge(edge_cluster.url)
    run = edge.connect(T).run
    for tag in range(TAGS):
        edge.bind(tag, run, 77, T)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for key in ONE_OF_EACH:
                edge.write([put(key, 1)], run, BYTES_MAX, T)
            code = 0 if set(edge.read(ONE_OF_EACH, T).copies) == set(ONE_OF_EACH) else 2
        finally:
            os._exit(code)
    for _ in range(50):
        edge.read(ONE_OF_EACH, T)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert set(edge.read(ONE_OF_EACH, T).copies) == set(ONE_OF_EACH)


# Failover


@pytest.fixture(scope="module")
def four():
    """A cluster whose first master has a replica."""
    try:
        cluster = valkey_cluster.Cluster(replicas=1)
    except valkey_cluster.MissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Valkey to test with: {missing}")
    yield cluster
    cluster.close()


@pytest.fixture
def pair(four):
    """A cluster, the master of the tag, and its replica, which has all that it has."""
    master = four.owner(SLOT_OF_HOME[TAG])
    (replica,) = {four.nodes[0], four.nodes[3]} - {master}
    valkey_cluster.wait_until(lambda: is_up_to_date(master))
    return four, master, replica


def test_replicas_may_lose(pair, open_edge):
    info = open_edge(pair[0].url).connect(T)
    assert not info.is_durable
    assert "failover" in info.why


def test_a_replica_that_took_over_is_another_life(pair, open_edge):
    """Also where nothing was lost, and where the old master is one again."""
    cluster, master, replica = pair
    edge, key = open_edge(cluster.url), ONE_OF_EACH[TAG]
    runs = []
    for round_, node in enumerate((replica, master)):
        run = edge.connect(T).run
        edge.bind(TAG, run, 77 + round_, T)
        assert edge.write([put(key, round_ * 2 + 1)], run, BYTES_MAX, T).numbers == (1, 1)
        assert cluster.owner(SLOT_OF_HOME[TAG]) is not node
        node.ask("CLUSTER", "FAILOVER")
        valkey_cluster.wait_until(lambda node=node: cluster.owner(SLOT_OF_HOME[TAG]) is node)
        assert edge.write([put(key, round_ * 2 + 2)], run, BYTES_MAX, T).verdict == "unbound"
        runs.append(life_of(run, TAG))
    runs.append(life_of(edge.connect(T).run, TAG))
    assert len(set(runs)) == 3
    assert edge.read([key], T).copies[key].record.stamp == 3


def test_who_took_over_for_a_node_that_hangs_is_found(pair, open_edge):
    cluster, master, _ = pair
    edge = open_edge(cluster.url)
    run = edge.connect(T).run
    edge.bind(TAG, run, 77, T)
    valkey_cluster.wait_until(lambda: is_up_to_date(master))
    master.signal(signal.SIGSTOP)
    deadline = time.monotonic() + T
    while True:
        try:
            found = edge.identities(TAG, SHORT_S)
            break
        except UnavailableError:
            assert time.monotonic() < deadline
    assert [one.replica for one in found] == [77]
    assert edge.write([put(ONE_OF_EACH[TAG], 1)], run, BYTES_MAX, T).verdict == "unbound"
    master.signal(signal.SIGCONT)


def test_what_a_failover_loses_is_lost_once_and_nothing_is_doubled(pair, tmp_path):
    """Every key is written once, so the region has as many rows as entries were applied."""
    cluster, master, replica = pair
    policy = {
        "version": 1,
        "tiers": {"edge": {"url": cluster.url}, "regional": {"url": f"sqlite:///{tmp_path}/r.db"}},
        "timeouts": {"edge": "2s"},
        "replication": {"flush": "1h", "pull": "1h"},
        "rules": [{"match": "**", "durability": "memory"}],
    }
    names = (key for key in map("k{}".format, range(100_000)) if tag_of(key) == TAG)
    written = {}
    with tierstore.open(policy) as store:

        def write(count):
            made = {next(names): number for number in range(count)}
            for key, number in made.items():
                store.put(key, number)
            written.update(made)
            return made

        kept = write(5)
        valkey_cluster.wait_until(lambda: is_up_to_date(master))
        replica.signal(signal.SIGSTOP)
        master.ask("CLIENT", "KILL", "TYPE", "replica")
        drained = write(5)  # which the region has, and the replica has not
        store.flush(timeout=10)
        lost = write(5)
        master.kill()
        replica.signal(signal.SIGCONT)
        valkey_cluster.wait_until(lambda: cluster.owner(SLOT_OF_HOME[TAG]) is replica)
        later = write_when_it_can(store, names)
        later |= write(11)
        store.flush(timeout=10)
        assert store.stats()["shared_edge"]["queues_stopped"] == {}
    with tierstore.open({**policy, "tiers": {"regional": policy["tiers"]["regional"]}}) as other:
        found = {key: other.get(key, None) for key in [*written, *later]}
    assert {key for key, value in found.items() if value is None} == set(lost)
    assert {key: found[key] for key in (*kept, *drained)} == kept | drained
    assert {key: found[key] for key in later} == later


def is_up_to_date(master):
    """Whether the replica has all that the master has."""
    told = master.ask("INFO", "replication")
    replica = told.get("slave0", {})
    is_online = replica.get("state") == "online"
    return is_online and replica["offset"] == told["master_repl_offset"]


def write_when_it_can(store, names):
    """One write more, as soon as the edge takes it."""
    deadline = time.monotonic() + T
    while True:
        key = next(names)
        try:
            store.put(key, -1)
            return {key: -1}
        except (UnavailableError, OutcomeUnknownError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
