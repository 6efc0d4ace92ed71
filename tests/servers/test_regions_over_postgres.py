"""Two regions, each a database on PostgreSQL: writers, relay and server are killed on the way."""

from __future__ import annotations

import os
import time

import pytest
from two_regions import NAMES, Regions

HARM_S = 4.0
ACKNOWLEDGED_VARIABLE = "TIERSTORE_TEST_ACKNOWLEDGED"
"""How many increments and adds of the campaign are to be acknowledged, beyond its 15 lives."""
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


def kill_now_and_then(server):
    """What kills and starts a server of ours, and otherwise waits."""

    def harm():
        time.sleep(HARM_S)
        if server.kill is not None:
            server.kill()
            server.start()

    return harm


def test_regions_on_postgres_agree_though_their_processes_are_killed(urls, tmp_path):
    regions = Regions(urls, tmp_path)
    regions.write(writers=1, lives=2)
    regions.settle()
    assert regions.check() > 10


@pytest.mark.campaign
@pytest.mark.parametrize("links", ["relay", "direct"])
def test_more_of_them_while_the_server_is_killed(urls, postgres_server, tmp_path, links):
    began_s = time.monotonic()
    regions = Regions(urls, tmp_path, links)
    regions.write(
        writers=4,
        lives=15,
        harm=kill_now_and_then(postgres_server),
        acknowledged_min=int(os.environ.get(ACKNOWLEDGED_VARIABLE, "0")),
        life_s_max=float(os.environ.get(LIFE_VARIABLE, "1")),
    )
    settled_s = regions.settle()
    lives = sum(writer.lives for writer in regions.writers)
    took_s = time.monotonic() - began_s
    print(
        f"{regions.check()} increments and adds, equal after {settled_s:.1f} s; {lives} lives of"
        f" writers and {regions.relay.lives} of relays in {took_s:.0f} s"
    )
    assert settled_s < 15
