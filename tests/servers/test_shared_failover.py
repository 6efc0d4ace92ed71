"""A failover between two servers of one edge: writes may be lost, none is doubled, all goes on."""

from __future__ import annotations

import os
import threading
import time

import pytest
import valkey_server as valkey
from ledger import Ledger
from tcp_proxy import Proxy

import tierstore

WRITERS = 2
KEYS = 40  # of each writer
BEFORE_S = 1.0
RECOVERS_WITHIN_S = 10.0
LAG = 200  # writes that the replica does not get in time


@pytest.fixture
def servers():
    """A primary, and a replica that follows it."""
    pytest.importorskip("redis")
    made = []
    try:
        made.append(valkey.Server(appendonly="no"))
        made.append(valkey.Server(appendonly="no", replicaof=f"127.0.0.1 {made[0].port}"))
        yield made
    except valkey.MissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Valkey to test with: {missing}")
    finally:
        for server in made:
            server.close()


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


class Writer:
    """A thread that writes its own keys in turn at a worker, until it is stopped."""

    def __init__(self, name, store):
        self.keys = [f"{name}/{number}" for number in range(KEYS)]
        self.ledger, self.store = Ledger(), store
        self.is_stopped = False
        self.acknowledged_at_s = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self):
        self.is_stopped = True
        self._thread.join()

    def _run(self):
        while not self.is_stopped:
            for key in self.keys:
                if self.ledger.write(self.store, key):
                    self.acknowledged_at_s = time.monotonic()
                else:
                    time.sleep(0.002)


def wait_until(holds):
    give_up_s = time.monotonic() + RECOVERS_WITHIN_S
    while not holds():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


def fail_over(servers, proxy):
    """Kill the primary, with writes that its replica lacks; the replica takes its place."""
    primary, replica = servers
    raw = valkey.connect_url(replica.url)
    wait_until(lambda: raw.info("replication")["master_link_status"] == "up")
    time.sleep(BEFORE_S)
    raw.execute_command("REPLICAOF", "127.0.0.1", "1")  # it gets no more
    wait_until(lambda: raw.info("replication")["master_link_status"] == "down")
    time.sleep(BEFORE_S / 4)
    primary.kill()
    raw.execute_command("REPLICAOF", "NO", "ONE")
    raw.close()
    proxy.point_to(replica.port)
    return time.monotonic()


def watch(region, writers):
    """See what the region has, which may not go back."""
    for writer in writers:
        writer.ledger.learn(region, writer.keys)


def test_writes_may_be_lost_none_is_doubled_and_workers_go_on(servers, proxy, open_store):
    region = open_store("memory://")
    stores = [open_store() for _ in range(WRITERS)]
    writers = [Writer(f"writer-{number}", store) for number, store in enumerate(stores)]
    failed_over_s = fail_over(servers, proxy)
    wait_until(lambda: all(writer.acknowledged_at_s > failed_over_s for writer in writers))
    for _ in range(10):
        watch(region, writers)
        time.sleep(0.05)
    for writer in writers:
        writer.stop()
    lost = sum(writer.ledger.tried.total() for writer in writers)
    for store in stores:
        store.flush(timeout=30)
    watch(region, writers)
    print(lost)
