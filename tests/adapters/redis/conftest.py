"""Edges with a prefix of their own on the session's server, in real time."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
from itertools import count

import pytest
import valkey_cluster
import valkey_server as valkey
from valkey_fixtures import running, started, starting

from tierstore.errors import UnavailableError
from tierstore.runtime import Runtime

HAS_DRIVER = importlib.util.find_spec("redis") is not None
OURS = f"tierstore-test-{os.getpid()}-"
PREFIXES = (f"{OURS}{number}" for number in count())
TIMEOUT_S = 10.0
WAIT_S = 0.05


class WithoutDriver(pytest.Module):
    """A module of tests that cannot be imported, because it needs a driver that is missing."""

    def collect(self):
        pytest.skip("no driver of Redis: pip install redis", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    """Skip all tests here where the driver is missing, and let them fail where `CI` is set."""
    if not HAS_DRIVER and os.environ.get("CI") != "true":
        return WithoutDriver.from_parent(parent, path=module_path)
    return None


@pytest.fixture(scope="session")
def edge_server():
    """A server for the session; where there is none tests are skipped, but with CI=true fail."""
    server = started(valkey.find_server)
    yield server
    client = valkey.connect_url(server.url)
    for name in client.scan_iter(f"{OURS}*", count=1_000):  # it may be a server that goes on
        client.unlink(name)
    client.close()
    server.close()


own_server = starting(valkey.Server)
edge_cluster = running(valkey_cluster.find_cluster, scope="session")
"""Which no test harms."""
own_cluster = starting(valkey_cluster.Cluster)


@pytest.fixture
def prefix():
    return next(PREFIXES)


@pytest.fixture
def open_edge(prefix):
    from tierstore_redis.edge import RedisEdge

    opened = []

    def open_one(url, prefix=prefix, runtime=None):
        edge = RedisEdge(url, runtime=runtime or Runtime(), prefix=prefix)
        opened.append(edge)
        return edge

    yield open_one
    for edge in opened:
        edge.close()


@pytest.fixture
def edge(open_edge, edge_server):
    edge = open_edge(edge_server.url)
    edge.connect(TIMEOUT_S)
    return edge


@pytest.fixture
def connect_raw():
    """Clients of the driver alone: `connect_raw(server)`."""
    opened = []

    def connect(server):
        opened.append(valkey.connect_url(server.url))
        return opened[-1]

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def raw(edge_server, connect_raw):
    return connect_raw(edge_server)


class Hearer:
    """Listens in a thread of its own; `heard` grows."""

    def __init__(self, edge):
        self.heard, self.error = [], None
        self._edge, self._is_stopped, self._is_ready = edge, False, threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._is_ready.wait(TIMEOUT_S)

    def _run(self):
        try:
            self._edge.listen(
                self._is_ready.set, self.heard.append, WAIT_S, lambda: self._is_stopped
            )
        except UnavailableError as error:
            self.error = error
            self._is_ready.set()

    def hears(self, *expected):
        """Whether all that is expected is heard in time."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            found = [key for keys in list(self.heard) for key in (keys or [None])]
            if set(expected) <= set(found):
                return True
            time.sleep(0.002)
        return False

    def join(self):
        self._thread.join(TIMEOUT_S)
        assert not self._thread.is_alive()

    def stop(self):
        self._is_stopped = True
        began = time.monotonic()
        self.join()
        return time.monotonic() - began


@pytest.fixture
def hear():
    hearers = []

    def hear(edge):
        hearers.append(Hearer(edge))
        return hearers[-1]

    yield hear
    for hearer in hearers:
        hearer.stop()
