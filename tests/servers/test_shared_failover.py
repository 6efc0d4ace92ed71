"""A failover between two servers of one edge: writes may be lost, none is doubled, all goes on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import suppress
from itertools import count

import pytest
import valkey_server as valkey
from ledger import FAILURES, Ledger
from tcp_proxy import Proxy
from valkey_fixtures import starting

import tierstore
from tierstore_sql.region import SqlRegion

WRITERS = 2
KEYS = 40  # of each writer
PACE_S = 0.001  # between writes, so that draining them all takes no longer than needed
BEFORE_S = 0.6
BEHIND_S = 0.25  # in which the replica gets nothing
RECOVERS_WITHIN_S = 10.0
own_server = starting(valkey.Server)


@pytest.fixture
def servers(own_server):
    """A primary, and a replica that follows it."""
    primary = own_server(appendonly="no")
    return primary, own_server(appendonly="no", replicaof=f"127.0.0.1 {primary.port}")


@pytest.fixture
def proxy(servers):
    """Where the workers think that the primary is."""
    made = Proxy(servers[0].port)
    yield made
    made.close()


@pytest.fixture
def open_store(proxy, tmp_path):
    """Opens a worker of the edge, or with `url` a store of its own, on the same region."""
    opened = []

    def open_one(url=f"redis://127.0.0.1:{proxy.port}/0"):
        policy = {
            "tiers": {
                "edge": {"url": url, "journal": f"journal-{len(opened)}"},
                "regional": {"url": f"sqlite:///{tmp_path}/region.db"},
            },
            "timeouts": {"edge": "500ms", "regional": "10s"},
            "replication": {"flush": "100ms", "pull": "200ms"},
            "rules": [{"match": "**", "durability": "memory"}],
        }
        opened.append(tierstore.open(policy, base_dir=tmp_path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def applied(monkeypatch):
    """How often the region took each write, by key and stamp."""
    counts, apply = Counter(), SqlRegion.apply

    def counting(region, batch, timeout_s):
        reply = apply(region, batch, timeout_s)
        if reply.verdict == "applied" and not reply.repeated:
            counts.update((d.key, max(d.record.stamp, d.record.touch)) for d in batch.deltas)
        return reply

    monkeypatch.setattr(SqlRegion, "apply", counting)
    return counts


class Writer:
    """A thread that writes its own keys in turn at a worker, and others once, until stopped."""

    def __init__(self, name, store):
        self.keys = [f"{name}/{number}" for number in range(KEYS)]
        self.name, self.ledger, self.store = name, Ledger(), store
        self.once = {}  # when the put of each of these keys began, which was acknowledged
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        self._is_stopped = True
        self._thread.join()

    def _run(self):
        for number in count():
            if self._is_stopped:
                return
            self.ledger.write(self.store, self.keys[number % KEYS])
            time.sleep(PACE_S)
            key = f"once/{self.name}/{number}"
            began_s = time.monotonic()
            with suppress(*FAILURES):
                self.store.put(key, number)
                self.once[key] = began_s


def wait_until(holds):
    give_up_s = time.monotonic() + RECOVERS_WITHIN_S
    while not holds():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


def sleep_while(act, until_s=BEFORE_S):
    """Do something again and again for a while."""
    give_up_s = time.monotonic() + until_s
    while time.monotonic() < give_up_s:
        act()
        time.sleep(0.05)


def fail_over(servers, proxy, act):
    """Kill the primary, with writes that its replica lacks; the replica takes its place."""
    primary, replica = servers
    raw = valkey.connect_url(replica.url)
    wait_until(lambda: raw.info("replication")["master_link_status"] == "up")
    sleep_while(act)
    raw.execute_command("REPLICAOF", "127.0.0.1", "1")  # it gets no more
    wait_until(lambda: raw.info("replication")["master_link_status"] == "down")
    sleep_while(act, BEHIND_S)
    primary.kill()
    raw.execute_command("REPLICAOF", "NO", "ONE")
    raw.close()
    proxy.point_to(replica.port)
    return time.monotonic()


def watch(region, writers):
    """See what the region has, which may not go back."""
    for writer in writers:
        writer.ledger.learn(region, writer.keys)


def missing(region, keys):
    return set(keys) - set(region.get_many(list(keys), max_age=0))


def test_writes_may_be_lost_none_is_doubled_and_workers_go_on(servers, proxy, open_store, applied):
    region = open_store("memory://")
    stores = [open_store() for _ in range(WRITERS)]
    writers = [Writer(f"writer-{number}", store) for number, store in enumerate(stores)]
    failed_over_s = fail_over(servers, proxy, lambda: watch(region, writers))
    wait_until(lambda: all(max(writer.once.values()) > failed_over_s for writer in writers))
    recovered_s = time.monotonic() - failed_over_s
    sleep_while(lambda: watch(region, writers))
    for writer in writers:
        writer.stop()
    for store in stores:
        store.flush(timeout=30)
    watch(region, writers)
    once = {key: at_s for writer in writers for key, at_s in writer.once.items()}
    lost = missing(region, once)
    tried = sum(writer.ledger.tried.total() for writer in writers)
    failures = [dict(writer.ledger.failures) for writer in writers]
    print(f"lost {len(lost)} of {len(once)}; {tried} others; {recovered_s:.2f} s; {failures}")
    assert lost
    assert [writer.ledger.wrong for writer in writers] == [[]] * WRITERS
    assert [key for key in lost if once[key] > failed_over_s] == []
    assert [write for write, times in applied.items() if times > 1] == []
    for writer in writers:  # all that was acknowledged last came through, and shows everywhere
        assert writer.ledger.lost(region, writer.keys) == 0
        seen = region.get_many(writer.keys, max_age=0)
        for store in stores:
            wait_until(lambda store=store, seen=seen: store.get_many(list(seen)) == seen)
