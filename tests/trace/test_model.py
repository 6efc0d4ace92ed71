"""The model of several replicas: which answers are right, and which can no longer be."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tierstore.trace.model import HISTORY_MAX, MISSING, SharedModel
from tierstore.trace.values import make_value

SIZE = 60
HERE, THERE = 0, 1


class World:
    """A model of two replicas whose clocks and cursors the test sets."""

    def __init__(self):
        self.now_s = 0.0
        self.model = SharedModel(lambda: self.now_s)
        self.states = [
            SimpleNamespace(cursor=0, replica=10 + turn, clock=SimpleNamespace(last=0))
            for turn in (HERE, THERE)
        ]
        self.model.states.extend(self.states)

    def put(self, turn, version, stamp, lifetime=None):
        self.states[turn].clock.last = stamp
        self.model.put(turn, "k", version, SIZE, lifetime)

    def flush(self, turn, stamp, position):
        self.model.flushed("k", (stamp, self.states[turn].replica), position)

    def may_show(self, turn, version):
        value = MISSING if version is None else make_value("k", version, SIZE)
        return self.model.is_right(turn, "k", value)


@pytest.fixture
def world():
    return World()


def test_a_key_that_nobody_wrote(world):
    assert world.may_show(HERE, None)
    assert not world.may_show(HERE, 0)
    world.model.load("k", SIZE)
    assert world.may_show(HERE, 0)
    assert not world.may_show(HERE, None)


def test_a_writer_reads_its_write_while_others_may_lag(world):
    world.model.load("k", SIZE)
    world.put(HERE, 1, stamp=5)
    assert not world.may_show(HERE, 0)
    assert world.may_show(HERE, 1)
    assert world.may_show(THERE, 0)


def test_a_pull_past_the_write_ends_the_lag(world):
    world.model.load("k", SIZE)
    world.put(HERE, 1, stamp=5)
    world.flush(HERE, 5, position=9)
    world.states[THERE].cursor = 8
    assert world.may_show(THERE, 0)
    world.states[THERE].cursor = 9
    assert not world.may_show(THERE, 0)
    assert world.may_show(THERE, 1)


def test_what_was_shown_is_not_taken_back(world):
    world.model.load("k", SIZE)
    world.put(HERE, 1, stamp=5)
    assert world.may_show(THERE, 1)
    assert not world.may_show(THERE, 0)


def test_the_later_stamp_is_the_last_write_whoever_came_first(world):
    world.put(HERE, 1, stamp=7)
    world.put(THERE, 2, stamp=6)
    last = make_value("k", 1, SIZE)
    assert world.model.is_last("k", last)
    assert not world.model.is_last("k", make_value("k", 2, SIZE))


def test_deletes_and_expiry(world):
    world.put(HERE, 1, stamp=5, lifetime=(10, 10))
    assert not world.may_show(HERE, None)
    world.now_s = 12.0
    assert world.may_show(HERE, None)
    assert not world.may_show(HERE, 1)
    world.put(HERE, 2, stamp=6)
    world.states[HERE].clock.last = 7
    world.model.delete(HERE, "k")
    assert world.may_show(HERE, None)
    assert not world.may_show(HERE, 2)


def test_forgetting_old_writes_changes_no_verdict(world):
    for version in range(1, HISTORY_MAX * 3):
        world.put(HERE, version, stamp=version)
        if version <= HISTORY_MAX:
            world.flush(HERE, version, position=version)
    world.states[THERE].cursor = HISTORY_MAX
    world.put(HERE, 99, stamp=99)
    assert not world.may_show(THERE, HISTORY_MAX - 1)
    for version in range(HISTORY_MAX, HISTORY_MAX * 3):
        assert world.may_show(THERE, version)
