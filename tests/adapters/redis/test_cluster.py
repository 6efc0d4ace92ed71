"""A cluster as an edge: what it is, what it refuses, and slots that move."""

from __future__ import annotations

import threading
import time

import pytest

from tierstore.errors import OverloadedError, PolicyError, UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import TAGS, Standing, life_of, tag_of
from tierstore.testing.conformance.telling import told
from tierstore_redis.errors import NEEDED
from tierstore_redis.topology import SLOT_OF_HOME

T = 10.0
TTL_MS = 3_600_000
BYTES_MAX = 1 << 30
TAG = 3
SLOT = SLOT_OF_HOME[TAG]
FIRST_OF_TAG = {
    tag: next(k for k in map(str, range(999)) if tag_of(k) == tag) for tag in range(TAGS)
}
KEYS = [key for key in map(str, range(1_000)) if tag_of(key) == TAG][:8]


def put(key, stamp, payload=b"x"):
    return Delta(key, PUT, Record(stamp, 1, payload))


def bound(edge, tag=TAG, replica=77):
    """The run of the edge, in which the tag has an identity."""
    run = edge.connect(T).run
    edge.bind(tag, run, replica, T)
    return run


def filled(edge, keys, stamp=1):
    """Show rows for `keys`, as a worker does that reads them."""
    edge.read(keys, T)
    fetched_ms = edge.lease(keys, 1, T)
    assert edge.fill({key: Record(stamp, 1, b"row") for key in keys}, 1, fetched_ms, TTL_MS, T)


# What it is


def test_it_tells_what_it_is(open_edge, edge_cluster):
    info = open_edge(edge_cluster.url).connect(T)
    assert info.is_durable, info.why
    assert info.version.startswith("valkey 9")
    assert info.version.endswith("cluster of 3")
    assert abs(info.now_ms - time.time() * 1000) < 60_000
    lives = [life_of(info.run, tag) for tag in range(TAGS)]
    assert len(set(lives)) == 3
    assert all(lives)


def test_the_worst_node_counts(edge_cluster, open_edge):
    cluster = edge_cluster
    cluster.nodes[1].ask("CONFIG", "SET", "appendfsync", "everysec")
    info = open_edge(cluster.url).connect(T)
    assert not info.is_durable
    place = f"127.0.0.1:{cluster.nodes[1].port}"
    assert f"appendfsync is everysec: only `always` loses nothing (at {place})" in info.why
    cluster.nodes[1].ask("CONFIG", "SET", "appendfsync", "always")
    assert open_edge(cluster.url).connect(T).is_durable


def test_one_seed_is_enough_and_one_that_is_away_is_passed_over(open_edge, edge_cluster):
    last = edge_cluster.url.rpartition(",")[2]
    run = open_edge(f"redis+cluster://{last}").connect(T).run
    assert open_edge(f"redis+cluster://127.0.0.1:1,{last}").connect(T).run == run


def test_no_seed_that_answers_is_told_without_the_password(open_edge):
    edge = open_edge("redis+cluster://user:c4n4ry@127.0.0.1:1,127.0.0.1:2")
    with pytest.raises(UnavailableError, match="does not answer") as raised:
        edge.connect(T)
    assert "c4n4ry" not in "".join([*told(raised.value), repr(edge)])


def test_each_kind_of_server_has_urls_of_its_own(open_edge, edge_cluster, edge_server):
    node = edge_cluster.url.rpartition(",")[2]
    with pytest.raises(PolicyError, match=r"write redis\+cluster://"):
        open_edge(f"redis://{node}").connect(T)
    place = edge_server.url.partition("://")[2].partition("/")[0]
    with pytest.raises(PolicyError, match="write redis://"):
        open_edge(f"redis+cluster://{place}").connect(T)


@pytest.mark.parametrize(
    ("user", "message"),
    [("", "asks for a password"), (":wrong-c4n4ry@", "refuses this user or password")],
)
def test_a_wrong_password_is_told_without_it(own_server, open_edge, user, message):
    node = own_server(requirepass="right-c4n4ry")
    with pytest.raises(UnavailableError, match=message) as raised:
        open_edge(f"redis+cluster://{user}127.0.0.1:{node.port}").connect(T)
    assert "c4n4ry" not in "".join(told(raised.value))


