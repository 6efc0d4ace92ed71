"""A cold row means what the row would be if it had never left: the same changes, the same state.

Two regions that are one: whatever comes is applied to a row that stays and to one that goes cold
and comes back at random. A third region joins, so whole states come, too.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tierstore.crdt import document
from tierstore.crdt import set as sets
from tierstore.errors import CorruptionError
from tierstore.record import DOCUMENT, ELSEWHERE, SET, Record, hash_payload
from tierstore.region.apply import Terms, plan_apply
from tierstore.region.batch import CHANGE, RESET, freeze
from tierstore.region.joining import plan_join
from tierstore.region.moves import Switch, plan_switch
from tierstore.region.outcomes import APPLIED
from tierstore.region.pointer import Pointer, decode_pointer, encode_pointer
from tierstore.region.waiting import (
    WAITING_COUNT_MAX,
    Base,
    Waiting,
    base_of,
    encode_base,
    settled,
)
from tierstore.stamp import at_ms
from tierstore.values.msgpack import pack, unpack

KEY = "k"
BEGIN_MS = 1_800_000_000_000
ACTORS = {"here": 11, "there": 22}
NAME = "a1/1-018bcfe56800-{:016x}.seg"
HOLD_MS = 300


class Side:
    """The row of one key in one region, and the objects to which it moves."""

    def __init__(self, actor):
        self.actor = actor
        self.row = None
        self.objects = {}

    @property
    def rows(self):
        return {} if self.row is None else {KEY: self.row}

    def store(self, plan):
        before = self.row
        if KEY in plan.writes:
            self.row = replace(plan.writes[KEY], position=(before.position if before else 0) + 1)
        gone = before is not None and before.cold is not None and self.row.cold is None
        assert plan.released == ([self.name(before)] if gone else [])
        if before is not None and self.row.record.payload != before.record.payload:
            assert version(self.row) != version(before)

    @staticmethod
    def name(row):
        return decode_pointer(row.cold, key=KEY).name

    def switch(self, switch, now_ms):
        plan = plan_switch(self.rows, [switch], now_ms)
        for row in plan.writes:
            self.row = row
        return plan

    def seen(self):
        record = self.row.record
        return record.stamp, record.replica, self.row.epoch

    def demote(self, now_ms, *, knows_digest=True):
        if self.row is None or self.row.cold is not None or self.row.record.payload is None:
            return
        name, record = NAME.format(len(self.objects)), self.row.record
        self.objects[name] = record
        cold = encode_pointer(Pointer(name, "seg", 0, 10, 0))
        digest = hash_payload(record.payload) if knows_digest else b""
        self.switch(Switch(KEY, *self.seen(), None, cold, digest=digest), now_ms)
        assert self.row.record.payload == ELSEWHERE

    def promote(self, now_ms):
        if self.row is not None and self.row.cold is not None:
            found = self.meaning()
            self.switch(Switch(KEY, *self.seen(), None, payload=found), now_ms)
            assert (self.row.cold, self.row.record.payload) == (None, found)
            assert self.row.size == len(KEY) + len(found)

    def meaning(self):
        """The payload, wherever it is."""
        if self.row is None or self.row.cold is None:
            return None if self.row is None else self.row.record.payload
        base = base_of(self.row)
        there = self.objects[base.pointer.name]
        assert (there.stamp, there.replica) == (base.stamp, base.replica)
        assert there.generation == self.row.record.generation
        return settled(base, self.row.record.type, there.payload).payload

    def told(self):
        """The row as its region tells it."""
        record = self.row.record
        whole = Record(
            record.stamp, record.replica, self.meaning(), record.expires_at_ms, record.touch, None,
            record.type, record.generation,
        )  # fmt: skip
        return replace(self.row, record=whole, cold=None)


def version(row):
    return row.record.stamp, row.record.replica


class World:
    """`still` never moves; `moved` is told the same, and moves at random; `far` is a peer."""

    def __init__(self, type_code, random):
        self.type, self.random = type_code, random
        self.module = sets if type_code == SET else document
        self.now_ms = BEGIN_MS
        self.still, self.moved = Side(ACTORS["here"]), Side(ACTORS["here"])
        self.far = Side(ACTORS["there"])
        self.number = 0
        self.seen = [(0, self.module.empty())]  # (generation, state) that replicas may have seen
        self.clients = 0

    def apply(self, delta_of, sides):
        self.number += 1
        key_delta = delta_of()
        for side in sides:
            batch = freeze(key_delta.replica, self.number, b"", [_delta(key_delta)], [])
            plan = plan_apply(side.rows, batch, self.terms(side))
            assert bytes(plan.outcomes) == bytes([APPLIED])
            side.store(plan)

    def terms(self, side):
        return Terms(self.now_ms, actor=side.actor)

    def record(self, payload, generation):
        random = self.random
        expires = random.choice([None, None, self.now_ms + HOLD_MS, self.now_ms + 10 * HOLD_MS])
        touch = random.choice([0, at_ms(self.now_ms) + random.randint(0, 3)])
        return Record(
            at_ms(self.now_ms) + random.randint(0, 9), random.randint(1, 3), payload,
            expires if touch else None, touch, None, self.type, generation,
        )  # fmt: skip

    def delta_payload(self, state):
        random = self.random
        if self.type == SET:
            if random.random() < 0.6:
                return sets.encode_delta(sets.add([random.choice("xyz")]))
            return sets.encode_delta(sets.discard(state, random.sample("xyz", 2)))
        self.clients += 1
        doc = document.open_document(state, self.clients)
        mark = document.mark_of(doc, state)
        root = doc.get("root", type=_map_type())
        root[random.choice("xy")] = random.randint(0, 9)
        change = document.changes_since(doc, mark)
        return document.encode_delta(change)

    # Steps

    def change(self, sides=None, *, op=CHANGE):
        generation, state = self.random.choice(self.seen[-3:])
        payload = None if self.random.random() < 0.2 else self.delta_payload(state)
        told = self.record(payload, generation)
        self.apply(lambda: _Told(op, told), sides or (self.still, self.moved))

    def reset(self):
        self.change(op=RESET)

    def change_far(self):
        payload = self.delta_payload(self.state_of(self.far))
        generation = self.far.row.record.generation if self.far.row else 0
        told = self.record(payload, generation)
        self.apply(lambda: _Told(CHANGE, told), (self.far,))

    def state_of(self, side):
        payload = side.meaning()
        return self.module.empty() if payload is None else self.module.decode(payload)

    def look(self):
        if self.still.row is not None:
            generation = self.still.row.record.generation
            self.seen.append((generation, self.state_of(self.still)))

    def tell(self):
        if self.far.row is not None:
            self.join(self.far, (self.still, self.moved))

    def tell_far(self):
        if self.still.row is not None:
            self.join(self.still, (self.far,))

    def join(self, source, sides):
        for side in sides:
            side.store(plan_join(side.rows, [source.told()], self.terms(side), is_late=False))

    def demote(self):
        self.moved.demote(self.now_ms, knows_digest=self.random.random() < 0.7)

    def promote(self):
        self.moved.promote(self.now_ms)

    def wait(self):
        self.now_ms += self.random.choice([1, HOLD_MS + 1])

    def step(self):
        steps = {
            self.change: 8, self.reset: 1, self.change_far: 3, self.look: 4, self.tell: 3,
            self.tell_far: 2, self.demote: 6, self.promote: 2, self.wait: 3,
        }  # fmt: skip
        act = self.random.choices(list(steps), list(steps.values()))[0]
        act()
        self.now_ms += 1
        self.check()
        return act.__name__

    def check(self):
        still, moved = self.still.row, self.moved.row
        assert (still is None) is (moved is None)
        if still is None:
            return
        assert self.moved.meaning() == self.still.meaning()
        one, other = still.record, moved.record
        assert (one.generation, one.expires_at_ms) == (other.generation, other.expires_at_ms)
        assert one.touch == other.touch


class _Told:
    def __init__(self, op, record):
        self.op, self.record, self.replica = op, record, record.replica


def _delta(told):
    from tierstore.region.batch import Delta

    return Delta(KEY, told.op, told.record)


def _map_type():
    from pycrdt import Map

    return Map


@pytest.mark.parametrize("type_code", [SET, DOCUMENT], ids=["set", "document"])
@given(seed=st.integers(0, 1 << 32), steps=st.integers(5, 60))
@settings(deadline=None, max_examples=20)
def test_a_cold_row_means_what_it_would_be_at_home(type_code, seed, steps):
    world = World(type_code, Random(seed))
    for _ in range(steps):
        world.step()
    world.demote()
    for _ in range(3):
        world.step()
    world.promote()
    world.check()


class TwoRegions(World):
    """`still` is not used; `moved` and `far` go cold at random, and tell each other."""

    def __init__(self, *args):
        super().__init__(*args)
        self.contents = {}

    def change_here(self):
        self.change((self.moved,))

    def demote_any(self):
        self.random.choice([self.moved, self.far]).demote(self.now_ms)

    def exchange(self):
        """Each hears of the other as it is now, if that has another version; whether any wrote."""
        ends = (self.moved, self.far)
        told = [None if side.row is None else side.told() for side in ends]
        have = [None if side.row is None else version(side.row) for side in ends]
        wrote = False
        for side, other in ((0, 1), (1, 0)):
            if told[other] is None or have[0] == have[1]:
                continue
            plan = plan_join(ends[side].rows, [told[other]], self.terms(ends[side]), is_late=False)
            ends[side].store(plan)
            wrote = wrote or bool(plan.writes)
            self.check()
        return wrote

    def fold(self):
        """What a mover does."""
        for side in (self.moved, self.far):
            if side.row is not None and side.row.cold is not None and base_of(side.row).is_due:
                side.promote(self.now_ms)

    def check(self):
        """A version tells its content, in both regions."""
        for side in (self.moved, self.far):
            if side.row is not None:
                content = side.row.record.generation, side.meaning()
                assert self.contents.setdefault(version(side.row), content) == content

    def step(self):
        steps = {
            self.change_here: 4, self.change_far: 4, self.exchange: 3, self.demote_any: 5,
            self.fold: 1, self.wait: 2,
        }  # fmt: skip
        self.random.choices(list(steps), list(steps.values()))[0]()
        self.now_ms += 1
        self.check()


@pytest.mark.parametrize("type_code", [SET, DOCUMENT], ids=["set", "document"])
@given(seed=st.integers(0, 1 << 32), steps=st.integers(3, 40))
@settings(deadline=None, max_examples=20)
def test_regions_with_cold_rows_come_to_rest(type_code, seed, steps):
    """They tell each other at the same time, which is the worst that they can do."""
    world = TwoRegions(type_code, Random(seed))
    for _ in range(steps):
        world.step()
    rounds = 0
    while world.exchange():
        rounds += 1
        assert rounds < 8, "they go on for ever"
    world.fold()
    while world.exchange():
        rounds += 1
        assert rounds < 12, "they go on for ever"
        world.fold()
    if world.moved.row is not None and world.far.row is not None:
        assert version(world.moved.row) == version(world.far.row)
        assert world.moved.meaning() == world.far.meaning()
        assert world.moved.row.record.generation == world.far.row.record.generation


def waiting(number, size=1):
    return Waiting(CHANGE, sets.encode_delta(sets.add(["x" * size])), 7, 11, True)


def test_much_that_waits_is_due_and_nothing_is_refused():
    base = Base(Pointer(NAME.format(1), "seg", 0, 10, 0), 5, 6)
    for number in range(3 * WAITING_COUNT_MAX):
        assert base.is_due is (number > WAITING_COUNT_MAX)
        base = base.after(waiting(number))
    assert Base(base.pointer, 5, 6).after(waiting(0, 70_000)).is_due


def test_what_a_row_holds_comes_back_whole():
    pointer = Pointer(NAME.format(1), "seg", 0, 10, 0)
    base = Base(pointer, 5, 6, b"d" * 16, (waiting(1), Waiting(4, b"state", 0, 0)))
    raw = encode_base(base)
    row = replace(_row(), cold=raw)
    assert base_of(row) == base
    assert decode_pointer(raw, key=KEY) == pointer


def test_what_a_row_holds_is_as_it_was_released():
    """Rows of an earlier version have to be read for ever: `cold-base.bin` was written by one."""
    pointer = Pointer(NAME.format(1), "seg", 64, 1000, 3)
    waits = Waiting(CHANGE, sets.encode_delta(sets.add(["x"])), 7, 11, True)
    base = Base(pointer, at_ms(BEGIN_MS), 7, bytes(range(16)), (waits, Waiting(4, b"state")))
    golden = (Path(__file__).parent / "golden" / "cold-base.bin").read_bytes()
    assert encode_base(base) == golden
    assert base_of(replace(_row(), cold=golden)) == base


@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("bad", [None, -1, [[1]], [[3, 1, 1, True, b"x"]], [[2, 1, 1, 1, b"x"]]])
def test_what_was_never_written_is_corruption(at, bad):
    golden = (Path(__file__).parent / "golden" / "cold-base.bin").read_bytes()
    fields = unpack(golden)
    fields[at] = bad
    with pytest.raises(CorruptionError):
        base_of(replace(_row(), cold=pack(fields)))


def _row():
    from tierstore.region.rows import Row

    return Row(KEY, Record(9, 9, ELSEWHERE, type=SET, generation=1))
