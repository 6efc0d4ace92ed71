"""Grants that ended after the backup from which the coordinator was restored."""

from __future__ import annotations

import pytest
from escrow_world import KEY, World

from tierstore.coordinator.escrow_plan import Grant, Ledger, Request, plan_exchange
from tierstore.coordinator.escrow_records import decode_grant, encode_grant, grant_key
from tierstore.errors import UnavailableError
from tierstore.record import Record
from tierstore.region.rows import Row
from tierstore.tiers.journal.escrow import Note
from tierstore.values.msgpack import pack


@pytest.fixture
def world():
    return World()


@pytest.fixture
def a(world):
    """One that has sold 5, as the backup knows, and has returned its rights since."""
    process = world.processes[0]
    world.give(20)
    assert process.take(5)
    process.escrow.step()
    world.backup = dict(world.region._private)
    process.close()
    process.open()
    return process


def restore(world):
    world.region._private = world.backup
    world.region.reincarnate(1.0)


def told(process):
    """A step of a process that hears of the other life first."""
    with pytest.raises(UnavailableError):
        process.escrow.step()
    process.escrow.step()


def test_the_sales_of_the_next_grant_are_counted_beside_them(world, a):
    assert a.take(2)
    restore(world)
    told(a)
    ledger, grant = world.ledger(), world.grants()[a.holder]
    assert (ledger.given, ledger.sold, ledger.closed, grant.spent) == (20, 7, 5, 2)
    while a.take(1):
        pass
    a.close()
    assert (world.sold, world.ledger().sold, world.ledger().pool) == (20, 20, 0)


def test_who_sold_nothing_since_can_sell_again(world, a):
    restore(world)
    a.run(a.escrow.step)
    a.take(1)  # hears of it
    assert a.take(1)
    a.close()
    assert (world.ledger().sold, world.ledger().closed) == (world.sold, world.sold)


def test_closing_ends_what_only_the_backup_knows(world, a, monkeypatch):
    """Also of who has asked for rights, and never heard of any."""
    a.region.is_slow = True
    assert not a.take(1)
    a.region.is_slow = False
    world.under_way.clear()
    restore(world)
    a.run(lambda: a.escrow.step())
    a.close()
    a.open()
    a.close()
    assert world.grants() == {}
    assert a.disk.load() == {}
    assert (world.ledger().sold, world.ledger().pool) == (5, 15)


def test_a_grant_that_goes_on_in_another_opening_is_counted_once(world):
    """It has another epoch, and began where the backup says."""
    process = world.processes[0]
    world.give(20)
    assert process.take(5)
    process.escrow.step()
    world.backup = dict(world.region._private)
    process.open()
    process.escrow.step()
    assert process.take(2)
    restore(world)
    told(process)
    ledger, grant = world.ledger(), world.grants()[process.holder]
    assert (ledger.sold, ledger.closed, grant.spent) == (7, 0, 7)


BEFORE = Ledger(given=20, pool=10, sold=5, holders=1)
GRANT = Grant(KEY, 1, epoch=3, number=4, granted=10, spent=5, born=2)


def ask(*borns, **fields):
    fields = {"epoch": 9, "epochs": (9,), "known": True, "spent": 2, "anew": True} | fields
    return Request(KEY, 1, borns=borns, **fields)


@pytest.mark.parametrize("borns", [(2,), (7, 2), (0,)])
def test_a_grant_that_may_be_the_same_is_taken_for_it(borns):
    plan = plan_exchange(BEFORE, GRANT, ask(*borns), 0)
    assert (plan.ledger.closed, plan.grant.spent, plan.grant.born) == (0, 5, 2)


def test_a_grant_of_which_nobody_knows_when_it_began_is_taken_for_the_same():
    grant = Grant(KEY, 1, epoch=3, number=4, granted=10, spent=5)
    assert plan_exchange(BEFORE, grant, ask(7), 0).grant.spent == 5


def test_within_one_life_another_grant_of_a_holder_is_refused():
    assert plan_exchange(BEFORE, GRANT, ask(7, anew=False), 0).verdict == "fenced"


def test_records_of_before_grants_knew_when_they_began_are_read():
    old = pack([1, KEY, 1, 3, 4, 10, 0, 5])
    for raw, born in ((old, 0), (encode_grant(GRANT), 2)):
        grant = decode_grant(Row(grant_key(KEY, 1), Record(1, 1, raw)))
        assert (grant.spent, grant.born) == (5, born)


def test_a_note_says_when_its_grant_began(world):
    process = world.processes[0]
    world.give(20)
    assert process.take(1)
    assert process.disk.load()[KEY].born == world.grants()[process.holder].born > 0
    assert Note(KEY, 1, "", 0).born == 0
