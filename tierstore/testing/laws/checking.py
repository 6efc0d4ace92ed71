"""Many lives under all laws, and the shortest life that breaks one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

from tierstore.runtime.chance import Chance
from tierstore.testing.laws import encoding, joining, lifetimes, meaning, sending
from tierstore.testing.laws.living import live
from tierstore.testing.laws.steps import draw_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.testing.laws.life import Life
    from tierstore.testing.laws.steps import Script
    from tierstore.testing.laws.under_test import TypeUnderTest

    Law: TypeAlias = Callable[[Life], None]
    """Raises AssertionError if it does not hold of a life."""

LAWS: tuple[Law, ...] = (
    meaning.values_are_as_expected,
    joining.join_is_a_join,
    joining.join_of_records_is_a_join,
    joining.changes_only_add,
    joining.regions_agree,
    sending.composed_is_one_by_one,
    sending.shown_is_what_comes,
    lifetimes.deletions_win,
    lifetimes.touches_mean_what_was_seen,
    lifetimes.the_latest_touch_has_the_lifetime,
    encoding.equal_states_have_equal_bytes,
    encoding.deltas_come_back,
    encoding.damage_is_noticed,
    encoding.arguments_are_left,
)
STEPS = 14


@dataclass(frozen=True, slots=True)
class Checked:
    """How much was checked."""

    cases: int
    operations: int
    """Steps of all lives together."""


def check(
    under_test: TypeUnderTest,
    *,
    cases: int = 2000,
    seed: int = 0,
    steps: int = STEPS,
    laws: Iterable[Law] = LAWS,
) -> Checked:
    """Hold `cases` lives, drawn from `seed`, to each of `laws`.

    Raises AssertionError with the law, what broke it, and the shortest life found that does.
    """
    chance, chosen, operations = Chance(under_test.name, seed), tuple(laws), 0
    for _ in range(cases):
        script = draw_script(under_test, chance, chance.randint(1, steps))
        operations += len(script.steps)
        check_script(under_test, script, chosen)
    return Checked(cases, operations)


def check_script(under_test: TypeUnderTest, script: Script, laws: Iterable[Law] = LAWS) -> None:
    """Hold one life to each of `laws`. Raises AssertionError as `check` does."""
    chosen = tuple(laws)
    if broken_law(under_test, script, chosen) is None:
        return
    shortest = shrink(under_test, script, chosen)
    broken = broken_law(under_test, shortest, chosen)
    raise AssertionError(f"{under_test.name}: {broken}\n{shortest}")


def shrink(under_test: TypeUnderTest, script: Script, laws: tuple[Law, ...]) -> Script:
    """The script without all the steps that it needs not in order to break a law."""
    at = 0
    while at < len(script.steps):
        shorter = replace(script, steps=script.steps[:at] + script.steps[at + 1 :])
        if broken_law(under_test, shorter, laws) is None:
            at += 1
        else:
            script, at = shorter, 0
    return script


def broken_law(under_test: TypeUnderTest, script: Script, laws: tuple[Law, ...]) -> str | None:
    """Which law is broken, and how; None if all hold."""
    name = "it lives"
    try:
        life = live(under_test, script)
        for law in laws:
            name = law.__name__
            law(life)
    except Exception as error:  # a law that cannot be looked at is broken
        told = str(error) if isinstance(error, AssertionError) else repr(error)
        return f"{name.replace('_', ' ')}: {told}"
    return None
