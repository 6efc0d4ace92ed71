"""Small simulated worlds, and bugs that are planted on purpose."""

from __future__ import annotations

import pytest

from tierstore.runtime.chance import Chance
from tierstore.stamp import HybridClock
from tierstore.testing.simulation.campaign import World
from tierstore.testing.simulation.scheduler import Process, Scheduler

SMALL = World(operations=60)


@pytest.fixture
def scheduler():
    """A scheduler at time zero."""
    return Scheduler(Chance(1, "turns"))


@pytest.fixture
def process():
    """A process to run tasks in."""
    return Process("p")


@pytest.fixture
def small():
    """A world of sixty operations."""
    return SMALL


@pytest.fixture
def broken_clock(monkeypatch):
    """Replicas that do not take over the stamps they see: what they write later may be older."""
    monkeypatch.setattr(HybridClock, "merge_admitted", lambda self, stamp: None)


@pytest.fixture
def broken_join(monkeypatch):
    """Of two states the older one is kept."""
    from tierstore.crdt import register

    right_join = register.join

    def join(left, right):
        if left is None:
            return right
        return left if right_join(left, right) is right else right

    monkeypatch.setattr(register, "join", join)
