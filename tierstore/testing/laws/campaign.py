"""Campaigns that are put on record, and lives of many thousand operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.runtime import Runtime
from tierstore.runtime.chance import Chance
from tierstore.testing.laws import meaning
from tierstore.testing.laws.checking import check
from tierstore.testing.laws.joining import regions_agree
from tierstore.testing.laws.living import live
from tierstore.testing.laws.steps import draw_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.laws.life import Life
    from tierstore.testing.laws.under_test import TypeUnderTest

CHUNK = 1000
"""How many cases share a seed: case by case a campaign is the sum of calls of `check`."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """What a campaign did, in the end or so far."""

    cases: int
    operations: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.cases:,} cases, {self.operations:,} operations, {self.seconds:.1f} s"


def run(
    under_test: TypeUnderTest,
    *,
    cases: int,
    seed: int,
    heard: Callable[[Campaign], None] = lambda so_far: None,
) -> Campaign:
    """Hold `cases` lives to all laws; tell `heard` from time to time how far it is.

    Raises AssertionError with the shortest life found that breaks a law.
    """
    runtime = Runtime()
    started_s, operations = runtime.monotonic(), 0
    for first in range(0, cases, CHUNK):
        count = min(CHUNK, cases - first)
        checked = check(under_test, cases=count, seed=seed * 1_000_003 + first // CHUNK)
        operations += checked.operations
        heard(Campaign(first + count, operations, runtime.monotonic() - started_s))
    return Campaign(cases, operations, runtime.monotonic() - started_s)


def live_long(under_test: TypeUnderTest, operations: int, seed: int) -> Campaign:
    """One life of so many operations on one key, held to what readers have to see.

    Raises AssertionError that says what is wrong, and after how many operations.
    """
    runtime, chance = Runtime(), Chance("long", under_test.name, seed)
    started_s = runtime.monotonic()
    script = draw_script(under_test, chance, operations)
    life = live(under_test, script, settles=False)
    _check(life)
    life.settle()
    regions_agree(life)
    return Campaign(1, operations, runtime.monotonic() - started_s)


def _check(life: Life) -> None:
    for number, reading in enumerate(life.readings):
        try:
            meaning.check_reading(life, reading)
        except AssertionError as error:
            raise AssertionError(f"{life.under_test.name}, reading {number}: {error}") from error
