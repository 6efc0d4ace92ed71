"""What this adapter does by itself: time, size, forks, connections, pages."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import threading
import time

import obstore
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tcp_proxy import Proxy

from tierstore.errors import TierStoreError, UnavailableError, ValueTooLargeError
from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    VALUE,
    ByteRange,
    ObjectMissingError,
    mint_name,
)
from tierstore.region.requests import ATTEMPTS_MAX
from tierstore.runtime import Runtime
from tierstore.runtime.manual import ManualRuntime
from tierstore.tiers.registry import load_objects
from tierstore_obstore import library, uploads
from tierstore_obstore.address import parse_address
from tierstore_obstore.listing import plain_start
from tierstore_obstore.stores import WAITS_S, Stores

TIMEOUT_S = 5.0
REGION = "00c0ffee00c0ffee"


def until(condition):
    give_up_s = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


# Time


@given(st.floats(0.001, 1e6))
def test_a_client_waits_no_longer_than_there_is_time_and_most_of_it(left_s):
    for url, share in (("s3://a:b@bucket", 1.0), ("s3://bucket", 0.5)):
        stores = Stores(parse_address(url, "/"), Runtime())
        stores._make = lambda library, wait_s: None
        wait_s = stores.client(left_s).wait_s
        assert wait_s <= left_s * share or wait_s == WAITS_S[0]
        assert wait_s > left_s * share / 2 or wait_s == WAITS_S[-1]


def test_clients_are_kept():
    stores = Stores(
        parse_address("s3://a:b@bucket?endpoint_url=http://127.0.0.1:1", "/"), Runtime()
    )
    assert stores.client(10.0) is stores.client(8.5)
    stores.close()
    with pytest.raises(UnavailableError, match="closed"):
        stores.client(10.0)


class Paged:
    """A library whose listing asks anew every few names; each request takes its time."""

    def __init__(self, runtime, names, per_page, cost_s):
        self.runtime, self.all_names = runtime, names
        self.per_page, self.cost_s = per_page, cost_s
        self.exceptions = obstore.exceptions

    def list(self, store, folder, offset, chunk_size):
        names = [name for name in self.all_names if name > (offset or "")]
        for number, name in enumerate(names):
            if number % self.per_page == 0:
                self.runtime.sleep(min(self.cost_s, store))
                if self.cost_s > store:
                    raise obstore.exceptions.GenericError("HttpError {\n kind: Timeout,")
            yield [{"path": name, "size": 1}]


@example(count=4, timeout_s=10.0, cost_s=2.9, per_page=4)
@given(st.integers(1, 40), st.floats(0.3, 30.0), st.floats(0.001, 5.0), st.integers(1, 10))
def test_a_listing_of_many_requests_ends_in_time(count, timeout_s, cost_s, per_page):
    """And tells all that there is if half of the time, and a third for each request, is enough."""
    runtime = ManualRuntime()
    names = sorted(mint_name(runtime, REGION, 1, VALUE) for _ in range(count))
    paged = Paged(runtime, names, per_page, cost_s)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library.LIBRARY, "module", lambda: paged)
        patch.setattr(Stores, "_make", lambda stores, library, wait_s: wait_s)
        objects = load_objects("gs")("gs://bucket?token=t", runtime=runtime, base_dir="/")
        began_s = runtime.monotonic()
        try:
            page = objects.list(f"{REGION}/", "", 1000, timeout_s)
        except TierStoreError:
            assert cost_s * max(-(-count // per_page), 1.5) > timeout_s / 2
        else:
            assert [info.name for info in page.objects] == names
        assert runtime.monotonic() - began_s <= timeout_s + WAITS_S[0]


def test_a_server_that_lists_in_another_order_is_refused(monkeypatch):
    """As some kinds of buckets do: names would be missed from page to page."""
    runtime = ManualRuntime()
    names = sorted(mint_name(runtime, REGION, 1, VALUE) for _ in range(3))
    paged = Paged(runtime, [names[0], names[2], names[1]], 10, 0.01)
    monkeypatch.setattr(library.LIBRARY, "module", lambda: paged)
    monkeypatch.setattr(Stores, "_make", lambda stores, library, wait_s: wait_s)
    objects = load_objects("gs")("gs://bucket?token=t", runtime=runtime, base_dir="/")
    with pytest.raises(UnavailableError, match="out of their order"):
        objects.list(f"{REGION}/", "", 1000, TIMEOUT_S)


def test_a_listing_of_many_pages_is_told_page_by_page(objects, google, mint):
    for _ in range(1_200):
        google.objects[f"p/{mint()}"] = b"x", {}, 1
    page = objects.list(f"{REGION}/", "", 2000, TIMEOUT_S)
    assert (len(page.objects), page.next_after) == (1000, page.objects[-1].name)
    rest = objects.list(f"{REGION}/", page.next_after, 1000, TIMEOUT_S)
    assert (len(rest.objects), rest.next_after) == (200, None)


def test_a_request_is_repeated_here_and_nowhere_else(open_objects, stub, mint):
    objects = open_objects(stub.url(), ManualRuntime())
    stub.fail("GET", 503, "SlowDown", times=1000)
    with pytest.raises(UnavailableError, match="SlowDown"):
        objects.read(mint(), [ByteRange(0, 1)], 60.0)
    assert stub.count("GET") == ATTEMPTS_MAX


# Size


def test_what_is_too_large_is_refused_before_it_is_sent(objects, mint, google, monkeypatch):
    monkeypatch.setattr(uploads, "OBJECT_BYTES_MAX", 1000)
    with pytest.raises(ValueTooLargeError, match=r"lower limits\.value"):
        objects.put(mint(), [b"x" * 600, b"y" * 401], TIMEOUT_S)
    assert google.objects == {}
    objects.put(mint(), [b"x" * 600, b"y" * 400], TIMEOUT_S)


def test_a_value_that_may_be_put_has_room_for_what_stands_with_it():
    most = load_objects("gs").capabilities.value_bytes_max
    assert most == uploads.VALUE_BYTES_MAX < uploads.OBJECT_BYTES_MAX


def test_a_large_object_is_one_request_whether_it_may_overwrite_or_not(open_objects, stub, mint):
    for stub.is_conditional in (True, False):
        objects = open_objects(stub.url())
        objects.put(mint(), [b"x"], TIMEOUT_S)
        before = len(stub.headers)
        objects.put(mint(), [bytes(12 << 20)], TIMEOUT_S)
        sent = [one for one in stub.headers[before:] if one["method"] != "HEAD"]
        assert [(one["method"], one["content-length"]) for one in sent] == [("PUT", str(12 << 20))]


def test_one_name_that_is_gone_hides_no_other(objects, mint, google, monkeypatch):
    """obstore tells only of the first name that it could not delete."""
    names = [mint() for _ in range(25)]
    for name in names:
        objects.put(name, [b"x"], TIMEOUT_S)
    real = obstore.delete

    def delete(store, paths):
        if len(paths) > 1:
            raise FileNotFoundError("status: 404,\n body: <Code>NoSuchKey</Code>")
        real(store, paths)

    monkeypatch.setattr(obstore, "delete", delete)
    objects.delete([*names, mint()], TIMEOUT_S)
    assert google.objects == {}


# Streams


def test_a_stream_goes_on_where_it_broke(open_objects, google, mint):
    """Also if its client has less time than the stream takes."""
    proxy = Proxy(google.port)
    objects = open_objects(google.url("p", proxy.port))
    whole = bytes(number % 251 for number in range(3 * CHUNK_BYTES_MAX))
    name = mint()
    objects.put(name, [whole], TIMEOUT_S)
    stream = objects.stream(name, TIMEOUT_S)
    found = next(stream)
    proxy.reset()
    assert found + b"".join(stream) == whole
    proxy.close()


# Forks


def test_a_child_of_a_child_goes_on(objects, mint, google):
    """Each has obstore anew, and whoever has it already keeps what it has."""
    name = mint()
    objects.put(name, [b"abc"], TIMEOUT_S)

    def works():
        assert objects.read(name, [ByteRange(0, 3)], TIMEOUT_S) == [b"abc"]
        assert library.LIBRARY.module() is not obstore
        assert sys.modules["obstore"] is obstore
        with pytest.raises(ObjectMissingError):  # by classes of its own
            objects.read(mint(), [ByteRange(0, 3)], TIMEOUT_S)

    def grow(depth):
        works()
        if depth:
            in_child(lambda: grow(depth - 1))

    in_child(lambda: grow(2))
    assert objects.read(name, [ByteRange(0, 3)], TIMEOUT_S) == [b"abc"]
    assert library.LIBRARY.module() is obstore


def test_a_stream_goes_on_in_a_child(objects, mint):
    """And in the parent, each for itself."""
    name, whole = mint(), bytes(number % 251 for number in range(5 * CHUNK_BYTES_MAX))
    objects.put(name, [whole], TIMEOUT_S)
    stream = objects.stream(name, 60.0)
    found = next(stream)

    def go_on():
        assert found + b"".join(stream) == whole

    in_child(go_on)
    go_on()


def test_forking_waits_for_nobody_who_waits_for_it(monkeypatch):
    """While another thread makes clients, each of which asks for the library."""
    monkeypatch.setattr(Stores, "_make", lambda stores, library, wait_s: None)
    stores, is_over = Stores(parse_address("gs://bucket?token=t", "/"), Runtime()), []

    def make():
        while not is_over:
            stores.client(10.0)
            stores._clients.clear()

    threads = [threading.Thread(target=make, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    faulthandler.dump_traceback_later(30, exit=True)  # a deadlock holds the whole process
    for _ in range(60):
        in_child(lambda: None)
    faulthandler.cancel_dump_traceback_later()
    is_over.append(True)
    for thread in threads:
        thread.join()


def test_a_child_finds_a_copy_where_there_is_no_memory_file(objects, mint, monkeypatch):
    objects.put(mint(), [b"abc"], TIMEOUT_S)
    monkeypatch.delattr(os, "memfd_create")
    in_child(lambda: objects.put(mint(), [b"of the child"], TIMEOUT_S))


def in_child(function):
    child = os.fork()
    if not child:
        status = 1
        signal.alarm(20)  # what waits for threads of the parent waits for ever
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


ENDING = """
import sys, threading
from tierstore.region.objects import ByteRange
from tierstore.runtime import Runtime
from tierstore.tiers.registry import load_objects
objects = load_objects("gs")(sys.argv[1], runtime=Runtime(), base_dir="/")
seen = threading.Event()
def work():
    while True:
        objects.read(sys.argv[2], [ByteRange(0, 3)], 5.0)
        seen.set()
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
assert seen.wait(10)
"""


def test_a_process_may_end_while_requests_are_under_way(objects, mint, google):
    name = mint()
    objects.put(name, [b"abc"], TIMEOUT_S)
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", ENDING, google.url("p"), name],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stderr) == (0, b"")


# Connections


def connections_to(port):
    """How many sockets of this process are connected to it."""
    wanted = f":{port:04X} 01"
    with open("/proc/self/net/tcp", encoding="ascii") as file:
        inodes = {line.split()[9] for line in file if f"{wanted}" in line}
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{descriptor}").strip("socket:[]") in inodes
        except OSError:
            continue
    return found


def test_connections_do_not_pile_up_and_end_with_the_tier(open_objects, google, mint):
    objects = open_objects(google.url("p"))
    name = mint()
    objects.put(name, [bytes(2 * CHUNK_BYTES_MAX)], TIMEOUT_S)
    for _ in range(30):
        next(objects.stream(name, TIMEOUT_S))
        objects.list(f"{REGION}/", "", 10, TIMEOUT_S)
        with pytest.raises(TierStoreError):
            objects.read(mint(), [ByteRange(0, 1)], TIMEOUT_S)
    until(lambda: connections_to(google.port) <= 6)
    objects.close()
    until(lambda: connections_to(google.port) == 0)


# Listings


@given(st.text(max_size=30) | st.text("./%a", max_size=8))
def test_where_a_listing_starts_is_never_beyond_what_was_asked_for(after):
    found = plain_start(after)
    assert after.startswith(found)
    assert not found.startswith("/")
    assert "//" not in found
    assert not {".", ".."} & set(found.split("/"))


def test_a_listing_goes_on_after_whatever_name(objects, google, mint):
    names = sorted([f"{REGION}/{leaf}" for leaf in ("!", "a#b", "a..b", "é", "~", "z")])
    for name in names:
        google.objects[f"p/{name}"] = b"x", {}, 1
    for after in [*names, f"{REGION}/a//b", f"{REGION}/../x", f"{REGION}/.", "", f"{REGION}/a%"]:
        found = objects.list(f"{REGION}/", after, 1000, TIMEOUT_S).foreign
        assert found == [name for name in names if name > after], after


# Both clients on one bucket


@pytest.fixture
def both(s3_server):
    url = s3_server.url(f"both/{os.urandom(6).hex()}")
    made = [load_objects("s3", name)(url, runtime=Runtime(), base_dir="/")
            for name in ("boto3", "obstore")]  # fmt: skip
    yield made
    for objects in made:
        objects.close()


@pytest.mark.parametrize("writer", [0, 1])
@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES_MAX + 1, (8 << 20) + 1])
def test_what_one_client_puts_the_other_reads_lists_and_deletes(both, mint, writer, size_bytes):
    name, whole = mint(), (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
    one, other = both[writer], both[1 - writer]
    one.put(name, [whole], TIMEOUT_S)
    assert b"".join(other.stream(name, TIMEOUT_S)) == whole
    assert other.read(name, [ByteRange(0, size_bytes)], TIMEOUT_S) == [whole]
    page = other.list(f"{REGION}/", "", 10, TIMEOUT_S)
    assert [(info.name, info.size_bytes) for info in page.objects] == [(name, size_bytes)]
    other.delete([name], TIMEOUT_S)
    assert one.list(f"{REGION}/", "", 10, TIMEOUT_S).objects == []


def test_every_prefix_that_a_url_may_have_is_one_place_for_both(s3_server, mint):
    prefix = f"b/{os.urandom(6).hex()}/a!b_c.d*e'f(g)h-i..j"
    made = [load_objects("s3", name)(s3_server.url(prefix), runtime=Runtime(), base_dir="/")
            for name in ("boto3", "obstore")]  # fmt: skip
    name = mint()
    made[1].put(name, [b"abc"], TIMEOUT_S)
    for objects in made:
        assert objects.read(name, [ByteRange(0, 3)], TIMEOUT_S) == [b"abc"]
        objects.close()
