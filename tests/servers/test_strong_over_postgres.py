"""Processes that contend for strong keys over PostgreSQL, as they, the server and replies end."""

from __future__ import annotations

import os
import sys
import time
from itertools import count

import pytest
from strong_clients import contend, errors, judge
from tcp_proxy import Proxy

RUNS_VARIABLE = "TIERSTORE_TEST_RUNS"
SWALLOWS_S = 0.1
SCHEMAS = (f"strong_{number}" for number in count())
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, stops processes")


class World:
    """A server of ours behind a proxy, and the harm that can be done to them."""

    def __init__(self, server, proxy):
        self._server, self._proxy = server, proxy

    def run(self, folder, *, clients, seconds, seed=1):
        folder.mkdir(exist_ok=True)
        schema = next(SCHEMAS)
        raw = self._server.connect_url(self._server.url)
        raw.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        raw.close()
        direct = f"{self._server.url}?schema={schema}"
        through = direct.replace(f":{self._server.port}/", f":{self._proxy.port}/")
        harms = [self.lose_replies, self.reset, self.kill_server]
        return contend(
            through,
            folder,
            clients=clients,
            seconds=seconds,
            harms=harms,
            seed=seed,
            direct_url=direct,
        )

    def lose_replies(self):
        """What is asked arrives; what is answered does not."""
        self._proxy.swallow_replies()
        time.sleep(SWALLOWS_S)
        self._proxy.heal()

    def reset(self):
        self._proxy.reset()

    def kill_server(self):
        self._server.kill()
        self._server.start()


@pytest.fixture
def world(postgres_server):
    pytest.importorskip("psycopg")
    if postgres_server.kill is None:
        pytest.skip("the server is not ours to stop")
    proxy = Proxy(postgres_server.port)
    yield World(postgres_server, proxy)
    proxy.close()


@pytest.mark.further
def test_what_clients_saw_is_of_one_order_though_replies_are_lost(world, tmp_path):
    history, counts = world.run(tmp_path, clients=3, seconds=2.5)
    seen = judge(history)
    assert counts
    for verb in ("read", "cas", "txn", "transfer", "balances", "fenced"):
        assert seen[f"{verb} ok"], (verb, seen, errors(history))


@pytest.mark.further
@pytest.mark.parametrize("seed", range(2))
def test_eight_of_them_for_fifteen_seconds(world, tmp_path, seed):
    history, counts = world.run(tmp_path, clients=8, seconds=15, seed=seed)
    print(counts, judge(history), errors(history))
    assert counts["stops"]
    assert {"kill", "lose_replies", "kill_server"} <= {*counts}


@pytest.mark.campaign
def test_many_runs(world, tmp_path):
    for seed in range(int(os.environ.get(RUNS_VARIABLE, "10"))):
        folder = tmp_path / str(seed)
        history, counts = world.run(folder, clients=8, seconds=15, seed=100 + seed)
        print(seed, dict(counts), dict(judge(history)), dict(errors(history)), flush=True)
