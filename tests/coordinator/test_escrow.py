"""What one process sells, asks for and returns, and when it may not."""

from __future__ import annotations

import pytest
from escrow_world import KEY, World

from tierstore.coordinator.escrow_plan import GIVEN_MAX
from tierstore.errors import (
    FencedError,
    InsufficientRightsError,
    InvalidArgumentError,
    OutcomeUnknownError,
    StoreClosedError,
    UnavailableError,
)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def a(world):
    return world.processes[0]


@pytest.fixture
def b(world):
    return world.processes[1]


def copy_of(world, process):
    """A process on a copy of another's disk, as it is now."""
    copied = type(process)(world, process.holder)
    copied.disk.put(list(process.disk.load().values()))
    return copied


def lives(process):
    """Whether it may sell one more."""
    return process.run(lambda: process.escrow.take(KEY, 1, process.deadline)) is None


def test_what_is_sold_is_bought_once(world, a, b):
    world.give(10)
    assert sum(a.take(1) + b.take(1) for _ in range(10)) == 10
    assert not a.take(1)
    assert not b.take(1)
    world.finish()
    assert world.ledger().sold == 10


def test_the_error_says_how_many_there_are(world, a, b):
    world.give(10)
    assert b.take(3)
    with pytest.raises(InsufficientRightsError) as caught:
        a.escrow.take(KEY, 8, a.deadline)
    assert caught.value.available == world.ledger().pool
    assert a.take(caught.value.available)


def test_confirmed_rights_are_sold_while_the_coordinator_is_away(world, a):
    world.give(100)
    for _ in range(10):
        a.take(1)
        a.run(a.escrow.step)
    a.plan.is_region_down = True
    rights = a.escrow.rights(KEY)
    assert rights >= 10
    assert all(a.take(1) for _ in range(rights))
    with pytest.raises(UnavailableError):
        a.escrow.take(KEY, 1, a.deadline)
    a.plan.is_region_down = False
    assert a.take(1)
    world.check()


def test_edges_that_stay_up_sell_what_they_were_granted():
    """Eight that sell at different paces, when the coordinator goes away for good."""
    world = World(processes=8)
    world.give(10_000)
    for _ in range(20):
        for pace, process in enumerate(world.processes, 1):
            assert all(process.take(1) for _ in range(pace))
            process.escrow.step()
        world.runtime.advance(1.0)
    grants = world.grants().values()
    granted = sum(grant.held for grant in grants) - world.sold
    assert granted > 500
    sold = world.sold
    for process in world.processes:
        process.plan.is_region_down = True
        while process.take(1):
            pass
    assert world.sold - sold >= 0.9 * granted
    world.check()


def test_nothing_is_sold_after_opening_before_it_is_confirmed(world, a):
    world.give(10)
    a.take(1)
    epoch = world.grants()[a.holder].epoch
    a.open()
    a.plan.is_region_down = True
    assert a.escrow.rights(KEY) == 0
    assert not lives(a)
    a.plan.is_region_down = False
    a.escrow.step()
    assert a.escrow.rights(KEY) == world.grants()[a.holder].held - 1
    assert world.grants()[a.holder].epoch != epoch


def test_a_copy_of_a_journal_sells_nothing_once_the_other_was_opened(world, a):
    world.give(20)
    a.take(1)
    copied = copy_of(world, a)
    a.open()
    assert a.take(1)
    with pytest.raises(FencedError, match="another copy of this journal"):
        copied.escrow.take(KEY, 1, copied.deadline)
    with pytest.raises(FencedError, match="escrow reclaim"):
        copied.escrow.step()
    assert a.take(1)
    world.check()


def test_an_older_copy_of_a_journal_is_found_out_by_what_was_reported(world, a):
    world.give(20)
    a.take(1)
    older = list(a.disk.load().values())
    a.take(1)
    a.escrow.step()
    a.escrow = None
    a.disk.put(older)
    a.open()
    with pytest.raises(FencedError, match="an older copy"):
        a.escrow.take(KEY, 1, a.deadline)


def test_who_adopts_reports_and_returns(world, a, b):
    world.give(20)
    a.take(3)
    a.escrow = None
    b.escrow.adopt(a.disk, b.deadline())
    assert a.disk.load() == {}
    ledger = world.ledger()
    assert (ledger.pool, ledger.sold, ledger.closed, ledger.holders) == (17, 3, 3, 0)
    assert world.runtime.reached["the rights of a dead process returned"] == 1


