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
from tcp_proxy import Proxy
from trio import Trio

DEMO = files("tierstore.trace.data") / "twitter_c52_demo.csv.gz"
REQUESTS = 2_000
CAMPAIGN_REQUESTS = 100_000
RECOVERS_WITHIN_S = 60.0
SHORT = {"regional": "500ms", "cold": "1s"}
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
    """A trio that waits patiently."""
    trio = Trio(region_server, cold_server.server, tmp_path)
    yield trio
    trio.close()


@pytest.fixture
def shaky_trio(region_server, cold_server, tmp_path):
    """A trio that soon gives up."""
    trio = Trio(region_server, cold_server.server, tmp_path, timeouts=SHORT)
    yield trio
    trio.close()


def travel(trio, requests, events=None):
    """A journey over `trio`, and what a store that opens afterwards shows."""
    journey = Journey()
    with trio.open(is_patient=True) as loader:
        journey.load(loader, requests)
        let_some_go_cold(loader)
    with trio.open() as store:
        if events:
            events = {**events, len(requests) - QUIET: lambda: recover(store)}
        journey.go(store, requests, events)
        store.flush(timeout=60)
        recover(store)
    journey.look(trio.open(is_patient=True))
    print(dict(journey.tiers), dict(journey.failures), journey.failed[-1:])
    return journey


def let_some_go_cold(store):
    """Return once some keys are in the cold tier."""
    give_up_s = time.monotonic() + RECOVERS_WITHIN_S
    while not store.stats()["cold"]["objects"]:
        assert time.monotonic() < give_up_s
        assert store.maintain().ok


def recover(store):
    """Return once nothing fails: what began while a server was away may end with an error."""
    give_up_s = time.monotonic() + RECOVERS_WITHIN_S
    while not (store.maintain().ok and store.check().ok):
        assert time.monotonic() < give_up_s, store.check()


def assert_recovered(journey, requests):
    """At the end requests are answered, but for one that a busy machine may be too slow for."""
    late = [number for number in journey.failed if number >= requests - QUIET]
    assert len(late) <= QUIET // 10


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


@pytest.mark.further
def test_it_is_when_servers_are_killed_on_the_way(shaky_trio, region_server, cold_server):
    events = outages([region_server, cold_server], REQUESTS)
    journey = travel(shaky_trio, some_requests(DEMO, REQUESTS), events)
    assert journey.wrong == []
    assert set(journey.failures) & {"UnavailableError", "DeadlineExceededError"}
    assert_recovered(journey, REQUESTS)


@pytest.fixture
def proxies(region_server, cold_server):
    """What stands between the stores and their servers."""
    made = [Proxy(region_server.port), Proxy(cold_server.server.port)]
    yield made
    for proxy in made:
        proxy.close()


@pytest.fixture
def far_trio(region_server, cold_server, tmp_path, proxies):
    """A trio behind proxies."""
    to_region, to_cold = proxies
    trio = Trio(
        region_server, cold_server.server, tmp_path,
        postgres_port=to_region.port, s3_url=to_cold.endpoint_url, timeouts=SHORT,
    )  # fmt: skip
    yield trio
    for proxy in proxies:
        proxy.heal()
    trio.close()


def troubles(proxies, requests):
    """Each network stalls, swallows and resets, and is well for a while in between."""
    acts = [
        act
        for proxy in proxies
        for act in (proxy.stall, proxy.heal, proxy.reset, proxy.swallow, proxy.heal)
    ]
    step = (requests - QUIET) // len(acts)
    return {number * step + 1: act for number, act in enumerate(acts)}


@pytest.mark.campaign
@pytest.mark.parametrize("kills", [0, 1, 4])
def test_a_long_trace_is_read_right(shaky_trio, region_server, cold_server, kills):
    requests = some_requests(os.environ.get("TIERSTORE_TRACE", DEMO), CAMPAIGN_REQUESTS)
    servers = [region_server, cold_server] * kills
    events = outages(servers, len(requests)) if servers else None
    journey = travel(shaky_trio, requests, events)
    assert journey.wrong == []
    assert_recovered(journey, len(requests))


@pytest.mark.campaign
def test_a_long_trace_is_read_right_though_networks_misbehave(far_trio, proxies):
    requests = some_requests(os.environ.get("TIERSTORE_TRACE", DEMO), CAMPAIGN_REQUESTS)
    journey = travel(far_trio, requests, troubles(proxies, len(requests)))
    assert journey.wrong == []
    assert_recovered(journey, len(requests))
