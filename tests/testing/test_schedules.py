"""The explorer runs every schedule exactly once, sees what goes wrong in one, and repeats it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from itertools import groupby, permutations
from math import comb

import greenlet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tierstore.testing import (
    DivergedError,
    Fault,
    ScheduleError,
    World,
    explore,
    replay,
)

CALLS = [(1, 1), (1, 3), (2, 2), (3, 2), (3, 4)]


class Cells:
    """A tier of numbers that remembers what was done to it."""

    def __init__(self):
        self.values, self.done = {}, []

    def read(self, name):
        self.done.append(("read", name))
        return self.values.get(name, 0)

    def put(self, name, value):
        self.done.append(("put", name, value))
        self.values[name] = value

    def list(self):
        self.done.append(("list",))
        return sorted(self.values)


class Board(World):
    """A world of cells, with what its actors saw."""

    def __init__(self):
        super().__init__()
        self.inner = Cells()
        self.cells = self.wrap(self.inner, "cells")
        self.lock, self.other_lock = self.runtime.lock(), self.runtime.lock()
        self.locks = {name: self.runtime.lock() for name in "abc"}
        self.memory, self.memories = [], {name: [] for name in "abc"}
        self.event = self.runtime.event()
        self.seen = []


def nothing(world):
    pass


def increment(world):
    world.cells.put("n", world.cells.read("n") + 1)


def locked(world):
    with world.lock:
        increment(world)


def both_counted(world):
    assert world.inner.values["n"] == 2, f"n is {world.inner.values['n']}"


def writing(name, count):
    def act(world):
        for number in range(count):
            world.cells.put(name, number)

    return act


def apart(actors):
    return {name: name for name in actors}


def schedules_of(actors, **options):
    """Every order of the tier calls of `actors`, as often as it was run."""
    orders = []
    seen = explore(Board, actors, lambda world: orders.append(tuple(world.inner.done)), **options)
    assert seen.schedules == len(orders)
    return orders


# Counts


@pytest.mark.parametrize(("ours", "theirs"), CALLS)
def test_actors_apart_interleave_at_each_call(ours, theirs):
    actors = {"a": writing("a", ours), "b": writing("b", theirs)}
    orders = schedules_of(actors, processes=apart(actors))
    assert len(orders) == len(set(orders)) == comb(ours + theirs, ours)


@pytest.mark.parametrize(("ours", "theirs"), [(1, 1), (1, 2), (2, 2)])
def test_actors_of_one_process_interleave_before_and_after_each_call(ours, theirs):
    actors = {"a": writing("a", ours), "b": writing("b", theirs)}
    turns = (2 * ours + 1, 2 * theirs + 1)
    assert explore(Board, actors, nothing).schedules == comb(sum(turns), turns[0])


def test_three_actors_interleave():
    actors = {name: writing(name, 2) for name in "abc"}
    assert len(set(schedules_of(actors, processes=apart(actors)))) == 90  # 6! / 2!^3


@pytest.mark.parametrize("bound", range(5))
@pytest.mark.parametrize(("ours", "theirs"), CALLS)
def test_a_bound_counts_switches_from_who_could_go_on(ours, theirs, bound):
    actors = {"a": writing("a", ours), "b": writing("b", theirs)}
    expected = [
        order
        for order in set(permutations("a" * ours + "b" * theirs))
        if preemptions(order) <= bound
    ]
    seen = explore(Board, actors, nothing, preemptions_max=bound, processes=apart(actors))
    assert seen.schedules == len(expected)
    assert seen.is_complete


def preemptions(order):
    """Switches in `order` away from somebody who comes again."""
    runs = [name for name, _ in groupby(order)]
    return sum(name in runs[index + 1 :] for index, name in enumerate(runs))


def test_no_preemption_leaves_the_orders_of_whole_actors():
    actors = {name: writing(name, 2) for name in "abc"}
    assert explore(Board, actors, nothing, preemptions_max=0).schedules == 6


def test_an_exploration_ends_at_its_limit():
    actors = {"a": writing("a", 2), "b": writing("b", 2)}
    seen = explore(Board, actors, nothing, schedules_max=10)
    assert (seen.schedules, seen.is_complete) == (10, False)
    exact = explore(Board, actors, nothing, schedules_max=6, processes=apart(actors))
    assert (exact.schedules, exact.is_complete) == (6, True)


# Reduction

steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("xy"), st.sampled_from("xy")),
    st.tuples(st.just("read"), st.sampled_from("xy")),
    st.tuples(st.just("list")),
    st.tuples(st.just("sleep")),
    st.tuples(st.just("lock")),
    st.tuples(st.just("share")),
)


def program(name, script, *, is_apart=False):
    """An actor that does `script` and notes every state that it saw."""

    def act(world):
        seen = []
        lock = world.locks[name] if is_apart else world.lock
        memory = world.memories[name] if is_apart else world.memory
        for step, *cells in script:
            if step == "add":
                world.cells.put(cells[0], (name, world.cells.read(cells[1])))
            elif step == "read":
                seen.append(world.cells.read(cells[0]))
            elif step == "list":
                seen.append(tuple(world.cells.list()))
            elif step == "sleep":
                world.runtime.sleep(1)
                seen.append(world.runtime.monotonic())
            elif step == "share":
                memory.append(name)
                seen.append((world.cells.read("x"), *memory))
            else:
                with lock:
                    world.cells.put("z", (name, len(seen)))
        world.seen.append((name, tuple(seen)))

    return act


def results(actors, **options):
    found = []
    seen = explore(
        Board,
        actors,
        lambda world: found.append(repr((sorted(world.inner.values.items()), sorted(world.seen)))),
        **options,
    )
    return set(found), seen.schedules


crash = st.builds(Fault, st.integers(1, 3), st.sampled_from(["crash", "crash after"]))


@example([("share",)], [("share",)], False, {})
@example([("lock",)], [("lock",)], False, {})
@example([("sleep",)], [("sleep",)], True, {})
@example([("add", "x", "x")], [("add", "y", "y")], False, {"a": Fault(1, "crash")})
@settings(max_examples=40)
@given(
    st.lists(steps, max_size=2),
    st.lists(steps, max_size=2),
    st.booleans(),
    st.dictionaries(st.just("a"), crash),
)
def test_reduction_loses_no_result(ours, theirs, are_apart, faults):
    actors = {
        name: program(name, script, is_apart=are_apart)
        for name, script in (("a", ours), ("b", theirs))
    }
    processes = apart(actors) if are_apart else {}
    every, schedules = results(actors, processes=processes, faults=faults)
    reduced, fewer = results(actors, processes=processes, faults=faults, reduce=True)
    assert reduced == every
    assert fewer <= schedules


@settings(max_examples=30)
@given(st.lists(st.lists(steps, max_size=2), min_size=3, max_size=3))
def test_reduction_loses_no_result_of_three(scripts):
    actors = {
        name: program(name, script, is_apart=True)
        for name, script in zip("abc", scripts, strict=True)
    }
    every, schedules = results(actors, processes=apart(actors), schedules_max=500)
    if schedules < 500:
        assert results(actors, processes=apart(actors), reduce=True)[0] == every


def test_independent_actors_need_one_schedule():
    actors = {"a": writing("a", 6), "b": writing("b", 6)}
    seen = explore(Board, actors, nothing, processes=apart(actors), reduce=True)
    assert seen.schedules == 1


def test_reduction_needs_every_schedule():
    with pytest.raises(ValueError, match="preemptions_max"):
        explore(Board, {}, nothing, preemptions_max=1, reduce=True)


# Failures


def test_a_lost_update_is_found_and_told():
    actors = {"ann": increment, "bob": increment}
    with pytest.raises(ScheduleError, match="n is 1") as caught:
        explore(Board, actors, both_counted)
    told = [line.split(maxsplit=2)[1:] for line in caught.value.story.splitlines()]
    assert [name for name, what in told if "read" in what][:2] == ["ann", "bob"]
    assert repr(caught.value.schedule) in str(caught.value)


def test_a_lock_prevents_it():
    actors = {"ann": locked, "bob": locked}
    seen = explore(Board, actors, both_counted)
    assert seen.schedules > 2
    assert seen.is_complete


def test_a_replay_repeats_exactly():
    actors = {"ann": increment, "bob": increment}
    with pytest.raises(ScheduleError) as found:
        explore(Board, actors, both_counted)
    with pytest.raises(ScheduleError) as repeated:
        replay(Board, actors, both_counted, found.value.schedule)
    assert repeated.value.story == found.value.story
    assert repeated.value.schedule == found.value.schedule


def test_a_replay_of_a_good_schedule_tells_it():
    story = replay(Board, {"ann": increment, "bob": increment}, both_counted, ("ann",))
    assert [line.split()[1] for line in story.splitlines()] == ["ann"] * 2 + ["bob"] * 2


def test_a_story_says_who_has_not_heard_yet():
    actors = {"ann": writing("a", 1), "bob": writing("b", 1)}
    story = replay(Board, actors, nothing, ("ann", "ann", "bob", "bob", "bob", "ann"))
    assert [line[6:] for line in story.splitlines()] == [
        "ann  cells.put('a', 0) → None  (has not heard of it yet)",
        "bob  cells.put('b', 0) → None",
        "ann  hears cells.put",
    ]


def test_a_foreign_schedule_is_refused():
    with pytest.raises(ScheduleError, match="'eve' cannot run now"):
        replay(Board, {"ann": increment}, nothing, ("eve",))


def test_an_actor_that_raises_fails_the_schedule():
    def act(world):
        if world.cells.read("n"):
            raise KeyError("unexpected")

    with pytest.raises(ScheduleError, match="KeyError: 'unexpected'") as caught:
        explore(Board, {"a": act, "b": increment}, nothing)
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_is_not_deterministic_is_refused():
    rounds = []

    def act(world):
        rounds.append(1)
        writing("a", 1 + len(rounds) % 2)(world)

    with pytest.raises(DivergedError, match="not deterministic"):
        explore(Board, {"a": act, "b": writing("b", 1)}, nothing)


def test_a_failure_that_does_not_repeat_is_refused():
    rounds = []
    with pytest.raises(DivergedError, match="not when"):
        explore(Board, {"a": increment}, lambda _: rounds.append(1) or both_counted_in(rounds))


def both_counted_in(rounds):
    assert len(rounds) != 1


# Waiting


def test_a_deadlock_is_told():
    def ab(world):
        with world.lock:
            world.cells.read("a")
            with world.other_lock:
                pass

    def ba(world):
        with world.other_lock:
            world.cells.read("b")
            with world.lock:
                pass

    with pytest.raises(ScheduleError, match=r"deadlock: ab waits .* ba holds, ba waits") as caught:
        explore(Board, {"ab": ab, "ba": ba}, nothing)
    assert "waits for a lock that ab holds" in caught.value.story


def test_who_takes_a_lock_twice_waits_for_itself():
    with pytest.raises(ScheduleError, match="deadlock: a waits for a lock that a holds"):
        explore(Board, {"a": lambda world: world.lock.acquire() and world.lock.acquire()}, nothing)


def test_a_lock_is_not_waited_for_beyond_its_timeout():
    def holds(world):
        with world.lock:
            world.event.wait()

    def tries(world):
        took = world.lock.acquire(True, 5)
        world.seen += [took, world.runtime.monotonic()]
        if took:
            world.lock.release()
        world.event.set()

    outcomes = set()
    explore(Board, {"h": holds, "t": tries}, lambda world: outcomes.add(tuple(world.seen)))
    assert outcomes == {(False, 5.0), (True, 0.0)}


def test_who_does_not_wait_for_a_lock_hears_so():
    def tries(world):
        with world.lock:
            world.seen += [world.lock.acquire(False), world.lock.acquire(True, 0)]

    explore(Board, {"t": tries}, lambda world: seen.extend(world.seen))
    assert seen == [False, False]


seen: list[bool] = []


def test_whoever_waits_gets_what_is_let_go():
    def act(world):
        with world.lock:
            world.cells.read("n")
        world.seen.append(world.runtime.thread_id())

    def check(world):
        assert sorted(world.seen) == [2, 3, 4]
        assert world.runtime.monotonic() == 0
        orders.add(tuple(world.seen))

    orders = set()
    explore(Board, dict.fromkeys("abc", act), check)
    assert len(orders) == 6


def test_an_event_is_waited_for_and_time_passes_only_if_nobody_runs():
    def waits(world):
        world.seen.append(world.event.wait(3))

    def sets(world):
        world.cells.read("n")
        world.event.set()

    def check(world):
        assert (world.seen, world.runtime.monotonic()) == ([True], 0)

    explore(Board, {"w": waits, "s": sets}, check)
    explore(Board, {"w": waits}, lambda world: times.append(world.runtime.monotonic()))
    assert times == [3]


times: list[float] = []


def test_sleep_lets_others_run_and_time_pass():
    def sleeps(world):
        world.runtime.sleep(2)

    def reads(world):
        world.seen.append(world.runtime.monotonic())

    moments = set()
    explore(Board, {"s": sleeps, "r": reads}, lambda world: moments.add(world.seen[0]))
    assert moments == {0, 2}


# Crashes


def test_a_crashed_actor_touches_no_tier_again():
    def tidy(world):
        try:
            world.cells.put("a", 1)
            world.cells.put("b", 1)
        finally:
            world.cells.put("tidied", 1)

    def check(world):
        assert "tidied" not in world.inner.values
        left.add(tuple(world.inner.values))

    left = set()
    for kind, at in (("crash", ()), ("crash after", ("a",))):
        left.clear()
        explore(Board, {"t": tidy}, check, faults={"t": Fault(1, kind)})
        assert left == {at}


def test_a_crash_ends_all_actors_of_its_process():
    actors = {name: writing(name, 3) for name in "abc"}
    shares = set()

    def check(world):
        nothing_lost_of_c(world)
        shares.add(world.inner.values.get("b"))

    seen = explore(
        Board,
        actors,
        check,
        preemptions_max=2,
        processes={"a": "one", "b": "one", "c": "other"},
        faults={"a": Fault(2, "crash")},
    )
    assert seen.is_complete
    assert shares == {None, 0, 1, 2}


def nothing_lost_of_c(world):
    assert world.inner.values["c"] == 2
    assert world.inner.values.get("a", 0) == 0


def test_processes_share_no_lock():
    with pytest.raises(ScheduleError, match="share memory"):
        explore(Board, {"a": locked, "b": locked}, nothing, processes={"a": "a"})


def test_an_actor_can_end_another():
    def kills(world):
        world.cells.read("n")
        world.crash("victim")

    def check(world):
        counts.add(world.inner.done.count(("put", "v", 0)) + world.inner.values.get("v", 0))

    counts = set()
    actors = {"victim": writing("v", 3), "killer": kills}
    explore(Board, actors, check, processes=apart(actors))
    assert counts == {0, 1, 2, 3}


# Determinism and leaks

PROGRAM = """\
from tierstore.testing import MemoryRegion, ScheduleError, World, explore, memory_store