def test_an_adopter_without_a_coordinator_leaves_the_notes(world, a, b):
    world.give(20)
    a.take(3)
    a.escrow = None
    b.plan.is_region_down = True
    with pytest.raises(UnavailableError):
        b.escrow.adopt(a.disk, b.deadline())
    assert a.disk.load()[KEY].spent == 3
    a.open()  # and whoever opens it may not sell of what is being returned
    assert a.take(1)
    world.check()
    assert world.ledger().closed == 3


def test_an_adopter_refuses_a_copy_and_goes_on_with_the_rest(world, a, b):
    world.give(20)
    a.take(1)
    copied = copy_of(world, a)
    a.open()
    a.take(1)
    with pytest.raises(FencedError):
        b.escrow.adopt(copied.disk, b.deadline())
    assert a.take(1)
    world.check()


def test_closing_returns_what_is_left(world, a):
    world.give(20)
    a.take(1)
    escrow = a.escrow
    a.close()
    assert (world.ledger().pool, world.ledger().closed) == (19, 1)
    assert world.grants() == {}
    with pytest.raises(StoreClosedError):
        escrow.take(KEY, 1, a.deadline)


def test_closing_without_a_coordinator_keeps_the_notes(world, a):
    world.give(20)
    a.take(1)
    a.plan.is_region_down = True
    a.close()
    assert a.disk.load()[KEY].spent == 1
    a.open()
    a.plan.is_region_down = False
    assert a.take(1)
    world.check()


def test_idle_rights_go_back(world, a, b):
    world.give(100)
    for _ in range(20):
        a.take(1)
    a.escrow.step()
    held = world.grants()[a.holder].held
    assert held > 40
    for _ in range(10):
        world.runtime.advance(10.0)
        a.escrow.step()
        world.check()
    assert world.grants() == {}
    assert world.ledger().pool == 80
    assert a.disk.load() == {}


def test_rights_go_where_they_are_needed(world, a, b):
    """`a` has nearly all of them and sells little; `b` goes short, and soon has them."""
    world.give(100)
    for _ in range(8):
        a.take(5)
        a.escrow.step()
    b.take(10)
    while b.take(1):
        pass
    left = a.escrow.rights(KEY)
    assert left > 10
    a.escrow.step()
    assert b.take(1)
    world.check()


def test_what_is_on_its_way_back_is_not_sold(world, a, b):
    """Whether the return arrives at once, much later or never."""
    world.give(100)
    for _ in range(8):
        a.take(5)
        a.escrow.step()
    while b.take(1):
        pass
    before = a.escrow.rights(KEY)
    a.region.is_slow = True
    with pytest.raises((UnavailableError, OutcomeUnknownError)):
        a.escrow.step()
    left = a.escrow.rights(KEY)
    assert left < before
    a.plan.is_region_down = True
    assert all(a.take(1) for _ in range(left - 3))
    assert not a.take(4)
    world.deliver(0)
    world.check()
    assert b.take(before - left)
    a.plan.is_region_down = a.region.is_slow = False
    a.escrow.step()
    assert world.grants()[a.holder].returned == before - left, "returned twice"
    assert a.escrow.rights(KEY) == 3
    world.finish()


def test_grants_follow_demand(world, a):
    world.give(10_000)
    granted = []
    for _ in range(6):
        for _ in range(max(1, a.escrow.rights(KEY))):
            a.take(1)
        a.escrow.step()
        granted.append(a.escrow.rights(KEY))
    assert granted == sorted(granted)
    assert granted[-1] > 8 * granted[0]
    commits = world.region._number
    for _ in range(20):
        a.take(1)
    assert world.region._number == commits, "a sale asked the coordinator"


def test_a_sale_that_leaves_little_hastens_the_step_once(world, a):
    world.give(1000)
    a.take(1)
    for _ in range(3):
        a.escrow.step()
        hastened = world.hastened
        while world.hastened == hastened:
            assert a.escrow.rights(KEY)
            a.take(1)
        for _ in range(a.escrow.rights(KEY)):
            a.take(1)
        assert world.hastened == hastened + 1


