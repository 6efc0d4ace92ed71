"""Who sells while the store is closed hears of that."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from escrow_world import KEY, World

from tierstore.errors import StoreClosedError


@pytest.fixture
def world():
    return World()


@pytest.fixture
def a(world):
    return world.processes[0]


def test_who_waits_while_a_store_is_closed_hears_of_that(world, a):
    world.give(10)
    holding = a.escrow._holding(KEY)
    acquire, release = holding.asking.acquire, holding.asking.release
    holding.asking = asking = SimpleNamespace(release=release)

    def overtaken(*arguments):
        asking.acquire = acquire
        a.escrow.close(a.deadline())
        return acquire(*arguments)

    asking.acquire = overtaken
    with pytest.raises(StoreClosedError):
        a.escrow.take(KEY, 1, a.deadline)


def test_keys_that_are_asked_for_meanwhile_do_not_keep_a_store_from_closing(world, a):
    world.give(10)
    assert a.take(1)
    holding = a.escrow._holding(KEY)
    acquire, release = holding.asking.acquire, holding.asking.release
    holding.asking = SimpleNamespace(release=release)

    def meanwhile(*arguments):
        a.escrow._holding("other")
        return acquire(*arguments)

    holding.asking.acquire = meanwhile
    a.escrow.close(a.deadline())
    assert (a.disk.load(), world.grants()) == ({}, {})
