"""The hybrid clock: it never goes back and never repeats, whatever the wall clock does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.stamp import COUNTER_BITS, HybridClock, at_ms, physical_ms

DRIFT_MS = 60_000
START_MS = 1_700_000_000_000


class Wall:
    """A wall clock that is set at will."""

    def __init__(self):
        self.ms = START_MS

    def __call__(self):
        return self.ms * 1_000_000


steps = st.lists(
    st.one_of(
        st.just(("tick", 0)),
        st.tuples(st.just("jump"), st.integers(-100_000, 100_000)),
        st.tuples(st.just("merge"), st.integers(-100_000, 200_000)),
        st.just(("restart", 0)),
    ),
    max_size=40,
)


@given(steps)
def test_stamps_grow_over_jumps_merges_and_restarts(steps):
    wall = Wall()
    clock = HybridClock(wall, DRIFT_MS)
    seen = [0]
    for step, number in steps:
        if step == "jump":
            wall.ms += number
        elif step == "merge":
            stamp = at_ms(wall.ms + number) + 5
            if clock.merge(stamp):
                seen.append(max(seen[-1], stamp))
        elif step == "restart":
            persisted = clock.last
            clock = HybridClock(wall, DRIFT_MS)
            clock.restore(persisted)
        else:
            issued = clock.tick()
            assert issued > seen[-1]
            assert physical_ms(issued) >= wall.ms
            seen.append(issued)


@given(st.integers(-100_000, 200_000))
def test_received_stamps_count_unless_they_are_too_far_ahead(ahead_ms):
    wall = Wall()
    clock = HybridClock(wall, DRIFT_MS)
    before = clock.tick()
    received = at_ms(START_MS + ahead_ms) + 9
    is_taken = clock.merge(received)
    assert is_taken == (ahead_ms <= DRIFT_MS)
    after = clock.tick()
    assert after > before
    assert (after > received) == is_taken
    if not is_taken:
        assert after == before + 1


def test_a_stamp_far_ahead_binds_if_it_was_our_own():
    clock = HybridClock(Wall(), DRIFT_MS)
    own = at_ms(START_MS + 10 * DRIFT_MS)
    clock.restore(own)
    assert clock.tick() == own + 1
    clock.restore(own - 5)
    assert clock.tick() == own + 2


def test_the_counter_carries_into_the_milliseconds():
    wall = Wall()
    clock = HybridClock(wall, DRIFT_MS, last=at_ms(START_MS) + (1 << COUNTER_BITS) - 1)
    assert clock.tick() == at_ms(START_MS + 1)


def test_without_a_jump_the_stamp_is_the_wall_clock():
    wall = Wall()
    clock = HybridClock(wall, DRIFT_MS)
    assert clock.tick() == at_ms(START_MS)
    assert clock.tick() == at_ms(START_MS) + 1
    wall.ms += 1
    assert clock.tick() == at_ms(START_MS + 1)
    assert physical_ms(at_ms(5)) == 5
