"""What error replies and broken connections become."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as DriverConnectionError
from redis.exceptions import TimeoutError as DriverTimeoutError

from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    OverloadedError,
    UnavailableError,
)
from tierstore.runtime import Runtime
from tierstore_redis.edge import RedisEdge
from tierstore_redis.errors import translate


@pytest.mark.parametrize(
    ("reply", "kind", "message"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", OverloadedError, "no room"),
        ("LOADING Redis is loading the dataset in memory", UnavailableError, "loading"),
        ("BUSY Redis is busy running a script.", UnavailableError, "SCRIPT KILL"),
        ("READONLY You can't write against a read only replica.", UnavailableError, "replica"),
        ("MASTERDOWN Link with MASTER is down", UnavailableError, "primary"),
        ("NOREPLICAS Not enough good replicas to write.", UnavailableError, "min-replicas"),
        ("MISCONF Errors writing to the AOF file", UnavailableError, "log"),
        ("NOAUTH Authentication required.", UnavailableError, "put one into the url"),
        ("NOAUTH HELLO must be called with the client", UnavailableError, "password"),
        ("WRONGPASS invalid username-password pair", UnavailableError, "correct the url"),
        ("NOPERM User ann has no permissions to run", UnavailableError, "it needs"),
        ("DENIED Redis is running in protected mode", UnavailableError, "protected mode"),
        ("MOVED 3999 127.0.0.1:6381", UnavailableError, "write redis+cluster://"),
        ("CROSSSLOT Keys in request", UnavailableError, "write redis+cluster://"),
        ("ASK 3999 127.0.0.1:6381", UnavailableError, "being moved"),
        ("TRYAGAIN Multiple keys request", UnavailableError, "being moved"),
        ("CLUSTERDOWN Hash slot not served", UnavailableError, "cluster"),
        ("WRONGTYPE Operation against a key", CorruptionError, "another prefix"),
        ("ERR max number of clients reached", UnavailableError, "maxclients"),
        ("ERR unknown command", UnavailableError, "refused the command"),
        ("something odd", UnavailableError, "refused the command"),
    ],
)
@pytest.mark.parametrize("is_write", [False, True])
def test_what_the_server_says_did_not_happen(reply, kind, message, is_write):
    error = BaseParser.parse_error(reply)
    found = translate(error, "there", is_sent=is_write, is_write=is_write)
    assert type(found) is kind
    assert message in str(found)
    assert str(found).startswith("there: ")


@pytest.mark.parametrize(
    ("error", "is_sent", "is_write", "kind"),
    [
        (DriverTimeoutError("late"), False, False, DeadlineExceededError),
        (TimeoutError("late"), False, True, DeadlineExceededError),
        (DriverTimeoutError("late"), True, False, UnavailableError),
        (DriverTimeoutError("late"), True, True, OutcomeUnknownError),
        (DriverConnectionError("gone"), False, True, UnavailableError),
        (DriverConnectionError("gone"), True, True, OutcomeUnknownError),
        (ConnectionResetError("gone"), True, False, UnavailableError),
        (UnicodeError("label too long"), False, False, UnavailableError),
    ],
)
def test_what_is_lost_may_have_happened_if_it_was_sent(error, is_sent, is_write, kind):
    assert type(translate(error, "there", is_sent=is_sent, is_write=is_write)) is kind


@pytest.fixture
def trickling():
    """The port of a server that sends a byte now and then, and never an end of a line."""
    listener, ends = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"+")
            while not ends.wait(0.02):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    ends.set()
    thread.join(10)
    listener.close()


def test_a_server_that_trickles_costs_no_more_than_the_timeout(trickling):
    edge = RedisEdge(f"redis://127.0.0.1:{trickling}/0", runtime=Runtime())
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        edge.connect(0.3)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("host", ["a" * 64, "no-such-host.invalid", "a..b"])
def test_a_host_that_cannot_be_found_is_unavailable(host):
    edge = RedisEdge(f"redis://u:secret@{host}:1/0", runtime=Runtime())
    with pytest.raises(UnavailableError) as raised:
        edge.connect(1.0)
    assert "secret" not in str(raised.value)


def test_all_addresses_of_a_host_have_one_timeout(monkeypatch):
    """Such as IPv6 and IPv4, where neither lets anybody in."""
    with socket.socket() as deaf, socket.socket() as first:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        first.connect(deaf.getsockname())  # nobody accepts it, so there is no room for another
        found = socket.getaddrinfo(*deaf.getsockname(), 0, socket.SOCK_STREAM)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found * 5)
        edge = RedisEdge(f"redis://deaf:{deaf.getsockname()[1]}", runtime=Runtime())
        began = time.monotonic()
        with pytest.raises(DeadlineExceededError):
            edge.connect(0.3)
        assert time.monotonic() - began < 0.9
        edge.close()
