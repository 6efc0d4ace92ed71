"""Counters, sets and documents whose changes wait at an edge that workers share."""

from __future__ import annotations

import pytest

from tierstore.crdt.types import type_of
from tierstore.errors import (
    CorruptionError,
    OutcomeUnknownError,
    TypeMismatchError,
    UnavailableError,
)
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.record import COUNTER
from tierstore.region.apply import Limits
from tierstore.region.shared import tag_of
from tierstore.replica.shared.composing import gather
from tierstore.testing import FaultPlan, FaultyRegion, ManualRuntime, MemoryRegion, MemoryShared
from tierstore.testing.faulty_shared import FaultyShared
from tierstore.testing.plan import Crash

HORIZON_S = 86_400
POLICY = {
    "version": 1,
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "m/*", "type": "counter", "durability": "memory"},
        {"match": "s/*", "type": "set"},
        {"match": "d/*", "type": "document"},
        {"match": "t/*", "type": "counter", "ttl": "5s"},
        {"match": "reg/*", "type": "counter", "durability": "regional"},
    ],
    "replication": {"flush": "1h", "pull": "1h", "horizon": f"{HORIZON_S}s"},
}


class World:
    """One region, one edge, and workers that drain only when they are told to."""

    def __init__(self):
        self.runtime = ManualRuntime(seed=2)
        self.region = MemoryRegion(self.runtime, Limits(horizon_ms=HORIZON_S * 1000))
        self.edge = MemoryShared(self.runtime)
        self.plan = FaultPlan()
        self.made = []

    def worker(self):
        region = FaultyRegion(self.region, self.plan)
        self.made.append(wire(load(POLICY), self.runtime, region=region, edge=self.edge))
        return self.made[-1]

    def queued(self, key):
        lives = self.edge.lives[tag_of(key)]
        return [d for life in lives for d in life.queue.values() if d.key == key]

    def total(self, key):
        counter = type_of(COUNTER)
        return counter.value(counter.decode(self.region.rows[key].record.payload))


@pytest.fixture
def world():
    made = World()
    yield made
    made.plan.is_region_down = False
    for store in made.made:
        store.close()


def test_blind_changes_need_neither_copy_nor_region(world):
    a, b = world.worker(), world.worker()
    world.plan.is_region_down = True
    for store in (a, b):
        for key in ("n/1", "m/1"):
            store.counter(key).add(2)
        store.members("s/1").add("x")
    with pytest.raises(UnavailableError):
        a.counter("n/1").get()
    world.plan.is_region_down = False
    world.runtime.advance(10)
    assert [a.counter(key).get() for key in ("n/1", "m/1")] == [4, 4]
    assert b.members("s/1").all() == {"x"}


def test_what_shows_at_the_edge_shows_while_the_region_is_away(world):
    a, b = world.worker(), world.worker()
    a.counter("n/1").add(1)
    a.flush()
    assert b.counter("n/1").get() == 1
    world.plan.is_region_down = True
    a.counter("n/1").add(5)
    assert (a.counter("n/1").get(), b.counter("n/1").get()) == (6, 6)


def test_a_flush_composes_what_waits_for_a_key(world):
    a, b = world.worker(), world.worker()
    for store in (a, b, a, b):
        store.counter("n/1").add(3)
    assert len(world.queued("n/1")) == 4
    a.flush()
    assert (world.queued("n/1"), world.total("n/1")) == ([], 12)


def test_an_edit_builds_on_what_another_worker_queued(world):
    a, b = world.worker(), world.worker()
    with a.document("d/1").edit() as doc:
        doc["list"] = ["a"]
    with b.document("d/1").edit() as doc:
        doc["list"].append("b")
    with a.document("d/1").edit() as doc:
        doc["list"].append("c")
    assert b.document("d/1").json() == {"list": ["a", "b", "c"]}
    b.flush()
    assert a.document("d/1").json() == {"list": ["a", "b", "c"]}


def test_an_edit_of_what_the_server_lost_is_kept_aside_not_shown(world):
    a = world.worker()
    with a.document("d/1").edit() as doc:
        doc["text"] = {"a": 1}
    real, write = world.edge.write, world.edge.write

    def lose_first(*arguments):
        world.edge.write = real
        world.edge.restart(losing=1)
        return write(*arguments)

    draft = a.document("d/1").edit()
    doc = draft.__enter__()
    doc["text"]["b"] = 2
    world.edge.write = lose_first
    draft.__exit__(None, None, None)
    a.flush()
    assert a.document("d/1").json() == {}
    assert [one.key for one in world.region.aside(10, 1.0)] == ["d/1"]


def test_a_deletion_and_what_came_after_it_are_one_life(world):
    a, b = world.worker(), world.worker()
    a.counter("n/1").add(5)
    a.flush()
    b.delete("n/1")
    assert (a.counter("n/1").get(), a.exists("n/1")) == (0, False)
    a.counter("n/1").add(2)
    assert b.counter("n/1").get() == 2
    b.flush()
    assert (a.counter("n/1").get(), world.total("n/1")) == (2, 2)


def test_two_lives_that_wait_are_told_as_two_batches(world):
    a = world.worker()
    a.counter("t/1").add(5)
    world.runtime.advance(6)
    a.counter("t/1").add(2)
    assert a.counter("t/1").get() == 2
    a.flush()
    assert a.counter("t/1").get() == 2


def test_a_touch_moves_the_lifetime_for_all_workers(world):
    a, b = world.worker(), world.worker()
    a.counter("t/1").add(5)
    assert b.touch("t/1", 60)
    world.runtime.advance(20)
    assert a.counter("t/1").get() == 5
    a.flush()
    assert b.counter("t/1").get() == 5


