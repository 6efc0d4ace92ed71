"""Uploads in parts, to a real server: whole or not there, and nothing left behind unseen."""

from __future__ import annotations

import os

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.region.objects import ByteRange, ObjectExistsError, parse_name
from tierstore.testing import FaultPlan
from tierstore.testing.plan import KINDS, Crash
from tierstore_s3.checksums import PART_BYTES
from tierstore_s3.connections import Connections

TIMEOUT_S = 60.0
PIECE = bytes(range(256)) * 4096  # 1 MiB
COUNT = 9  # of them, which makes two parts
MAKE_CLIENT = Connections._make


@pytest.fixture
def driver():
    """The one that sends parts."""
    return "boto3"


@pytest.fixture
def prefix():
    return f"u/{os.urandom(6).hex()}"


@pytest.fixture
def objects(open_objects, s3_server, prefix):
    return open_objects(s3_server.url(prefix))


@pytest.fixture
def client(s3_server):
    client = s3_server.client()
    yield client
    client.close()


def listed(objects, name):
    return objects.list(f"{parse_name(name).region}/", "", 1000, TIMEOUT_S)


def test_a_large_object_comes_back_whole(objects, mint):
    name = mint()
    objects.put(name, [PIECE] * COUNT, TIMEOUT_S)
    assert b"".join(objects.stream(name, TIMEOUT_S)) == PIECE * COUNT
    edge = ByteRange(PART_BYTES - 3, 6)
    whole = PIECE * COUNT
    assert objects.read(name, [edge], TIMEOUT_S) == [whole[edge.start : edge.end]]
    page = listed(objects, name)
    assert [(found.name, found.size_bytes) for found in page.objects] == [(name, len(whole))]
    assert page.leftovers == []


@pytest.mark.parametrize("size_bytes", [PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES])
def test_sizes_about_a_part_come_back(objects, mint, size_bytes):
    name, whole = mint(), (PIECE * 17)[:size_bytes]
    objects.put(name, [whole], TIMEOUT_S)
    assert b"".join(objects.stream(name, TIMEOUT_S)) == whole


def test_a_large_object_does_not_overwrite(objects, mint):
    name = mint()
    objects.put(name, [b"small"], TIMEOUT_S)
    with pytest.raises(ObjectExistsError):
        objects.put(name, [PIECE] * COUNT, TIMEOUT_S)
    assert objects.read(name, [ByteRange(0, 5)], TIMEOUT_S) == [b"small"]
    assert listed(objects, name).leftovers == []


def test_parts_are_sent_while_they_are_made(objects, mint):
    """No more than a few are in memory: the first are gone before the last is made."""
    name, seen = mint(), []

    def parts():
        for number in range(3 * COUNT):
            seen.append(len(listed(objects, name).leftovers))
            yield PIECE if number else b"x"

    objects.put(name, parts(), TIMEOUT_S)
    assert (seen[0], seen[-1]) == (0, 1)


def test_what_was_damaged_at_rest_is_found(objects, mint, client, s3_server, prefix, monkeypatch):
    """By the checksum of the parts, which the server keeps."""
    name = mint()
    objects.put(name, [PIECE] * COUNT, TIMEOUT_S)
    (right,) = objects.read(name, [ByteRange(0, COUNT * len(PIECE))], TIMEOUT_S)
    from tierstore.errors import CorruptionError
    from tierstore_s3 import reading

    chunks = reading.Reader._chunks

    def damaged(reader, answer):
        for number, chunk in enumerate(chunks(reader, answer)):
            yield bytes([chunk[0] ^ 1]) + chunk[1:] if number == 33 else chunk

    monkeypatch.setattr(reading.Reader, "_chunks", damaged)
    with pytest.raises(CorruptionError, match="fails its checksum"):
        list(objects.stream(name, TIMEOUT_S))
    assert right == PIECE * COUNT


def test_a_leftover_is_seen_from_its_page_and_deleted(objects, mint, client, s3_server, prefix):
    names = sorted(mint() for _ in range(6))
    for name in names[::2]:
        objects.put(name, [b"x"], TIMEOUT_S)
    for name in names[1::2]:
        for _ in range(2):
            client.create_multipart_upload(Bucket=s3_server.bucket, Key=f"{prefix}/{name}")
    pages, after = [], ""
    while after is not None:
        pages.append(objects.list(f"{parse_name(names[0]).region}/", after, 2, TIMEOUT_S))
        after = pages[-1].next_after
    left = [one.name for page in pages for one in page.leftovers]
    assert [found.name for page in pages for found in page.objects] == names[::2]
    assert left == sorted(left)
    assert sorted(name.partition(".seg.")[0] + ".seg" for name in left) == sorted(names[1::2] * 2)
    assert all(len(page.objects) + len(page.leftovers) <= 2 for page in pages)
    objects.delete([*left, *names], TIMEOUT_S)
    assert listed(objects, names[0]).leftovers == []


class Faulty:
    def __init__(self, http, plan):
        self.http, self.plan = http, plan

    def __getattr__(self, name):
        return getattr(self.http, name)

    def send(self, request):
        try:
            return self.plan.run("s3", lambda: self.http.send(request), OutcomeUnknownError)
        except UnavailableError as error:
            raise EndpointConnectionError(endpoint_url=request.url) from error
        except OutcomeUnknownError as error:
            raise ConnectionClosedError(endpoint_url=request.url) from error


@pytest.mark.parametrize("kind", KINDS)
def test_wherever_a_large_put_ends_it_is_whole_or_can_be_swept(
    open_objects, s3_server, prefix, mint, client, monkeypatch, kind
):
    """At each request of it; what it leaves is told by a listing and gone after a delete."""
    plan = FaultPlan()

    def make(connections, wait_s):
        made = MAKE_CLIENT(connections, wait_s)
        made._endpoint.http_session = Faulty(made._endpoint.http_session, plan)
        return made

    monkeypatch.setattr(Connections, "_make", make)
    objects = open_objects(s3_server.url(prefix))
    objects.put(mint(), [b"so that it has been probed"], TIMEOUT_S)
    for n in range(1, 10):
        name, error = mint(), None
        plan.arm(n, kind)
        try:
            objects.put(name, [PIECE] * COUNT, TIMEOUT_S)
        except (Crash, UnavailableError, OutcomeUnknownError) as raised:
            error = raised
        has_fired = plan.fired
        plan.arm(0, kind)
        page = listed(objects, name)
        is_there = name in [found.name for found in page.objects]
        assert is_there or error is not None
        assert not (is_there and isinstance(error, UnavailableError))
        if is_there:
            assert sum(map(len, objects.stream(name, TIMEOUT_S))) == COUNT * len(PIECE)
        objects.delete([name, *[left.name for left in page.leftovers]], TIMEOUT_S)
        assert "Uploads" not in client.list_multipart_uploads(
            Bucket=s3_server.bucket, Prefix=f"{prefix}/"
        )
        if has_fired is None:
            break
    assert n == 5  # begin, two parts, complete
