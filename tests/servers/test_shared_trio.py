"""A trace by several workers of one edge server, PostgreSQL and S3, while servers are killed."""

from __future__ import annotations

import os
from importlib.resources import files
from itertools import count

import postgres
import pytest
import valkey_server as valkey
from journey import Journey, some_requests
from s3_server import running_seaweed
from tcp_proxy import Proxy
from test_trio import (
    CAMPAIGN_REQUESTS,
    QUIET,
    SHORT,
    assert_recovered,
    let_some_go_cold,
    outages,
    recover,
    troubles,
)
from trio import Trio
from valkey_fixtures import running

DEMO = files("tierstore.trace.data") / "twitter_c52_demo.csv.gz"
REQUESTS = 1_600
FEW_REQUESTS = 520  # each may take as long as the edge is given
DATABASES = count()


@pytest.fixture(scope="module")
def region_server():
    """A PostgreSQL server that may be killed."""
    pytest.importorskip("psycopg")
    server = postgres.Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def cold_server():
    """An S3 server that may be killed."""
    with running_seaweed() as server:
        yield server


edge_server = running(valkey.Server)
"""It may be killed, and has every write on disk."""


@pytest.fixture
def make_trio(region_server, cold_server, edge_server, tmp_path):
    """Makes trios that share nothing."""
    made = []

    def make(port=None, **options):
        url = f"redis://127.0.0.1:{port or edge_server.port}/{next(DATABASES) % 16}"
        valkey.connect_url(url.replace(str(port), str(edge_server.port))).flushdb()
        made.append(Trio(region_server, cold_server.server, tmp_path, edge_url=url, **options))
        return made[-1]

    yield make
    for trio in made:
        trio.close()


def travel(trio, requests, events=None):
    """A journey of one worker while another reads, too; what a third shows afterwards."""
    journey, other = Journey(), Journey()
    with trio.open(is_patient=True) as loader:
        journey.load(loader, requests)
        let_some_go_cold(loader)
    with trio.open() as store, trio.open() as beside:
        other.may_be = journey.may_be
        events = dict(events or {})
        events[len(requests) - QUIET] = lambda: (recover(store), recover(beside))
        half = len(requests) // 2
        journey.go(store, requests[:half], {n: act for n, act in events.items() if n < half})
        later = {n - half: act for n, act in events.items() if n >= half}
        other.go(beside, requests[half:], later)
        store.flush(timeout=60)
        recover(store)
    other.look(trio.open(is_patient=True))
    journey.wrong += other.wrong
    journey.tiers += other.tiers
    journey.failures += other.failures
    journey.failed += [number + half for number in other.failed]
    print(dict(journey.tiers), dict(journey.failures), journey.failed[-1:])
    return journey


def test_a_trace_is_read_right(make_trio):
    journey = travel(make_trio(), some_requests(DEMO, REQUESTS))
    assert (journey.wrong, journey.failures) == ([], {})
    assert min(journey.tiers[tier] for tier in ("edge", "cold")) > 0


@pytest.mark.further
def test_it_is_when_servers_are_killed_on_the_way(
    make_trio, region_server, cold_server, edge_server
):
    events = outages([edge_server, region_server, cold_server], REQUESTS)
    journey = travel(make_trio(timeouts=SHORT), some_requests(DEMO, REQUESTS), events)
    assert journey.wrong == []
    assert set(journey.failures) & {"UnavailableError", "DeadlineExceededError"}
    assert_recovered(journey, REQUESTS)


@pytest.fixture
def proxy(edge_server):
    """What stands between the workers and their edge server."""
    made = Proxy(edge_server.port)
    yield made
    made.close()


def test_it_is_when_the_edge_server_is_hard_to_reach(make_trio, proxy):
    trio = make_trio(port=proxy.port, timeouts=SHORT)
    requests = some_requests(DEMO, FEW_REQUESTS)
    journey = travel(trio, requests, troubles([proxy], FEW_REQUESTS))
    proxy.heal()
    assert journey.wrong == []
    assert journey.failures
    assert_recovered(journey, FEW_REQUESTS)


@pytest.mark.campaign
@pytest.mark.parametrize("kills", [0, 4])
def test_a_long_trace_is_read_right(make_trio, region_server, cold_server, edge_server, kills):
    requests = some_requests(os.environ.get("TIERSTORE_TRACE", DEMO), CAMPAIGN_REQUESTS)
    servers = [edge_server, region_server, cold_server] * kills
    events = outages(servers, len(requests)) if servers else None
    journey = travel(make_trio(timeouts=SHORT), requests, events)
    assert journey.wrong == []
    assert_recovered(journey, len(requests))
