"""The model of a region at READ COMMITTED shows what it is there for."""

from __future__ import annotations

import pytest

from tierstore.record import Record
from tierstore.region.apply import Limits
from tierstore.region.batch import PUT, Delta, freeze
from tierstore.runtime.chance import Chance
from tierstore.stamp import at_ms
from tierstore.testing.simulation.read_committed import Pace, ReadCommittedRegion
from tierstore.testing.simulation.runtime import START_NS, Clock, SimulatedRuntime
from tierstore.testing.simulation.scheduler import NS_PER_S, Process, Scheduler

READER = 99
TIMEOUT_S = 5.0
BATCHES = 6
PACES_MS = (0, 20)
"""Statements that only let others run first, or not, and statements that take their time."""
PLAY_NS_MAX = 60 * NS_PER_S
STAMP = at_ms(START_NS // 1_000_000)


class NaiveRegion(ReadCommittedRegion):
    """A feed that shows each batch as soon as it is committed, as `max(position)` would."""

    def _end(self, drawn):
        super()._end(drawn)
        self._position = max((row.position for row in self.rows.values()), default=0)


def write(region, replica, keys):
    """Bring batches of one replica to the region, one after the other."""
    region.register(replica, TIMEOUT_S)
    digest = b""
    for number in range(1, BATCHES + 1):
        deltas = [
            Delta(key, PUT, Record(STAMP + number, replica, b"\x01", None, 0)) for key in keys
        ]
        batch = freeze(replica, number, digest, deltas, [])
        digest = batch.digest
        assert region.apply(batch, TIMEOUT_S).verdict == "applied"


def follow(region, scheduler, pace, seen):
    """Follow the feed for ever: the highest position seen of each key."""
    region.register(READER, TIMEOUT_S)
    cursor = 0
    while True:
        page = region.changes(cursor, 1000, READER, TIMEOUT_S)
        for change in page.changes:
            assert change.position > cursor
            seen[change.key] = change.position
        cursor = page.cursor
        scheduler.sleep(pace.draw_ns())


def missed(kind, seed):
    """Keys whose last change never showed to who followed the feed."""
    scheduler = Scheduler(Chance(seed, "turns"))
    process, clock = Process("p"), Clock(scheduler)
    runtime = SimulatedRuntime(scheduler, process, clock, Chance(seed), None, [])
    pace = Pace(Chance(seed, "pace"), most_ms=PACES_MS[seed % len(PACES_MS)])
    region, seen = kind(runtime, scheduler, Limits(), pace), {}
    writers = [
        scheduler.spawn(process, "a", lambda: write(region, 1, ["k1", "k2", "k3"])),
        scheduler.spawn(process, "b", lambda: write(region, 2, ["k4"])),
        scheduler.spawn(process, "c", lambda: write(region, 3, ["k3", "k5"])),
    ]
    scheduler.spawn(process, "reader", lambda: follow(region, scheduler, pace, seen))
    assert scheduler.run(PLAY_NS_MAX, lambda: all(task.is_over for task in writers))
    end = scheduler.turns + 50
    scheduler.run(2 * PLAY_NS_MAX, lambda: scheduler.turns > end)
    return {key for key, row in region.rows.items() if seen.get(key) != row.position}


def test_the_feed_never_shows_a_row_behind_a_cursor():
    assert [missed(ReadCommittedRegion, seed) for seed in range(40)] == [set()] * 40


@pytest.mark.parametrize("first", range(len(PACES_MS)))
def test_a_feed_by_order_of_commit_misses_rows(first):
    assert any(missed(NaiveRegion, seed) for seed in range(first, 40, len(PACES_MS)))


@pytest.mark.parametrize("kind", [ReadCommittedRegion, NaiveRegion])
def test_a_course_of_events_is_a_function_of_its_seed(kind):
    assert [missed(kind, seed) for seed in range(10)] == [missed(kind, seed) for seed in range(10)]