def test_what_is_deleted_or_absent_is_not_scanned(world):
    a, b = world.worker(), world.worker()
    a.counter("n/1").add(1)
    a.members("s/1").add("x")
    a.flush()
    b.delete("n/1")
    b.counter("n/2").add(4)
    assert [(e.key, e.value) for e in a.scan()] == [("n/2", 4), ("s/1", ["x"])]
    assert [e.key for e in a.scan(values=False)] == ["n/2", "s/1"]


def test_regional_changes_are_in_the_region_when_they_are_acknowledged(world):
    a, b = world.worker(), world.worker()
    a.counter("reg/1").add(3)
    assert (world.total("reg/1"), b.counter("reg/1").get()) == (3, 3)
    assert world.queued("reg/1") == []


def test_the_type_of_a_key_stays(world):
    a = world.worker()
    a.counter("n/1").add(1)
    with pytest.raises(TypeMismatchError):
        a.put("n/1", 2)


def test_what_waits_under_a_retired_identity_is_sent_once(world):
    """By the worker that sent it and could not forget it, and by another, which cannot know."""
    a, b = world.worker(), world.worker()
    a.counter("n/1").add(1)
    a.flush()
    a.counter("n/1").add(10)
    a.counter("n/1").add(100)
    (life,) = world.edge.lives[tag_of("n/1")]
    world.region.retire(life.replica, 1.0)
    settle = world.edge.settle

    def fail(*arguments):
        raise UnavailableError("made to fail")

    world.edge.settle = fail
    with pytest.raises(UnavailableError):
        a.flush()
    assert world.total("n/1") == 11
    world.edge.settle = settle
    b._core.replica.drainer.drain(tag_of("n/1"), b._core.deadline(None))
    assert (world.total("n/1"), b.counter("n/1").get()) == (111, 111)
    b.counter("n/1").add(1000)
    a.flush()
    assert world.total("n/1") == 1111


def test_what_is_older_than_the_horizon_is_listed_not_merged(world):
    a = world.worker()
    a.counter("n/1").add(1)
    a.flush()
    a.counter("n/1").add(10)
    (life,) = world.edge.lives[tag_of("n/1")]
    world.runtime.drop(a._core.replica._driver)
    a._core.replica.state.closed = True
    world.made.remove(a)
    world.runtime.advance(2 * HORIZON_S)
    world.region.retire(life.replica, 1.0)
    b = world.worker()
    b.flush()
    assert world.total("n/1") == 1
    (aside,) = world.region.aside(10, 1.0)
    assert (aside.key, world.queued("n/1")) == ("n/1", [])


def test_entries_that_do_not_compose_end_a_batch(world):
    a = world.worker()
    for n in (1, 2, 3):
        a.counter("n/1").add(n)
    life = world.edge.lives[tag_of("n/1")][-1]
    entries = world.edge.queue(tag_of("n/1"), life.replica, 10, 1.0)
    deltas, taken = gather(entries, 7)
    assert (len(deltas), len(taken), deltas[0].record.replica) == (1, 3, 7)
    deltas, taken = gather(entries, 7, composes=False)
    assert (len(deltas), len(taken)) == (1, 1)


def test_a_damaged_entry_is_found_and_expelled(world):
    a = world.worker()
    a.counter("n/1").add(1)
    a.counter("n/1").add(10)
    life = world.edge.lives[tag_of("n/1")][-1]
    world.edge.unreadable.add((life.replica, 1))
    with pytest.raises(CorruptionError, match="tierstore queues"):
        a.flush()
    (finding,) = [f for f in a.check().findings if not f.ok]
    assert "tierstore queues --expel" in finding.detail
    shared, deadline = a._core.replica.shared, a._core.deadline(None)
    from tierstore.replica.shared import damage

    (found,) = damage.damaged(shared, deadline)
    assert (found.queue, found.number, found.raw, found.behind) == (tag_of("n/1"), 1, b"?", 1)
    assert damage.expel(shared, found, deadline)
    assert not damage.expel(shared, found, deadline)
    a.flush()
    assert (world.total("n/1"), a.check().ok) == (10, True)


def test_what_was_added_in_one_life_can_be_discarded_in_the_next(world):
    """Though nobody knows the dot of the add yet, and another worker made it."""
    a, b = world.worker(), world.worker()
    a.members("s/1").add("x", "y")
    world.edge.restart()
    b.members("s/1").discard("x")
    assert a.members("s/1").all() == {"y"}
    assert len(world.edge.lives[tag_of("s/1")]) == 2
    a.flush()
    assert (a.members("s/1").all(), b.members("s/1").all()) == ({"y"}, {"y"})


@pytest.mark.parametrize("kind", ["error", "lost", "crash", "crash after"])
def test_each_call_may_fail_or_be_the_last_one(kind):
    """Of a worker that writes, reads and flushes; another one goes on."""
    n, has_fired = 0, True
    while has_fired:
        n, world = n + 1, World()
        victim, heir = world.worker(), world.worker()
        link = victim._core.replica.shared.link
        link.made = FaultyShared(world.edge, world.plan)
        victim.counter("n/1").add(1)
        world.plan.arm(n, kind)
        acked = {1}
        try:
            victim.counter("n/1").add(4)
            acked.add(4)
            victim.members("s/1").add("x")
            victim.counter("n/1").get()
            victim.flush()
        except (UnavailableError, OutcomeUnknownError, Crash):
            pass
        has_fired = world.plan.fired is not None
        world.plan.arm(0, "error")
        world.runtime.drop(victim._core.replica._driver)
        victim._core.replica.state.closed = True
        world.runtime.advance(10)
        heir.flush()
        assert heir.counter("n/1").get() in {sum(acked), 5}, f"call {n}"
        assert world.total("n/1") == heir.counter("n/1").get()
        heir.close()
    assert n > 30
