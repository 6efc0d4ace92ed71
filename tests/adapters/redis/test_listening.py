"""Word of changes: of others' writes, of what expires or is flushed, and of silence."""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tierstore.errors import UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta
from tierstore.region.shared import tag_of
from tierstore_redis.connections import Link

T = 10.0
WAIT_S = 0.05


@pytest.fixture
def other(open_edge, edge_server):
    """Another worker's handle of the same edge."""
    return open_edge(edge_server.url)


def test_others_writes_fills_and_withdrawals_are_heard(edge, other, hear):
    hearer = hear(edge)
    run = other.connect(T).run
    other.bind(tag_of("written"), run, 77, T)
    other.write([Delta("written", PUT, Record(1, 1, b"x"))], run, 1 << 20, T)
    assert hearer.hears("written")
    other.lease(["filled"], 1, T)
    other.fill({"filled": Record(1, 1, b"x")}, 1, 1, 3_600_000, T)
    assert hearer.hears("filled")
    hearer.heard.clear()
    other.withdraw(["filled"], T)
    assert hearer.hears("filled")
    other.lead("work", 1, 1_000, T)
    other.settle(tag_of("written"), 77, 1, [], 0, 1_000, T)
    other.lease(["last"], 1, T)
    assert hearer.hears("last")
    assert [keys for keys in hearer.heard if keys not in (["filled"], ["last"])] == []


def test_what_expires_is_heard(edge, other, hear):
    hearer = hear(edge)
    other.lease(["k"], 1, T)
    other.fill({"k": Record(1, 1, b"x")}, 1, 1, 30, T)
    assert hearer.hears("k")
    hearer.heard.clear()
    assert hearer.hears("k")


def test_a_flush_is_heard_as_everything(own_server, open_edge, connect_raw, hear):
    server = own_server()
    edge = open_edge(server.url)
    edge.connect(T)
    hearer = hear(edge)
    connect_raw(server).flushall()
    assert hearer.hears(None)


def test_it_stops_in_time_while_much_is_told(edge, other, hear):
    hearer = hear(edge)
    ends = threading.Event()

    def load():
        while not ends.is_set():
            other.lease(["a", "b", "c"], 1, T)

    thread = threading.Thread(target=load)
    thread.start()
    assert hearer.hears("a", "b", "c")
    assert hearer.stop() < 2
    ends.set()
    thread.join(T)


def test_what_a_server_says_that_never_pauses_is_told_while_it_goes_on(
    edge, other, hear, monkeypatch
):
    heard = Link.hear

    def hear_more(link, timeout_s):
        answer = heard(link, timeout_s)
        return b"and more" if answer is None else answer

    monkeypatch.setattr(Link, "hear", hear_more)
    hearer = hear(edge)
    other.lease(["k"], 1, T)
    assert hearer.hears("k")
    assert hearer.stop() < 2


def test_a_server_that_is_stalled_is_noticed(own_server, open_edge, hear):
    server = own_server()
    edge = open_edge(server.url)
    hearer = hear(edge)
    server.signal(signal.SIGSTOP)
    began = time.monotonic()
    hearer.join()
    assert "does not answer" in str(hearer.error)
    assert time.monotonic() - began < 5


def test_a_server_that_ends_is_noticed(own_server, open_edge, hear):
    server = own_server()
    hearer = hear(open_edge(server.url))
    server.kill()
    hearer.join()
    assert isinstance(hearer.error, UnavailableError)


def test_silence_is_no_failure(edge, hear):
    hearer = hear(edge)
    deadline = time.monotonic() + 10 * WAIT_S
    while time.monotonic() < deadline:
        time.sleep(WAIT_S)
    assert hearer.error is None
    assert hearer.heard == []


def test_whoever_is_told_may_take_its_time(edge, other):
    told, ends = [], threading.Event()

    def on_gone(keys):
        told.extend(keys)
        ends.wait(5 * WAIT_S)

    def on_ready():
        other.lease(["a"], 1, T)
        other.lease(["b"], 1, T)

    edge.listen(on_ready, on_gone, WAIT_S, lambda: {"a", "b"} <= set(told))
    assert told == ["a", "b"]
