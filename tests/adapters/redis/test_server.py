"""What a server is, what it refuses, and what its failures become."""

from __future__ import annotations

import time

import pytest

from tierstore.errors import (
    OverloadedError,
    PolicyError,
    UnavailableError,
)
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import ReplacedError, Settled, Standing, tag_of
from tierstore.testing.conformance.telling import told
from tierstore_redis.errors import NEEDED
from tierstore_redis.probing import check_server, find_faults

T = 10.0
TTL_MS = 3_600_000
BYTES_MAX = 1 << 30
DURABLE = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}
VALKEY = {"run_id": "a", "valkey_version": "8.0.0", "redis_version": "7.2.4", "role": "master"}


def put(key, stamp, payload=b"x"):
    return Delta(key, PUT, Record(stamp, 1, payload))


def bound(edge, tag, replica=77):
    """The run of the server, in which the tag has an identity."""
    run = edge.connect(T).run
    edge.bind(tag, run, replica, T)
    return run


def of_one_tag(count, tag=3):
    return [key for key in map(str, range(10_000)) if tag_of(key) == tag][:count]


# What it is


def test_a_server_tells_what_it_is(own_server, open_edge):
    info = open_edge(own_server().url).connect(T)
    assert info.is_durable, info.why
    assert info.version.startswith("valkey 9")
    assert abs(info.now_ms - time.time() * 1000) < 60_000


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"maxmemory": "50mb", "maxmemory_policy": "allkeys-lru"}, "allkeys-lru, which evicts"),
        ({"appendonly": "no"}, "appendonly is off"),
        ({"appendfsync": "everysec"}, "appendfsync is everysec"),
    ],
)
def test_a_server_that_may_lose_writes_is_not_durable(own_server, open_edge, settings, why):
    info = open_edge(own_server(**settings).url).connect(T)
    assert not info.is_durable
    assert why in info.why


@pytest.mark.parametrize(
    ("info", "settings", "why"),
    [
        ({}, DURABLE, None),
        ({}, {**DURABLE, "maxmemory-policy": "volatile-lru"}, None),
        ({}, {**DURABLE, "maxmemory-policy": "allkeys-random"}, "evicts"),
        ({"connected_slaves": "1"}, DURABLE, "failover"),
        ({"aof_last_write_status": "err"}, DURABLE, "cannot be written"),
        ({"aof_enabled": "1", "maxmemory_policy": "noeviction"}, {}, "CONFIG GET is refused"),
        ({"aof_enabled": "0", "maxmemory_policy": "noeviction"}, {}, "appendonly is off"),
        ({}, {}, "unknown"),
    ],
)
def test_durable_is_what_loses_nothing(info, settings, why):
    faults = find_faults(info, settings)
    assert why in "; ".join(faults) if why else faults == []


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"valkey_version": "7.2.5"}, UnavailableError, "too old"),
        ({"role": "slave"}, UnavailableError, "replica"),
        ({"run_id": ""}, UnavailableError, "run id"),
        ({"redis_mode": "cluster"}, PolicyError, r"write redis\+cluster://"),
        ({"redis_mode": "sentinel"}, PolicyError, "sentinel"),
    ],
)
def test_servers_that_cannot_be_used_are_refused(change, kind, message):
    check_server(VALKEY, "here")
    with pytest.raises(kind, match=message):
        check_server({**VALKEY, **change}, "here")


@pytest.mark.parametrize("mode", ["standalone", "sentinel"])
def test_what_is_no_node_of_a_cluster_is_refused(mode):
    check_server({**VALKEY, "server_mode": "cluster"}, "here", is_node=True)
    with pytest.raises(PolicyError, match=mode):
        check_server({**VALKEY, "server_mode": mode}, "here", is_node=True)


@pytest.mark.parametrize("version", ["6.2.14", "5.0", "garbage"])
def test_an_old_redis_is_refused(version):
    check_server({"run_id": "a", "redis_version": "7.0.0"}, "here")
    with pytest.raises(UnavailableError, match="too old"):
        check_server({"run_id": "a", "redis_version": version}, "here")


@pytest.mark.parametrize("layout", ["3:16", "1:32", "2:32", "hello"])
def test_another_layout_is_refused(open_edge, edge_server, raw, prefix, layout):
    raw.set(f"{prefix}:{{layout}}", layout)
    with pytest.raises(PolicyError, match="another layout"):
        open_edge(edge_server.url).connect(T)


def test_the_first_layout_is_raised_and_what_waits_stays(open_edge, edge_server, raw, prefix):
    edge = open_edge(edge_server.url)
    run = edge.connect(T).run
    edge.bind(3, run, 77, T)
    raw.hdel(f"{prefix}:{{3}}:i", "origin")
    raw.set(f"{prefix}:{{layout}}", "1:16")
    later = open_edge(edge_server.url)
    later.connect(T)
    assert raw.get(f"{prefix}:{{layout}}") == b"2:16"
    assert [(one.replica, one.origin) for one in later.identities(3, T)] == [(77, 77)]
    later.bind(3, run, 78, T, 77)
    assert [(one.replica, one.origin) for one in later.identities(3, T)] == [(77, 77), (78, 77)]


