"""Laws of what readers see: an addition counts once, an add wins, a removal removes what it saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierstore.testing.laws.life import Life, Reading


def values_are_as_expected(life: Life) -> None:
    """At every step every replica and region has the value that the model expects."""
    for reading in life.readings:
        check_reading(life, reading)


def check_reading(life: Life, reading: Reading) -> None:
    """Raise AssertionError unless `reading` has the generation and the value of the model."""
    record, known = reading.record, reading.known
    generation = 0 if record is None else record.generation
    assert not life.has_generations or generation == known.generation, (
        f"{reading.whose} has generation {generation}, not {known.generation}"
    )
    if life.under_test.expected is not None:
        held, wanted = life.held_and_wanted(record, known)
        assert _typed(held) == _typed(wanted), f"{reading.whose} has {held!r}, not {wanted!r}"


def _typed(value: object) -> object:
    """So that 1 and True differ."""
    return [(type(item), item) for item in value] if isinstance(value, list) else value
