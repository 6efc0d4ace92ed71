"""What comes too late, what happens together, and how the server is reached."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from tierstore.errors import DeadlineExceededError, OutcomeUnknownError, UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import tag_of

T = 10.0
BYTES_MAX = 1 << 30


def put(key, stamp, payload=b"x"):
    return Delta(key, PUT, Record(stamp, 1, payload))


def bound(edge, tag, replica=77):
    """The run of the server, in which the tag has an identity."""
    run = edge.connect(T).run
    edge.bind(tag, run, replica, T)
    return run


def of_one_tag(count, tag=3):
    return [key for key in map(str, range(10_000)) if tag_of(key) == tag][:count]


# What comes too late


def test_a_server_that_hangs_costs_no_more_than_the_timeout(own_server, open_edge):
    server = own_server()
    edge, key = open_edge(server.url), of_one_tag(1)[0]
    run = bound(edge, 3)
    server.signal(signal.SIGSTOP)
    calls = {
        OutcomeUnknownError: lambda: edge.write([put(key, 1)], run, BYTES_MAX, 0.3),
        DeadlineExceededError: lambda: edge.read([key], 0.3),
        UnavailableError: lambda: edge.withdraw([key], 0.3),
    }
    for kind, call in calls.items():
        began = time.monotonic()
        with pytest.raises(UnavailableError if kind is UnavailableError else kind):
            call()
        assert time.monotonic() - began < 3
        edge._parts().server.renew()
    server.signal(signal.SIGCONT)


def test_a_lost_answer_to_a_write_is_unknown_and_sending_it_again_finds_it(own_server, open_edge):
    server = own_server()
    edge, key = open_edge(server.url), of_one_tag(1)[0]
    run = bound(edge, 3)
    edge.write([put(key, 1)], run, BYTES_MAX, T)
    server.signal(signal.SIGSTOP)
    with pytest.raises(OutcomeUnknownError):
        edge.write([put(key, 2)], run, BYTES_MAX, 0.2)
    server.signal(signal.SIGCONT)
    deadline = time.monotonic() + T
    while edge.read([key], T).copies[key].number != 2:
        assert time.monotonic() < deadline
    again = edge.write([put(key, 2)], run, BYTES_MAX, T)
    assert (again.verdict, again.numbers) == ("written", (3, 2))
    assert len(edge.queue(3, 77, 10, T)) == 2


def test_nothing_is_used_after_closing(edge):
    edge.close()
    edge.close()
    with pytest.raises(UnavailableError, match="closed"):
        edge.read(["k"], T)


def test_no_more_connections_than_the_pool_may_have(open_edge, edge_server, raw):
    edge = open_edge(f"{edge_server.url}?pool=2")
    edge.connect(T)
    before = len(raw.client_list())
    workers = [threading.Thread(target=edge.read, args=(["k"], T)) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(T)
    assert len(raw.client_list()) <= before + 1


# Together


def test_the_writes_of_a_call_are_seen_together(open_edge, edge_server):
    writers, keys = [open_edge(edge_server.url) for _ in range(2)], of_one_tag(5)
    run = bound(writers[0], 3)
    ends, failed = threading.Event(), []

    def write(edge, parity):
        for stamp in range(1 + parity, 400, 2):
            reply = edge.write([put(key, stamp) for key in keys], run, BYTES_MAX, T)
            first, last = reply.numbers
            if reply.verdict == "written" and last - first != len(keys) - 1:
                failed.append(reply)

    def read():
        edge = open_edge(edge_server.url)
        while not ends.is_set():
            found = {copy.record.stamp for copy in edge.read(keys, T).copies.values()}
            if len(found) > 1:
                failed.append(found)

    reader = threading.Thread(target=read)
    threads = [
        threading.Thread(target=write, args=one) for one in zip(writers, (0, 1), strict=True)
    ]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join(60)
    ends.set()
    reader.join(T)
    assert not failed
    entries = writers[0].queue(3, 77, 10_000, T)
    assert [one.number for one in entries] == list(range(1, len(entries) + 1))
    assert len(entries) % len(keys) == 0


def test_a_forked_child_has_connections_of_its_own(edge):
    run, keys = bound(edge, 3), of_one_tag(2)
    edge.write([put(keys[0], 1)], run, BYTES_MAX, T)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            edge.write([put(keys[1], 1)], run, BYTES_MAX, T)
            code = 0 if set(edge.read(keys, T).copies) == set(keys) else 2
        finally:
            os._exit(code)
    for _ in range(50):
        assert keys[0] in edge.read(keys, T).copies
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert set(edge.read(keys, T).copies) == set(keys)


def test_a_forked_child_does_not_keep_the_connections_of_a_parent_that_ends(
    own_server, open_edge, hear, connect_raw
):
    """A listener that nobody reads would be told on, at the expense of the server's memory."""
    server = own_server()
    edge, client = open_edge(server.url), connect_raw(server)
    edge.connect(T)
    hearer = hear(edge)
    numbers = [one.heard.link.fileno() for one in edge._made[0].listener._sources]
    numbers += [link.fileno() for link in edge._made[0].server._connections.idle]
    assert len(numbers) == 2
    child = os.fork()
    if child == 0:
        os._exit(sum(is_open(number) for number in numbers))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    edge.lease(["k"], 1, T)
    assert hearer.hears("k")
    assert len(client.client_list()) == 3


def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


# How it is reached


def test_a_socket_in_the_file_system(own_server, open_edge, tmp_path):
    server = own_server(unixsocket=tmp_path / "s")
    edge, key = open_edge(f"unix://{tmp_path}/s?db=1"), of_one_tag(1)[0]
    run = bound(edge, 3)
    assert edge.write([put(key, 1)], run, BYTES_MAX, T).verdict == "written"
    assert open_edge(server.url).identities(3, T) == []
