"""Connections and forks: nothing of a database is under way when a process forks."""

from __future__ import annotations

import threading

import pytest

from tierstore.runtime import Runtime
from tierstore_sql.connections import Connections

WAIT_S = 10.0


class SlowToClose:
    """A connection that closes when it is told to."""

    fails = is_closed = False

    def __init__(self):
        self.closing, self.may_close = threading.Event(), threading.Event()

    def close(self):
        self.closing.set()
        assert self.may_close.wait(WAIT_S)
        self.is_closed = True
        if self.fails:
            raise RuntimeError("closing failed")


@pytest.fixture
def connections():
    return Connections(lambda _: SlowToClose(), 4, Runtime())


def test_a_fork_waits_for_a_connection_that_is_being_closed(connections, monkeypatch):
    """SQLite holds process-wide mutexes meanwhile, which a child would find taken."""
    connection = connections.take(WAIT_S)
    closer = threading.Thread(target=connections.discard, args=(connection,))
    closer.start()
    assert connection.closing.wait(WAIT_S)

    def let_it_be_closed(_):
        connection.may_close.set()
        closer.join(WAIT_S)

    # Only a fork that waits lets the connection be closed.
    monkeypatch.setattr(connections._runtime, "sleep", let_it_be_closed)
    connections.before_fork()
    assert connection.is_closed
    connections.after_fork_in_parent()


def test_a_connection_that_cannot_be_closed_does_not_count_as_held(connections):
    connection = connections.take(WAIT_S)
    connection.fails = True
    connection.may_close.set()
    with pytest.raises(RuntimeError, match="closing failed"):
        connections.discard(connection)
    connections.before_fork()  # waits for nothing
    connections.after_fork_in_parent()
