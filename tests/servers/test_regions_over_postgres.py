"""Two regions, each a database on PostgreSQL: writers, relay and server are killed on the way."""

from __future__ import annotations

import os
import time

import pytest
from two_regions import NAMES, Regions

HARM_S = 4.0
OPERATIONS_VARIABLE = "TIERSTORE_TEST_OPERATIONS"
"""How many increments, adds and discards are to be acknowledged, beyond those of 15 lives."""
LIFE_VARIABLE = "TIERSTORE_TEST_LIFE_S"
"""How long a writer lives at most."""


@pytest.fixture
def urls(postgres_server):
    """A fresh database for each region."""
    pytest.importorskip("psycopg")
    connection = postgres_server.connect_url(postgres_server.url)
    for name in NAMES:
        connection.execute(f"DROP DATABASE IF EXISTS region_{name}")
        connection.execute(f"CREATE DATABASE region_{name}")
    connection.close()
    base = postgres_server.url.rpartition("/")[0]
    return {name: f"{base}/region_{name}" for name in NAMES}


def kill_now_and_then(server, interval_s=HARM_S):
    """What kills and starts a server of ours, and otherwise waits."""

    def harm():
        time.sleep(interval_s)
        if server.kill is not None:
            server.kill()
            server.start()
            harm.kills += 1

    harm.kills = 0
    return harm


def test_regions_on_postgres_agree_though_their_processes_are_killed(urls, tmp_path):
    regions = Regions(urls, tmp_path)
    regions.write(writers=1, lives=2)
    regions.settle()
    assert regions.check() > 10


@pytest.mark.campaign
@pytest.mark.parametrize("links", ["relay", "direct"])
def test_more_of_them_while_the_server_is_killed(urls, postgres_server, tmp_path, links):
    began_s, life_s_max = time.monotonic(), float(os.environ.get(LIFE_VARIABLE, "1"))
    regions = Regions(urls, tmp_path, links)
    harm = kill_now_and_then(postgres_server, max(HARM_S, life_s_max))
    regions.write(
        writers=4,
        lives=15,
        harm=harm,
        operations_min=int(os.environ.get(OPERATIONS_VARIABLE, "0")),
        life_s_max=life_s_max,
    )
    settled_s = regions.settle()
    lives = sum(writer.lives for writer in regions.writers)
    took_s = time.monotonic() - began_s
    print(
        f"{regions.count_operations()} operations, {regions.check()} of them increments, equal"
        f" after {settled_s:.1f} s; {lives} lives of writers, {regions.relay.lives} of relays and"
        f" {harm.kills} of the server, {took_s:.0f} s"
    )
    assert settled_s < 15
