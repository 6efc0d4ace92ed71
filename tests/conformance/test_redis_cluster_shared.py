"""The edge on a Valkey cluster keeps the promises of an edge that workers share."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from itertools import count
from typing import ClassVar

import pytest
import valkey_cluster as valkey
from valkey_fixtures import running

from tierstore.runtime import Runtime
from tierstore.testing.conformance import SharedConformance, SharedHarness
from tierstore_redis.edge import RedisEdge

pytestmark = pytest.mark.further
KILLED_EVERY = 5  # restarts: one of three nodes takes 2 s
PREFIXES = (f"c{os.getpid()}-{number}" for number in count())

RESTARTS = count()


class ClusterHarness(SharedHarness):
    """A prefix of its own on a cluster whose nodes may be killed."""

    cannot: ClassVar = {
        "clock": "the servers have their own",
        "lose": "what they acknowledged is on their disks",
        "open_secret": "the servers have no password",
    }

    def __init__(self, cluster):
        self.cluster = cluster
        self.prefix = next(PREFIXES)
        self._opened = []
        self._clients = [valkey.connect_url(node.url) for node in cluster.nodes]

    def _open(self, prefix):
        self._opened.append(RedisEdge(self.cluster.url, runtime=Runtime(), prefix=prefix))
        return self._opened[-1]

    def open(self):
        return self._open(self.prefix)

    def open_other(self):
        return self._open(f"{self.prefix}-other")

    def wait_ms(self, wait_ms):
        time.sleep(wait_ms / 1000)

    def restart(self):
        if next(RESTARTS) % KILLED_EVERY == 0:
            self.cluster.kill()
            self.cluster.start()
        else:
            self.cluster.begin_anew()

    @contextmanager
    def unreachable(self):
        self.cluster.kill()
        try:
            yield
        finally:
            self.cluster.start()

    @contextmanager
    def _set(self, name, setting, back):
        with ExitStack() as stack:
            for client in self._clients:
                stack.callback(client.config_set, name, back)
                client.config_set(name, setting)
            yield

    def evicting(self):
        return self._set("maxmemory-policy", "allkeys-lru", "noeviction")

    def full(self):
        return self._set("maxmemory", "1", "0")

    def spoil(self, tag, replica, at):
        name = f"{self.prefix}:{{{tag}}}:q:{replica}"
        (client,) = (one for one in self._clients if one.keys(f"{self.prefix}:{{{tag}}}:q:*"))
        entry = client.lindex(name, at)
        client.lset(name, at, entry[:8] + b"\xc1" + entry[9:])

    def corrupt(self, key):
        found = [
            (client, name)
            for client in self._clients
            for name in client.scan_iter(f"{self.prefix}:*:c:*")
            if name.endswith(b":c:" + key.encode())
        ]
        ((client, name),) = found
        client.setrange(name, 40, b"\xff\xff")

    def open_resources(self):
        return sum(len(client.client_list()) - 1 for client in self._clients)

    def release(self):
        while self._opened:
            self._opened.pop().close()

    def close(self):
        self.release()
        for client in self._clients:
            client.flushall()
            client.close()


cluster = running(valkey.Cluster)
"""It is killed now and then."""


class TestRedisClusterShared(SharedConformance):
    @pytest.fixture
    def harness(self, cluster):
        with ClusterHarness(cluster).entered() as harness:
            yield harness
