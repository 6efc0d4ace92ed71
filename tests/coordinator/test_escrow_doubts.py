"""What may or may not have happened at the coordinator counts once, however it ends."""

from __future__ import annotations

import pytest
from escrow_world import KEY, Process, World

from tierstore.coordinator.escrow_plan import Request, plan_exchange
from tierstore.errors import (
    DeadlineExceededError,
    FencedError,
    InsufficientRightsError,
    UnavailableError,
)
from tierstore.region.commits import CommitReply
from tierstore.region.deadline import Deadline
from tierstore.testing.faults import KINDS


@pytest.fixture
def world():
    return World()


@pytest.fixture
def a(world):
    return world.processes[0]


@pytest.fixture
def b(world):
    return world.processes[1]


def restore(world, backup):
    """The region is what it was, and lives another life."""
    world.region.__dict__.update(backup)
    world.region.reincarnate(1.0)


def back_up(world):
    fields = vars(world.region)
    return {name: dict(fields[name]) for name in ("_private",)}


def end_by_closing(a, b):
    a.close()


def end_by_adoption(a, b):
    a.escrow = None
    b.run(lambda: b.escrow.adopt(a.disk, b.deadline()))


@pytest.mark.parametrize("end", [end_by_closing, end_by_adoption])
def test_a_first_request_that_arrives_after_the_end_gives_no_rights(end, world, a, b):
    world.give(10)
    a.region.is_slow = True
    assert not a.take(1)
    a.region.is_slow = False
    end(a, b)
    assert a.disk.load() == {}
    world.deliver(0)
    assert world.grants() == {}
    world.finish()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", [end_by_closing, end_by_adoption])
@pytest.mark.parametrize("has_met", [False, True])
def test_sales_of_a_former_life_are_reported_once(has_met, end, kind, world, a, b):
    """`has_met`: the holder has been confirmed in the new life."""
    for n in range(1, 40):
        world = World()
        a, b = world.processes
        world.give(10)
        backup = back_up(world)
        assert a.take(3)
        restore(world, backup)
        if has_met:
            a.run(a.escrow.step)
        teller = a if end is end_by_closing else b
        teller.plan.arm(n, kind)
        end(a, b)
        has_fired = teller.plan.fired
        a.escrow = None
        world.finish()
        assert world.ledger().sold == 3
        if has_fired is None:
            break
    assert 2 < n < 39


def test_a_copy_of_a_journal_sells_nothing_in_a_new_life_either(world, a):
    world.give(10)
    assert a.take(1)
    a.run(a.escrow.step)
    copy = Process(world, a.holder)
    copy.disk.put(list(a.disk.load().values()))
    restore(world, back_up(world))
    for process in (a, copy):
        process.open()
    assert a.run(a.escrow.step) is None
    assert isinstance(copy.run(copy.escrow.step), FencedError)
    assert copy.escrow.rights(KEY) == 0
    assert a.take(1)
    assert a.run(a.escrow.step) is None


@pytest.mark.parametrize("units", [1000, 2**53])
def test_an_order_that_was_refused_is_no_reason_to_hoard(units, world, a, b):
    world.give(100)
    assert a.take(1)
    assert not a.take(units)
    for _ in range(20):
        world.runtime.advance(1.0)
        a.run(a.escrow.step)
        b.run(b.escrow.step)
    assert all(b.take(1) for _ in range(90))


def test_keys_of_which_nothing_is_sold_any_more_are_forgotten(world, a):
    world.give(10)
    assert a.take(3)
    for n in range(50):
        with pytest.raises(InsufficientRightsError):
            a.escrow.take(f"other/{n}", 1, a.deadline)
    for _ in range(4):
        world.runtime.advance(100.0)
        assert a.run(a.escrow.step) is None
    assert a.disk.load() == {}
    assert not a.escrow._all()
    assert a.take(7)
    assert not a.take(1)
    world.finish()


def test_a_clock_that_was_set_back_leaves_nobody_hungry_for_long(world, a):
    """Of the coordinator: while others seem to go short, nobody is granted in advance."""
    world.give(10)
    assert a.take(1)
    assert not a.take(20)
    now_ms = world.ledger().hungry_ms - 3_600_000
    assert now_ms
    assert not world.ledger().is_hungry(now_ms)
    request = Request(KEY, 9, 1, (), known=False, spent=0, borns=(0,), need=20)
    assert plan_exchange(world.ledger(), None, request, now_ms).ledger.is_hungry(now_ms)


@pytest.mark.parametrize("before", [0, 1])
def test_a_sale_whose_rights_are_in_doubt_did_not_happen_and_says_so(before, world, a):
    world.give(10)
    assert not before or a.take(before)
    a.region.is_slow = True
    with pytest.raises(DeadlineExceededError, match="nothing was sold"):
        a.escrow.take(KEY, 5, a.deadline)


def test_a_sale_that_others_overtake_again_and_again_did_not_happen(world, a, monkeypatch):
    world.give(10)
    conflict = CommitReply("conflict", 1, 0)
    monkeypatch.setattr(a.region, "commit", lambda *_: conflict)
    a.deadline = lambda: Deadline(world.runtime, 1000.0)
    with pytest.raises(UnavailableError, match="others were faster"):
        a.escrow.take(KEY, 5, a.deadline)
