"""However a network misbehaves, every call of an adapter ends about when it was told to."""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import count

import pytest
from tcp_proxy import Proxy

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.region.apply import Limits
from tierstore.region.objects import VALUE, ByteRange, mint_name
from tierstore.runtime import Runtime
from tierstore.testing.conformance.region.sender import Sender
from tierstore.tiers.registry import load_objects

pytestmark = pytest.mark.slow

TIMEOUT_S = 0.3
GRACE_S = 1.5
"""PostgreSQL's adapter waits half a second for the server to give up first; the rest is load."""
CONNECTING_S = 2.0
"""The least that libpq gives to connecting."""
SILENT, BROKEN = ("stall",), ("cut",)
SCHEMAS = (f"deadlines_{number}" for number in count())
REGION = "00c0ffee00c0ffee"
LARGE = b"x" * (2 << 20)


@contextmanager
def being(proxy, mode):
    """While entered, the proxy is in `mode`."""
    if mode == "cut":
        with proxy.cut():
            yield
        return
    getattr(proxy, mode)()
    try:
        yield
    finally:
        proxy.heal()


def fails_within(call, limit_s):
    """The error of `call`, which ends within `limit_s`."""
    began_s = time.monotonic()
    with pytest.raises((UnavailableError, OutcomeUnknownError)) as caught:
        call()
    assert time.monotonic() - began_s < limit_s
    return caught.value


def until_it_works(call):
    give_up_s = time.monotonic() + 20.0
    while True:
        try:
            return call()
        except TierStoreError:
            assert time.monotonic() < give_up_s, "it does not come back"


@pytest.fixture
def postgres_proxy(postgres_server):
    pytest.importorskip("psycopg")
    if postgres_server.kill is None:
        pytest.skip("the server is elsewhere")
    proxy = Proxy(postgres_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def region(postgres_server, postgres_proxy):
    from tierstore_sql.postgres import PostgresRegion

    schema = next(SCHEMAS)
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    raw.close()
    url = postgres_server.url.replace(f":{postgres_server.port}/", f":{postgres_proxy.port}/")
    region = PostgresRegion(
        f"{url}?schema={schema}", runtime=Runtime(), terms=Limits(), base_dir="/"
    )
    region.connect(20.0)
    yield region
    region.close()


REGION_CALLS = {
    "connect": lambda sender, batch: sender.region.connect(TIMEOUT_S),
    "register": lambda sender, batch: sender.region.register(9, TIMEOUT_S),
    "apply": lambda sender, batch: sender.region.apply(batch, TIMEOUT_S),
    "read one": lambda sender, batch: sender.region.read(["k"], 7, TIMEOUT_S),
    "read many": lambda sender, batch: sender.region.read(["k", "l"], 7, TIMEOUT_S),
    "changes": lambda sender, batch: sender.region.changes(0, 10, 7, TIMEOUT_S),
    "scan": lambda sender, batch: sender.region.scan("", None, 10, False, True, 7, TIMEOUT_S),
    "acknowledge": lambda sender, batch: sender.region.acknowledge(7, 0, TIMEOUT_S),
    "leave": lambda sender, batch: sender.region.leave(9, TIMEOUT_S),
    "maintain": lambda sender, batch: sender.region.maintain(10, TIMEOUT_S),
    "set_aside": lambda sender, batch: sender.region.set_aside(batch, "why", TIMEOUT_S),
    "aside": lambda sender, batch: sender.region.aside(10, TIMEOUT_S),
    "replicas": lambda sender, batch: sender.region.replicas(TIMEOUT_S),
    "overview": lambda sender, batch: sender.region.overview(10, TIMEOUT_S),
    "objects": lambda sender, batch: sender.region.objects(10, TIMEOUT_S),
    "told": lambda sender, batch: sender.region.told(TIMEOUT_S),
}


NAMES = list(REGION_CALLS)


@pytest.mark.parametrize(
    ("mode", "names"),
    [
        *[(mode, NAMES) for mode in BROKEN],
        ("stall", NAMES[::4]),  # each waits; all would for 30 s
        *[
            pytest.param("stall", NAMES[start::4], marks=pytest.mark.further)
            for start in range(1, 4)
        ],
    ],
)
def test_calls_of_postgres_end_in_time_and_go_on_afterwards(region, postgres_proxy, mode, names):
    sender = Sender(region, 7, Runtime())
    sender.write("k")
    batch = sender.batch(sender.put("k", b"2"))
    with being(postgres_proxy, mode):
        for name in names:
            limit_s = TIMEOUT_S + GRACE_S + (CONNECTING_S if mode in SILENT else 0)
            error = fails_within(lambda name=name: REGION_CALLS[name](sender, batch), limit_s)
            assert "unused" not in str(error), name
    assert until_it_works(lambda: region.apply(batch, 20.0)).verdict == "applied"


@pytest.fixture
def s3_proxy(s3_server):
    proxy = Proxy(s3_server.port)
    yield proxy
    proxy.close()


@pytest.fixture(params=["boto3", "obstore"])
def client(request):
    return request.param


@pytest.fixture
def objects(s3_server, s3_proxy, client):
    pytest.importorskip(client)
    url = s3_server.url("deadlines", s3_proxy.endpoint_url)
    objects = load_objects("s3", client)(url, runtime=Runtime(), base_dir="/")
    yield objects
    objects.close()


@pytest.fixture
def names():
    runtime = Runtime()
    return [mint_name(runtime, REGION, 1, VALUE) for _ in range(2)]


OBJECT_CALLS = {
    "put": lambda objects, names: objects.put(names[1], [b"y"], TIMEOUT_S),
    "put parts": lambda objects, names: objects.put(names[1], [LARGE] * 8, TIMEOUT_S),
    "read": lambda objects, names: objects.read(names[0], [ByteRange(0, 10)], TIMEOUT_S),
    "read far": lambda objects, names: objects.read(
        names[0], [ByteRange(0, 10), ByteRange(1 << 20, 10)], TIMEOUT_S
    ),
    "stream": lambda objects, names: list(objects.stream(names[0], TIMEOUT_S)),
    "list": lambda objects, names: objects.list(f"{REGION}/", "", 10, TIMEOUT_S),
    "delete": lambda objects, names: objects.delete([names[1]], TIMEOUT_S),
}


@pytest.mark.parametrize("mode", [*SILENT, *BROKEN])
def test_calls_of_s3_end_in_time_and_go_on_afterwards(objects, s3_proxy, names, mode):
    objects.put(names[0], [LARGE], 20.0)
    with being(s3_proxy, mode):
        for call in OBJECT_CALLS.values():
            fails_within(lambda call=call: call(objects, names), TIMEOUT_S + GRACE_S)
    until_it_works(lambda: objects.read(names[0], [ByteRange(0, 1)], 20.0))
    objects.delete(names, 20.0)


@pytest.mark.parametrize("name", ["read", "stream"])
def test_an_object_that_trickles_in_is_given_up_in_time(objects, s3_proxy, names, name):
    """Each piece comes in time; all of them do not."""
    objects.put(names[0], [LARGE], 20.0)
    calls = {
        "read": lambda: objects.read(names[0], [ByteRange(0, len(LARGE))], TIMEOUT_S),
        "stream": lambda: list(objects.stream(names[0], TIMEOUT_S)),
    }
    with being(s3_proxy, "trickle"):
        fails_within(calls[name], TIMEOUT_S + GRACE_S)
    objects.delete(names, 20.0)