def test_an_operator_takes_back_what_a_lost_disk_had(world, a, b):
    world.give(20)
    a.take(4)
    held = world.grants()[a.holder].held
    for sold in (-1, held + 1):
        with pytest.raises(InvalidArgumentError, match="cannot have sold"):
            world.ledgers.reclaim(KEY, a.holder, sold, world.deadline())
    with pytest.raises(InvalidArgumentError, match="no replica 63"):
        world.ledgers.reclaim(KEY, 99, 4, world.deadline())
    world.ledgers.reclaim(KEY, a.holder, 4, world.deadline())
    assert (world.ledger().pool, world.ledger().sold) == (16, 4)
    assert b.take(16)


def test_who_was_reported_lost_sells_nothing_of_what_was_taken_back(world, a):
    world.give(20)
    a.take(4)
    world.ledgers.reclaim(KEY, a.holder, 4, world.deadline())
    a.escrow.step()
    assert a.escrow.rights(KEY) == 0 or a.holder in world.grants()
    assert world.warnings == [
        "the rights to 'stock/1' were reclaimed by an operator, with 4 units sold here"
    ]
    while a.take(1):
        pass
    world.check()
    assert world.sold == 20


def test_gifts_happen_once(world):
    ledgers, deadline = world.ledgers, world.deadline
    ledgers.give(KEY, 5, "mine", deadline())
    ledgers.give(KEY, 5, "mine", deadline())
    assert world.ledger().given == 5
    with pytest.raises(InvalidArgumentError, match="another request"):
        ledgers.give(KEY, 6, "mine", deadline())
    with pytest.raises(InvalidArgumentError, match="all that is ever counted"):
        ledgers.give(KEY, GIVEN_MAX, "other", deadline())


def test_the_value_is_an_upper_bound_and_knows_own_sales(world, a, b):
    world.give(10)
    a.take(3)
    assert a.escrow.value(KEY, a.deadline()) == 7
    assert b.escrow.value(KEY, b.deadline()) == 10
    a.escrow.step()
    assert b.escrow.value(KEY, b.deadline()) == a.escrow.value(KEY, a.deadline()) == 7


def test_a_restored_coordinator_makes_good_what_was_sold(world, a):
    """Its backup knows nothing of a grant: what was sold of it is charged, not sold again."""
    world.give(20)
    backup = dict(world.region._private)
    for _ in range(5):
        a.take(1)
    a.escrow.step()
    world.region._private = backup
    world.region.reincarnate(1.0)
    with pytest.raises(UnavailableError):
        a.escrow.step()
    a.escrow.step()
    ledger, grant = world.ledger(), world.grants()[a.holder]
    assert (ledger.given, ledger.sold, grant.spent) == (20, 5, 5)
    while a.take(1):
        pass
    world.check()
    assert world.sold == 20


def test_what_a_restored_coordinator_let_be_sold_twice_is_owed(world, a, b, monkeypatch):
    """The pool goes below zero, and nothing is granted until enough was given."""
    monkeypatch.setattr(world.region, "audit", lambda: None)  # which knows of no restore
    world.give(20)
    backup = dict(world.region._private)
    for _ in range(5):
        a.take(1)
    world.region._private = backup
    world.region.reincarnate(1.0)
    b.take(20)
    with pytest.raises(UnavailableError):
        a.escrow.step()
    a.escrow.step()
    grant = world.grants()[a.holder]
    assert world.ledger().pool == -5
    assert (grant.granted, grant.returned, grant.spent) == (5, 0, 5)
    world.give(5)
    assert not a.take(1)
    world.give(2)
    assert a.take(1)
    assert b.take(1)
    assert not b.take(1)


def test_a_coordinator_that_forgot_in_the_same_life_is_found_out(world, a):
    world.give(20)
    a.take(1)
    backup = dict(world.region._private)
    a.escrow.step()
    world.region._private = backup
    a.take(1)
    with pytest.raises(FencedError, match="without being told"):
        a.escrow.step()


def test_rights_are_of_one_region(world, a):
    world.give(20)
    a.take(1)
    a.open()
    a.standing = lambda deadline: ("another", 1)
    with pytest.raises(UnavailableError, match="are of region"):
        a.escrow.take(KEY, 1, a.deadline)