def test_a_user_without_config_is_not_durable(own_server, open_edge, connect_raw):
    server = own_server()
    raw = connect_raw(server)
    raw.execute_command(*"ACL SETUSER ann on >pw ~* +@all -config".split())
    info = open_edge(server.url.replace("://", "://ann:pw@")).connect(T)
    assert not info.is_durable
    assert "CONFIG GET is refused" in info.why


# What it refuses


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("", "asks for a password"),
        (":wrong-c4n4ry@", "refuses this user or password"),
        ("ann:wrong-c4n4ry@", "refuses this user or password"),
    ],
)
def test_a_wrong_password_is_told_without_it(own_server, open_edge, user, message):
    server = own_server(requirepass="right-c4n4ry")
    edge = open_edge(server.url.replace("://", f"://{user}"))
    with pytest.raises(UnavailableError, match=message) as raised:
        edge.connect(T)
    assert "c4n4ry" not in "".join(told(raised.value))
    assert open_edge(server.url.replace("://", "://:right-c4n4ry@")).connect(T).run


def test_a_replica_takes_no_writes(own_server, open_edge, connect_raw):
    server = own_server()
    edge = open_edge(server.url)
    run = bound(edge, 3)
    connect_raw(server).execute_command("REPLICAOF", "127.0.0.1", "1")
    key = of_one_tag(1)[0]
    with pytest.raises(UnavailableError, match="replica"):
        edge.write([put(key, 1)], run, BYTES_MAX, T)
    with pytest.raises(UnavailableError, match="replica"):
        edge.connect(T)


def test_a_promoted_replica_is_another_life(own_server, open_edge, connect_raw):
    server = own_server()
    edge, raw = open_edge(server.url), connect_raw(server)
    run = bound(edge, 3)
    key = of_one_tag(1)[0]
    assert edge.write([put(key, 1)], run, BYTES_MAX, T).verdict == "written"
    raw.execute_command("REPLICAOF", "127.0.0.1", "1")
    raw.execute_command("REPLICAOF", "NO", "ONE")
    assert edge.write([put(key, 2)], run, BYTES_MAX, T).verdict == "unbound"
    with pytest.raises(UnavailableError, match="connect to it again"):
        edge.bind(3, run, 78, T)
    assert edge.connect(T).run != run
    assert edge.write([put(key, 2)], run, BYTES_MAX, T).verdict == "unbound"


def test_a_full_server_takes_nothing_and_can_be_drained(own_server, open_edge, connect_raw):
    server = own_server(maxmemory="4mb")
    edge, raw = open_edge(server.url), connect_raw(server)
    run, keys, stored = bound(edge, 3), of_one_tag(500), []

    def fill_up():
        for stamp, key in enumerate(keys, 1):
            assert edge.write([put(key, stamp, b"x" * 20_000)], run, BYTES_MAX, T).numbers[0]
            stored.append(key)

    with pytest.raises(OverloadedError, match="no room"):
        fill_up()
    assert len(stored) > 10
    raw.config_set("maxmemory", "1mb")
    edge.lease(keys, 1, T)
    assert edge.fill({keys[-1]: Record(1, 1, b"x")}, 1, 1, TTL_MS, T) == set()
    with pytest.raises(OverloadedError):
        edge.bind(4, run, 78, T)
    edge.introduce(3, 77, T)
    assert len(edge.queue(3, 77, 1_000, T)) == len(stored)
    settled = [Settled(key, number, False) for number, key in enumerate(stored, 1)]
    edge.settle(3, 77, len(stored), settled, 0, TTL_MS, T)
    edge.notice({keys[0]: (1, 1, 1)}, T)
    edge.show({keys[0]: Record(1, 1, b"x")}, 0, TTL_MS, T)
    edge.withdraw(keys, T)
    edge.clear_clean(T)
    edge.dismiss(3, 77, T)
    assert raw.dbsize() == 2, "the layout, and the origin of the tag"
    raw.config_set("maxmemory", "4mb")
    bound(edge, 3, 79)
    assert edge.write([put(keys[0], 9)], run, BYTES_MAX, T).verdict == "written"


