"""Inside a simulation nothing reads a real clock, chance, thread or socket."""

from __future__ import annotations

import importlib
import logging
import os
import random
import socket
import sys
import threading
import time

import pytest

from tierstore.testing.simulation.guards import EscapeError, sealed

ESCAPES = {
    "time.time": lambda: time.time(),
    "time.sleep": lambda: time.sleep(0),
    "time.monotonic_ns": lambda: time.monotonic_ns(),
    "time.perf_counter": lambda: time.perf_counter(),
    "random.random": lambda: random.random(),
    "random.uniform": lambda: random.uniform(0, 1),
    "random.sample": lambda: random.sample([1, 2], 1),
    "os.urandom": lambda: os.urandom(4),
    "threading.Thread.start": lambda: threading.Thread(target=int).start(),
    "socket.socket": lambda: socket.socket(),
}


def real():
    """What is replaced while sealed."""
    return (
        time.time, time.sleep, random.random, os.urandom, threading.Thread.start, socket.socket,
        logging.root.manager.disable,
    )  # fmt: skip


@pytest.mark.parametrize("name", ESCAPES)
def test_reaching_for_the_real_world_raises(name):
    with sealed(), pytest.raises(EscapeError, match=name.replace(".", r"\.")):
        ESCAPES[name]()


def test_a_module_that_is_imported_only_inside_is_sealed_too(monkeypatch):
    monkeypatch.delitem(sys.modules, "secrets", raising=False)
    with sealed(), pytest.raises(EscapeError, match=r"secrets\.token_bytes"):
        importlib.import_module("secrets").token_bytes(4)


def test_everything_is_as_before_afterwards():
    before = real()
    with sealed():
        assert time.time is not before[0]
    assert real() == before
    assert time.time() > 0


def test_everything_is_as_before_after_an_error():
    before = real()
    with pytest.raises(ZeroDivisionError), sealed():
        1 / 0  # noqa: B018
    assert real() == before


def test_no_except_clause_for_errors_hides_an_escape():
    assert not issubclass(EscapeError, Exception)