class Two(World):
    def __init__(self):
        super().__init__()
        region = self.wrap(MemoryRegion(self.runtime), "region")
        self.stores = [memory_store(region=region, runtime=self.runtime) for _ in range(2)]

    def close(self):
        for store in self.stores:
            store.close()

def act(number):
    def write(world):
        world.stores[number].put(f"{number}", {"a set": sorted({"x", "y"})})
        world.stores[number].flush()
    return write

def check(world):
    stories.append(world.explorer.current is None)
    assert len(stories) < 100, list(world.stores[0].scan(""))

stories = []
try:
    explore(Two, {"ann": act(0), "bob": act(1)}, check)
except ScheduleError as error:
    print(error)
"""


def test_the_same_schedules_and_story_under_every_hash_seed():
    told = set()
    for seed in ("0", "1", "4711"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told.add(done.stdout)
    assert len(told) == 1
    assert "(schedule 100; to repeat it" in told.pop()


def test_chance_does_not_depend_on_the_schedule():
    def draws(world):
        world.cells.read("n")
        world.seen.append((world.explorer.current.name, world.runtime.random_bytes(8)))

    drawn = set()
    explore(Board, {"a": draws, "b": draws}, lambda world: drawn.add(tuple(sorted(world.seen))))
    assert len(drawn) == 1
    (pair,) = drawn
    assert len({chance for _, chance in pair}) == 2


def living_greenlets():
    gc.collect()
    return sum(isinstance(obj, greenlet.greenlet) for obj in gc.get_objects())


def test_no_greenlet_is_left():
    before = living_greenlets()
    explore(Board, {"a": increment, "b": increment}, nothing)
    with pytest.raises(ScheduleError):
        explore(Board, {"a": increment, "b": increment}, both_counted)
    with pytest.raises(ScheduleError):
        explore(Board, {"a": lambda world: world.event.wait(), "b": increment}, nothing)
    explore(Board, {"a": increment}, nothing, faults={"a": Fault(1, "crash")})
    assert living_greenlets() <= before


def test_without_greenlet_the_install_line_is_said(tmp_path):
    (tmp_path / "greenlet.py").write_text("raise ImportError('no greenlet')")
    code = (
        "from tierstore.testing import World, explore\n"
        "try:\n    explore(World, {'a': print}, print)\n"
        "except ImportError as error:\n    print(error)\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "pip install 'tierstore[testing]'" in done.stdout, done.stderr