def test_the_permissions_that_the_message_names_suffice(edge_cluster, open_edge, prefix):
    rules = f"ACL SETUSER ann on >pw ~{prefix}:* {' '.join(NEEDED.split()[:6])}"
    for node in edge_cluster.nodes:
        node.ask(*rules.split(), "+cluster|slots", "+cluster|info")
    edge = open_edge(edge_cluster.url.replace("://", "://ann:pw@"))
    run = bound(edge)
    assert edge.write([put(KEYS[0], 1)], run, BYTES_MAX, T).verdict == "written"
    filled(edge, KEYS[1:3])
    assert set(edge.read(KEYS, T).copies) == set(KEYS[:3])
    edge.clear_clean(T)
    assert set(edge.read(KEYS, T).copies) == {KEYS[0]}
    assert edge.lead("work", 1, 1_000, T)
    assert edge.advance(Standing(0, "r", 1, 2, 3), 0, T)
    ready = []
    edge.listen(lambda: ready.append(1), ready.append, 0.01, lambda: bool(ready))
    edge.dismiss(TAG, 77, T)


def test_a_thousand_keys_take_one_round(open_edge, edge_cluster):
    edge, keys = open_edge(edge_cluster.url), [f"many/{n}" for n in range(1_000)]
    edge.connect(T)
    filled(edge, keys)
    rounds, servers = [], edge._parts().server
    go = servers._nodes.round
    servers._nodes.round = lambda *told: (rounds.append(1), go(*told))
    assert set(edge.read(keys, T).copies) == set(keys)
    assert len(rounds) == 1


def test_a_full_node_refuses_its_tags_only(edge_cluster, open_edge):
    cluster = edge_cluster
    edge, run = open_edge(cluster.url), None
    for tag in range(TAGS):
        run = bound(edge, tag)
    full = cluster.owner(SLOT)
    full.ask("CONFIG", "SET", "maxmemory", "1")
    refused = set()
    for tag, key in FIRST_OF_TAG.items():
        try:
            assert edge.write([put(key, 1)], run, BYTES_MAX, T).verdict == "written"
        except OverloadedError:
            refused.add(tag)
    full.ask("CONFIG", "SET", "maxmemory", "0")
    assert refused == {tag for tag in range(TAGS) if cluster.owner(SLOT_OF_HOME[tag]) is full}


