"""What the benchmarks share: the load, taking turns, ratios of one run.

Contestants take turns in short rounds, A B C A B C …, so that what else the machine does hurts all
of them alike. A ratio is the median of the ratios of the rounds, each of which compares neighbours
in time. Absolute times are printed for orientation only: they move with the machine.
"""

from __future__ import annotations

import gc
import os
import platform
import random
from collections.abc import Callable, Iterable
from itertools import accumulate
from statistics import median
from time import perf_counter_ns
from typing import NamedTuple

EXPONENT = 0.99


def machine() -> str:
    """The Python, the processors and the operating system, in one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {cores} cores,"
        f" {platform.system()} {platform.machine()}"
    )


def zipf_ranks(count: int, ranks: int, seed: int = 1, exponent: float = EXPONENT) -> list[int]:
    """`count` draws from `ranks` ranks whose popularity falls as rank to the -exponent."""
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(ranks)))
    return random.Random(seed).choices(range(ranks), cum_weights=weights, k=count)


def zipf_keys(count: int, keys: list[str], seed: int = 1) -> list[str]:
    """`count` draws from `keys`, the first of which is the most popular."""
    return [keys[rank] for rank in zipf_ranks(count, len(keys), seed)]


def values(count: int, size_bytes: int) -> list[bytes]:
    """Random values, each an object of its own."""
    return [os.urandom(size_bytes) for _ in range(count)]


class Contestant(NamedTuple):
    """One way to do `count` operations; `prepare` runs before each round and is not timed."""

    name: str
    run: Callable[[], object]
    count: int
    prepare: Callable[[], object] = lambda: None


class Goal(NamedTuple):
    """A bound on how much longer `ours` takes than `theirs`, or (`faster`) how much shorter."""

    ours: str
    theirs: str
    bound: float
    faster: bool = False


class Contest:
    """Contestants, and the nanoseconds per operation of each in every round."""

    def __init__(self, title: str, base: str) -> None:
        self.title = title
        self._base = base
        self._contestants: list[Contestant] = []
        self._missing: list[str] = []
        self._rounds: dict[str, list[float]] = {}

    def add(
        self,
        name: str,
        run: Callable[[], object],
        count: int,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        """Let `run`, which does `count` operations, take part."""
        self._contestants.append(Contestant(name, run, count, prepare))

    def skip(self, name: str) -> None:
        """Say that a peer is not installed."""
        self._missing.append(name)

    def run(self, rounds: int) -> None:
        """One round to warm up, then `rounds` that count.

        What exists now is left out of garbage collection: it would make everybody pay for the
        objects of all.
        """
        gc.collect()
        gc.freeze()
        for number in range(-1, rounds):
            for contestant in self._contestants:
                elapsed_ns = _timed_ns(contestant)
                if number >= 0:
                    times = self._rounds.setdefault(contestant.name, [])
                    times.append(elapsed_ns / contestant.count)

    def ratio(self, ours: str, theirs: str) -> float:
        """The median over the rounds of the time of `ours` divided by that of `theirs`."""
        pairs = zip(self._rounds[ours], self._rounds[theirs], strict=True)
        return median(own / other for own, other in pairs)

    def report(self, goals: Iterable[Goal] = ()) -> bool:
        """Print the table and the goals; whether all that could be judged are met."""
        unit, divisor = self._unit()
        rounds = len(next(iter(self._rounds.values())))
        print(f"\n{self.title} (median of {rounds} rounds)")
        print(f"  {'':<44}{unit:>10}   x {self._base}")
        for name, times in self._rounds.items():
            ratio = self.ratio(name, self._base)
            print(f"  {name:<44}{median(times) / divisor:>10.2f}   {ratio:.2f}")
        for name in self._missing:
            print(f"  {name:<44}   not installed, skipped")
        judged = [_judge(self, goal) for goal in goals if not self._lacks(goal)]
        return all(judged)

    def _lacks(self, goal: Goal) -> bool:
        return not {goal.ours, goal.theirs} <= self._rounds.keys()

    def _unit(self) -> tuple[str, int]:
        fastest = min(median(times) for times in self._rounds.values())
        return ("us/op", 1000) if fastest >= 1000 else ("ns/op", 1)


def _timed_ns(contestant: Contestant) -> int:
    contestant.prepare()
    start_ns = perf_counter_ns()
    contestant.run()
    return perf_counter_ns() - start_ns


def _judge(contest: Contest, goal: Goal) -> bool:
    ratio = contest.ratio(goal.ours, goal.theirs)
    if goal.faster:
        return verdict(
            f"{goal.ours} against {goal.theirs}: times faster", 1 / ratio, goal.bound, at_least=True
        )
    return verdict(f"{goal.ours} / {goal.theirs}: time", ratio, goal.bound)


def verdict(what: str, measured: float, bound: float, *, at_least: bool = False) -> bool:
    """Print whether `measured` keeps `bound`, and return it."""
    passed = measured >= bound if at_least else measured <= bound
    relation = "at least" if at_least else "at most"
    mark = "met" if passed else "MISSED"
    print(f"  {mark:<7} {what} {measured:.2f}, {relation} {bound:g}")
    return passed


def each(call: Callable[[str], object], keys: list[str]) -> Callable[[], None]:
    """A function that calls `call` with every key."""

    def run() -> None:
        for key in keys:
            call(key)

    return run


def each_pair(call: Callable[[str, bytes], object], pairs: list) -> Callable[[], None]:
    """A function that calls `call` with every key and value."""

    def run() -> None:
        for key, value in pairs:
            call(key, value)

    return run
