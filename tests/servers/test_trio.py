"""A trace on the real trio while its servers are killed: wrong reads never, lost writes never.

`TIERSTORE_TRACE` names the trace of the campaign; what is tested always takes the demo's slice.
"""

from __future__ import annotations

import os
import time
from importlib.resources import files

import postgres
import pytest
from journey import Journey, some_requests
from s3_server import running_seaweed
from trio import Trio

DEMO = files("tierstore.trace.data") / "twitter_c52_demo.csv.gz"
REQUESTS = 2_000
CAMPAIGN_REQUESTS = 100_000
RECOVERS_WITHIN_S = 30.0
QUIET = 400  # requests at the end, when everything has been back for a while


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


@pytest.fixture
def trio(region_server, cold_server, tmp_path):
    trio = Trio(region_server, cold_server.server, tmp_path)
    yield trio
    trio.close()


def travel(trio, requests, events=None):
    """A journey over `trio`, and what a store that opens afterwards shows."""
    journey = Journey()
    with trio.open() as loader:
        journey.load(loader, requests)
        let_some_go_cold(loader)
    with trio.open() as store:
        journey.go(store, requests, events)
        store.flush(timeout=60)
        recover(store)
    journey.look(trio.open())
    print(dict(journey.tiers), dict(journey.failures), "last failure at", journey.failed_at)
    return journey


def let_some_go_cold(store):
    """Return once some keys are in the cold tier."""
    give_up_s = time.monotonic() + RECOVERS_WITHIN_S
    while not store.stats()["cold"]["objects"]:
        assert time.monotonic() < give_up_s
        assert store.maintain().ok


def recover(store):
    """Maintain until nothing fails: what began while a server was away may end with an error."""
    give_up_s = time.monotonic() + RECOVERS_WITHIN_S
    while failures := store.maintain().failures:
        assert time.monotonic() < give_up_s, failures


def outages(servers, requests):
    """Each server is killed, and started again a while later, one after the other."""
    events, step = {}, (requests - QUIET) // (2 * len(servers))
    for number, server in enumerate(servers):
        events[(2 * number) * step + 1] = server.kill
        events[(2 * number + 1) * step] = server.start
    return events


def test_a_trace_is_read_right(trio):
    journey = travel(trio, some_requests(DEMO, REQUESTS))
    assert (journey.wrong, journey.failures) == ([], {})
    assert min(journey.tiers[tier] for tier in ("edge", "regional", "cold")) > 0


def test_it_is_when_servers_are_killed_on_the_way(trio, region_server, cold_server):
    events = outages([region_server, cold_server], REQUESTS)
    journey = travel(trio, some_requests(DEMO, REQUESTS), events)
    assert journey.wrong == []
    assert set(journey.failures) & {"UnavailableError", "DeadlineExceededError"}
    assert journey.failed_at < REQUESTS - QUIET


@pytest.mark.campaign
@pytest.mark.parametrize("kills", [0, 1, 4])
def test_a_long_trace_is_read_right(trio, region_server, cold_server, kills):
    requests = some_requests(os.environ.get("TIERSTORE_TRACE", DEMO), CAMPAIGN_REQUESTS)
    servers = [region_server, cold_server] * kills
    journey = travel(trio, requests, outages(servers, len(requests)) if servers else None)
    assert journey.wrong == []
    assert journey.failed_at < len(requests) - QUIET