def test_no_more_connections_to_a_node_than_the_pool_may_have(open_edge, edge_cluster):
    edge, node = open_edge(f"{edge_cluster.url}?pool=2"), edge_cluster.owner(SLOT)
    edge.connect(T)
    before = node.ask("CLIENT", "LIST").count(b"addr=")
    workers = [threading.Thread(target=edge.read, args=([KEYS[0]], T)) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(T)
    assert node.ask("CLIENT", "LIST").count(b"addr=") <= before + 2


# Slots that move


@pytest.fixture
def moving(edge_cluster):
    """The cluster of the session, and the source and target of a move of the slot, for now."""
    source = edge_cluster.owner(SLOT)
    target = next(node for node in edge_cluster.nodes if node is not source)
    yield edge_cluster, source, target
    if edge_cluster.owner(SLOT) is target:
        edge_cluster.move(SLOT, target, source)


def test_a_slot_that_moved_takes_its_tag_to_another_life(moving, open_edge):
    cluster, source, target = moving
    edge, late = open_edge(cluster.url), open_edge(cluster.url)
    run = bound(edge)
    late.connect(T)
    assert edge.write([put(key, 1) for key in KEYS], run, BYTES_MAX, T).numbers == (1, 8)
    cluster.move(SLOT, source, target)
    assert edge.write([put(KEYS[0], 2)], run, BYTES_MAX, T).verdict == "unbound"
    new_run = bound(edge, replica=78)
    assert life_of(new_run, TAG) != life_of(run, TAG)
    assert edge.write([put(KEYS[0], 2)], new_run, BYTES_MAX, T).numbers == (1, 1)
    assert [one.number for one in late.queue(TAG, 77, 100, T)] == list(range(1, 9))
    assert late.read(KEYS, T).copies[KEYS[0]].record.stamp == 2
    assert [one.replica for one in late.identities(TAG, T)] == [77, 78]


def test_a_slot_that_came_back_with_less_is_in_another_life(moving, open_edge):
    """As after a failover to who lagged behind: its old numbers may be in the region."""
    cluster, source, target = moving
    edge = open_edge(cluster.url)
    run = bound(edge)
    edge.write([put(key, 1) for key in KEYS[:4]], run, BYTES_MAX, T)
    ids = edge._parts().queues._names.identities[TAG]
    less = source.ask("DUMP", ids)
    assert edge.write([put(key, 1) for key in KEYS[4:]], run, BYTES_MAX, T).numbers == (5, 8)
    cluster.move(SLOT, source, target)
    target.ask("RESTORE", ids, 0, less, "REPLACE")
    cluster.move(SLOT, target, source)
    assert edge.write([put(KEYS[0], 2)], run, BYTES_MAX, T).verdict == "unbound"
    again = edge.connect(T).run
    assert life_of(again, TAG) != life_of(run, TAG)
    assert edge.write([put(KEYS[0], 2)], again, BYTES_MAX, T).verdict == "unbound"
    assert edge.bind(TAG, again, 78, T) == 78
    assert edge.write([put(KEYS[0], 2)], again, BYTES_MAX, T).numbers == (1, 1)


def test_a_script_sees_that_its_node_is_in_another_life(edge_cluster, open_edge):
    """Although the connection has survived."""
    edge = open_edge(edge_cluster.url)
    run = bound(edge)
    assert edge.write([put(KEYS[0], 1)], run, BYTES_MAX, T).verdict == "written"
    for node in (*edge_cluster.nodes, edge_cluster.owner(SLOT)):
        node.ask("CLUSTER", "BUMPEPOCH")
    assert edge.write([put(KEYS[0], 2)], run, BYTES_MAX, T).verdict == "unbound"
    with pytest.raises(UnavailableError, match="connect to it again"):
        edge.bind(TAG, run, 78, T)
    assert edge.bind(TAG, edge.connect(T).run, 78, T) == 78


def test_in_the_middle_of_a_move_what_went_is_asked_for_where_it_is(moving, open_edge):
    cluster, source, target = moving
    edge = open_edge(cluster.url)
    run = bound(edge)
    edge.write([put(key, 1) for key in KEYS], run, BYTES_MAX, T)
    edge.read(KEYS, T)
    cluster.begin_move(SLOT, source, target)
    assert len(edge.queue(TAG, 77, 100, T)) == len(KEYS)
    assert cluster.move_keys(SLOT, source, target) >= len(KEYS) + 3
    asked = count_asking(edge)
    assert len(edge.queue(TAG, 77, 100, T)) == len(KEYS)
    assert set(edge.read(KEYS, T).copies) == set(KEYS)
    assert [one.waiting for one in edge.identities(TAG, T)] == [len(KEYS)]
    assert asked
    assert edge.write([put(KEYS[0], 2)], run, BYTES_MAX, T).verdict == "unbound"
    run = edge.connect(T).run
    with pytest.raises(UnavailableError, match="connect to it again"):
        edge.bind(TAG, run, 78, T)
    cluster.end_move(SLOT, source, target)
    run = bound(edge, replica=78)
    assert edge.write([put(KEYS[0], 2)], run, BYTES_MAX, T).verdict == "written"


def count_asking(edge):
    """Grows with every request that is sent with ASKING."""
    asked, nodes = [], edge._parts().server._nodes
    go = nodes.round

    def look(requests, *rest):
        asked.extend(one for one in requests if one.is_asking)
        return go(requests, *rest)

    nodes.round = look
    return asked


def test_half_a_slot_is_unavailable(moving, open_edge):
    cluster, source, target = moving
    edge = open_edge(cluster.url)
    run = bound(edge)
    edge.write([put(key, 1) for key in KEYS], run, BYTES_MAX, T)
    cluster.begin_move(SLOT, source, target)
    cluster.move_keys(SLOT, source, target, count=5)
    with pytest.raises(UnavailableError, match="slot of the cluster is being moved"):
        edge.read(KEYS, T)
    cluster.move_keys(SLOT, source, target)
    cluster.end_move(SLOT, source, target)
    assert set(edge.read(KEYS, T).copies) == set(KEYS)


def test_copies_from_before_a_move_are_read_anew(moving, open_edge):
    """Nobody can tell a move from a failover, which may bring back what was withdrawn."""
    cluster, source, target = moving
    edge = open_edge(cluster.url)
    run = bound(edge)
    filled(edge, KEYS[:2])
    edge.write([put(KEYS[0], 9)], run, BYTES_MAX, T)
    assert set(edge.read(KEYS, T).copies) == set(KEYS[:2])
    cluster.move(SLOT, source, target)
    found = edge.read(KEYS, T).copies
    assert set(found) == {KEYS[0]}
    assert (found[KEYS[0]].number, found[KEYS[0]].fetched_ms) == (1, 0)
    filled(edge, KEYS[1:3])
    assert set(edge.read(KEYS, T).copies) == set(KEYS[:3])


def test_redirections_are_followed_some_times_only(edge_cluster, open_edge, monkeypatch):
    edge = open_edge(edge_cluster.url)
    edge.connect(T)
    servers = edge._parts().server
    wrong = next(node for node in servers._topology.nodes() if node != servers.owner(TAG))
    mislead = lambda *_: setattr(servers, "_topology", servers._topology.moved(SLOT, wrong))  # noqa: E731
    monkeypatch.setattr(servers, "_learn_quietly", mislead)
    monkeypatch.setattr(type(servers._topology), "moved", lambda self, *_: self)
    mislead()
    object.__setattr__(
        servers._topology, "masters", tuple(wrong for _ in servers._topology.masters)
    )
    with pytest.raises(UnavailableError, match="move again and again"):
        edge.identities(TAG, T)
