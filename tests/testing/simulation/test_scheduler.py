"""Tasks take turns in virtual time, and a process that ends runs nothing any more."""

from __future__ import annotations

import pytest

from tierstore.runtime.chance import Chance
from tierstore.testing.plan import Crash
from tierstore.testing.simulation.runtime import (
    Clock,
    SimulatedEvent,
    SimulatedLock,
    SimulatedRuntime,
)
from tierstore.testing.simulation.scheduler import NS_PER_S, Process, Scheduler, StuckError

HOUR_NS = 3600 * NS_PER_S


def order_of(seed):
    """In which order three tasks that are due at once get their turns."""
    scheduler, told = Scheduler(Chance(seed, "turns")), []
    for name in "abc":
        scheduler.spawn(Process(name), name, lambda name=name: told.append(name))
    scheduler.run(HOUR_NS)
    return "".join(told)


def test_who_is_due_first_runs_first_and_time_is_theirs(scheduler, process):
    told = []
    for delay_s in (3, 1, 2):
        scheduler.spawn(
            process,
            f"{delay_s}",
            lambda: told.append(scheduler.now_ns // NS_PER_S),
            delay_s * NS_PER_S,
        )
    assert not scheduler.run(HOUR_NS)
    assert told == [1, 2, 3]
    assert scheduler.now_ns == HOUR_NS


def test_the_seed_decides_between_those_who_are_due_at_once():
    orders = {seed: order_of(seed) for seed in range(20)}
    assert len(set(orders.values())) > 3
    assert orders == {seed: order_of(seed) for seed in range(20)}


def test_running_ends_when_what_was_waited_for_is_done(scheduler, process):
    told = []

    def count():
        while True:
            told.append(1)
            scheduler.sleep(NS_PER_S)

    scheduler.spawn(process, "counter", count)
    assert scheduler.run(HOUR_NS, lambda: len(told) == 5)
    assert scheduler.now_ns == 4 * NS_PER_S


def test_what_a_task_raises_reaches_the_program(scheduler, process):
    scheduler.spawn(process, "divider", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scheduler.run(HOUR_NS)


def test_a_paused_process_goes_on_afterwards(scheduler, process):
    told = []
    process.paused_until_ns = 5 * NS_PER_S
    scheduler.spawn(process, "sleeper", lambda: told.append(scheduler.now_ns))
    scheduler.run(HOUR_NS)
    assert told == [5 * NS_PER_S]


def test_an_ended_process_runs_nothing_more_and_its_finally_blocks_run_once(scheduler, process):
    told = []

    def work():
        try:
            scheduler.sleep(NS_PER_S)
            told.append("went on")
        finally:
            told.append("unwound")

    scheduler.spawn(process, "worker", work)
    scheduler.spawn(Process("killer"), "killer", lambda: scheduler.end(process), NS_PER_S // 2)
    scheduler.run(HOUR_NS)
    assert told == ["unwound"]
    assert not process.tasks


def test_a_task_that_ends_its_own_process_stops_there(scheduler, process):
    told = []

    def work():
        scheduler.end(process)
        told.append("went on")

    scheduler.spawn(process, "worker", work)
    scheduler.run(HOUR_NS)
    assert told == []


def test_a_crash_of_a_process_that_lives_is_not_swallowed(scheduler, process):
    def work():
        raise Crash("x")

    scheduler.spawn(process, "worker", work)
    with pytest.raises(Crash):
        scheduler.run(HOUR_NS)


def test_a_lock_is_held_by_one_and_passed_to_who_waited_longest(scheduler, process):
    lock, told = SimulatedLock(scheduler), []

    def hold(name):
        with lock:
            told.append(f"{name} in")
            scheduler.sleep(NS_PER_S)
            told.append(f"{name} out")

    for at, name in enumerate("abc"):
        scheduler.spawn(process, name, lambda name=name: hold(name), at)
    scheduler.run(HOUR_NS)
    assert told == ["a in", "a out", "b in", "b out", "c in", "c out"]
    assert not lock.locked()


def test_waiting_for_a_lock_ends_at_its_timeout(scheduler, process):
    lock, told = SimulatedLock(scheduler), []
    assert lock.acquire()

    def wait():
        told.append((lock.acquire(True, 2.0), scheduler.now_ns))
        told.append((lock.acquire(False), scheduler.now_ns))

    scheduler.spawn(process, "waiter", wait)
    scheduler.run(HOUR_NS)
    assert told == [(False, 2 * NS_PER_S)] * 2


def test_who_is_alone_is_told_instead_of_waiting_for_ever(scheduler):
    lock = SimulatedLock(scheduler)
    lock.acquire()
    with pytest.raises(StuckError):
        lock.acquire()
    with pytest.raises(StuckError):
        SimulatedEvent(scheduler).wait()


def test_releasing_what_nobody_holds_is_an_error(scheduler):
    with pytest.raises(RuntimeError, match="unlocked"):
        SimulatedLock(scheduler).release()


def test_an_event_lets_all_go_on_who_wait_for_it(scheduler, process):
    event, told = SimulatedEvent(scheduler), []
    for name in "ab":
        scheduler.spawn(
            process, name, lambda name=name: told.append((name, event.wait(), scheduler.now_ns))
        )
    scheduler.spawn(process, "late", lambda: told.append(("late", event.wait(1.0))))
    scheduler.spawn(process, "setter", event.set, 3 * NS_PER_S)
    scheduler.run(HOUR_NS)
    assert ("late", False) in told
    assert {("a", True, 3 * NS_PER_S), ("b", True, 3 * NS_PER_S)} <= set(told)


def test_clocks_of_machines_differ_and_monotonic_time_does_not(scheduler, process):
    right, ahead = Clock(scheduler), Clock(scheduler)
    ahead.offset_ns = 7 * NS_PER_S
    one, other = (
        SimulatedRuntime(scheduler, process, clock, Chance(1), None, []) for clock in (right, ahead)
    )
    assert other.time_ns() - one.time_ns() == 7 * NS_PER_S
    assert one.monotonic() == other.monotonic() == 0


def test_a_watched_process_stands_still_at_the_call_that_was_chosen(scheduler, process):
    told = []

    def call():
        for number in range(5):
            scheduler.sleep(0)
            told.append(number)

    def watch():
        process.watcher, process.calls_left = scheduler.current, 3
        assert scheduler.wait(None)
        scheduler.end(process)

    scheduler.spawn(Process("nemesis"), "nemesis", watch)
    scheduler.run(0)
    scheduler.spawn(process, "caller", call)
    scheduler.run(HOUR_NS)
    assert told == [0, 1]  # it made a third call, and never came back from it


def test_a_lock_goes_on_if_who_should_have_it_ends_first(scheduler, process):
    lock, doomed, told = SimulatedLock(scheduler), Process("doomed"), []

    def hold():
        with lock:
            scheduler.sleep(NS_PER_S)
        scheduler.end(doomed)  # it was woken, and has had no turn yet

    def wait():
        with lock:
            told.append(scheduler.now_ns)

    scheduler.spawn(process, "holder", hold)
    scheduler.spawn(doomed, "first", wait, 1)
    scheduler.spawn(process, "second", wait, 2)
    scheduler.run(HOUR_NS)
    assert told == [NS_PER_S]


def test_a_lock_goes_on_if_another_takes_it_at_the_moment_of_giving_up():
    def told(seed):
        scheduler, process, told = Scheduler(Chance(seed, "turns")), Process("p"), []
        lock = SimulatedLock(scheduler)

        def hold():
            with lock:
                scheduler.sleep(NS_PER_S)

        def wait(name, timeout):
            if lock.acquire(timeout=timeout):
                scheduler.sleep(1)
                told.append(name)
                lock.release()

        scheduler.spawn(process, "holder", hold)
        scheduler.spawn(process, "first", lambda: wait("first", -1), 1)
        scheduler.spawn(process, "hasty", lambda: wait("hasty", 1 - 2e-9), 2)
        scheduler.run(HOUR_NS)
        return told

    assert all("first" in told(seed) for seed in range(20))
    assert any("hasty" in told(seed) for seed in range(20))


def test_a_paused_process_goes_on_at_once_when_it_is_resumed(scheduler, process):
    ran_ns = []
    process.paused_until_ns = 1000 * NS_PER_S
    scheduler.spawn(process, "a", lambda: ran_ns.append(scheduler.now_ns))
    assert not scheduler.run(5 * NS_PER_S, lambda: bool(ran_ns))
    scheduler.resume(process)
    assert scheduler.run(6 * NS_PER_S, lambda: bool(ran_ns))
    assert ran_ns == [5 * NS_PER_S]