def test_the_permissions_that_the_message_names_suffice(own_server, open_edge, connect_raw, prefix):
    server = own_server()
    rules = f"ACL SETUSER ann on >pw ~{prefix}:* {' '.join(NEEDED.split()[:6])}"
    connect_raw(server).execute_command(*rules.split())
    edge, key = open_edge(server.url.replace("://", "://ann:pw@")), of_one_tag(1)[0]
    run = bound(edge, 3)
    assert edge.write([put(key, 1)], run, BYTES_MAX, T).verdict == "written"
    assert set(edge.read([key], T).copies) == {key}
    edge.clear_clean(T)
    assert edge.lead("work", 1, 1_000, T)
    assert edge.advance(Standing(0, "r", 1, 2, 3), 0, T)
    assert edge.standing(T).cursor == 2
    ready = []
    edge.listen(lambda: ready.append(1), ready.append, 0.01, lambda: bool(ready))
    assert ready == [1]
    edge.dismiss(3, 77, T)


def test_eviction_of_what_expires_leaves_writes_alone(own_server, open_edge, connect_raw):
    server = own_server(maxmemory="6mb", maxmemory_policy="volatile-lru")
    edge, keys = open_edge(server.url), [str(number) for number in range(2_000)]
    run, dirty = bound(edge, 3), of_one_tag(50)
    assert edge.connect(T).is_durable
    edge.write([put(key, 5, b"d" * 1_000) for key in dirty], run, BYTES_MAX, T)
    clean = {key: Record(1, 1, b"c" * 10_000) for key in keys if key not in dirty}
    for some in (keys[at : at + 100] for at in range(0, len(keys), 100)):
        edge.lease(some, 1, T)
        edge.fill({key: clean[key] for key in some if key in clean}, 1, 1, TTL_MS, T)
    assert int(connect_raw(server).info("stats")["evicted_keys"]) > 0
    found = edge.read(keys + dirty, T).copies
    assert all(found[key].record.stamp == 5 for key in dirty)
    assert len(found) < len(keys)
    assert len(edge.queue(3, 77, 100, T)) == len(dirty)


# What it loses


def test_a_killed_server_keeps_what_it_acknowledged_in_another_life(own_server, open_edge):
    server = own_server()
    edge, keys = open_edge(server.url), of_one_tag(3)
    run = bound(edge, 3)
    for key in keys[:2]:
        edge.write([put(key, 1)], run, BYTES_MAX, T)
    server.kill()
    with pytest.raises(UnavailableError):
        edge.read(keys, T)
    server.start()
    for ask in (lambda: edge.read(keys, T), lambda: edge.lease(keys, 1, T)):
        with pytest.raises(ReplacedError):
            ask()
    assert edge.write([put(keys[2], 1)], run, BYTES_MAX, T).verdict == "unbound"
    with pytest.raises(UnavailableError, match="connect to it again"):
        edge.bind(3, run, 78, T)
    new_run = edge.connect(T).run
    assert new_run != run
    assert edge.write([put(keys[2], 1)], new_run, BYTES_MAX, T).verdict == "unbound"
    assert edge.bind(3, new_run, 78, T) == 78
    assert edge.write([put(keys[2], 1)], new_run, BYTES_MAX, T).numbers == (1, 1)
    assert set(edge.read(keys, T).copies) == set(keys)
    assert [one.number for one in edge.queue(3, 77, 10, T)] == [1, 2]
    old, new = edge.identities(3, T)
    assert (old.replica, old.waiting, new.replica, new.waiting) == (77, 2, 78, 1)


def test_numbers_go_on_after_a_queue_was_drained(edge):
    run, keys = bound(edge, 3), of_one_tag(2)
    edge.write([put(keys[0], 1), put(keys[1], 1)], run, BYTES_MAX, T)
    edge.settle(3, 77, 2, [], 0, TTL_MS, T)
    assert edge.write([put(keys[0], 2)], run, BYTES_MAX, T).numbers == (3, 3)


def test_what_an_earlier_identity_settles_leaves_later_writes_dirty(edge, raw, prefix):
    run, key = bound(edge, 3), of_one_tag(1)[0]
    for stamp in (1, 2, 3):
        edge.write([put(key, stamp)], run, BYTES_MAX, T)
    raw.hset(f"{prefix}:{{3}}:i", "run:77", "earlier")
    assert edge.bind(3, run, 78, T) == 78
    edge.write([put(key, 4)], run, BYTES_MAX, T)
    edge.settle(3, 77, 2, [Settled(key, 2, False)], 5, TTL_MS, T)
    assert edge.read([key], T).copies[key].number == 1
    edge.dismiss(3, 77, T)
    assert edge.read([key], T).copies[key].record.stamp == 4


def test_scripts_that_the_server_forgot_are_sent_again(edge, raw):
    run, keys = bound(edge, 3), of_one_tag(2)
    edge.write([put(keys[0], 1)], run, BYTES_MAX, T)
    raw.script_flush()
    assert edge.write([put(keys[0], 2)], run, BYTES_MAX, T).numbers == (2, 2)
    raw.script_flush()
    edge.lease(list(map(str, range(100))), 1, T)
