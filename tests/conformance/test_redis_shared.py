"""The edge on a Valkey server keeps the promises of an edge that workers share."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from itertools import count
from typing import ClassVar

import pytest
import valkey_server as valkey
from valkey_fixtures import running

from tierstore.runtime import Runtime
from tierstore.testing.conformance import SharedConformance, SharedHarness
from tierstore_redis.edge import RedisEdge

PREFIXES = (f"c{os.getpid()}-{number}" for number in count())


class ValkeyHarness(SharedHarness):
    """A prefix of its own on a server that may be killed."""

    cannot: ClassVar = {
        "clock": "the server has its own",
        "lose": "what it acknowledged is on its disk",
        "open_secret": "the server has no password",
    }

    def __init__(self, server):
        self.server = server
        self.prefix = next(PREFIXES)
        self._opened = []
        self._raw = valkey.connect_url(server.url)

    def _open(self, prefix):
        self._opened.append(RedisEdge(self.server.url, runtime=Runtime(), prefix=prefix))
        return self._opened[-1]

    def open(self):
        return self._open(self.prefix)

    def open_other(self):
        return self._open(f"{self.prefix}-other")

    def wait_ms(self, wait_ms):
        time.sleep(wait_ms / 1000)

    def restart(self):
        self.server.kill()
        self.server.start()

    @contextmanager
    def unreachable(self):
        self.server.kill()
        try:
            yield
        finally:
            self.server.start()

    @contextmanager
    def _set(self, name, setting, back):
        self._raw.config_set(name, setting)
        try:
            yield
        finally:
            self._raw.config_set(name, back)

    def evicting(self):
        return self._set("maxmemory-policy", "allkeys-lru", "noeviction")

    def full(self):
        return self._set("maxmemory", "1", "0")

    def spoil(self, tag, replica, at):
        name = f"{self.prefix}:{{{tag}}}:q:{replica}"
        entry = self._raw.lindex(name, at)
        self._raw.lset(name, at, entry[:8] + b"\xc1" + entry[9:])

    def corrupt(self, key):
        names = self._raw.scan_iter(f"{self.prefix}:*:c:*")
        (name,) = (name for name in names if name.endswith(b":c:" + key.encode()))
        self._raw.setrange(name, 40, b"\xff\xff")

    def open_resources(self):
        return len(self._raw.client_list()) - 1

    def release(self):
        while self._opened:
            self._opened.pop().close()

    def close(self):
        self.release()
        for name in self._raw.scan_iter(f"{self.prefix}*", count=1000):
            self._raw.unlink(name)
        self._raw.close()


server = running(valkey.Server)
"""It is killed now and then."""


class TestRedisShared(SharedConformance):
    @pytest.fixture
    def harness(self, server):
        with ValkeyHarness(server).entered() as harness:
            yield harness
