"""The types that ship, as types under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter, set
from tierstore.testing.laws.documents import DOCUMENT
from tierstore.testing.laws.registers import REGISTER
from tierstore.testing.laws.under_test import Operation, TypeUnderTest
from tierstore.values.msgpack import pack

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance

ELEMENTS = ("1", b"1", 1, "", -1)
"""They look alike, and are not."""
NUMBERS = (0, 1, 2, -1, -5, 1 << 63, -(1 << 64), 10**30)


def adding(number: int) -> Operation:
    """Adds `number` to a counter."""
    return Operation(f"add {number}", lambda state: counter.add(number), adds=number)


def inserting(element: Any) -> Operation:
    """Adds `element` to a set."""
    return Operation(f"add {element!r}", lambda state: set.add([element]), adds=element)


def discarding(*elements: Any) -> Operation:
    """Removes `elements` from a set."""
    kinds = [(type(element), element) for element in elements]
    return Operation(
        f"discard {', '.join(map(repr, elements))}",
        lambda state: set.discard(state, elements),
        removes=lambda element: (type(element), element) in kinds,
    )


def _draw_number(chance: Chance) -> Operation:
    return adding(chance.choice(NUMBERS))


def _draw_change(chance: Chance) -> Operation:
    element = chance.choice(ELEMENTS)
    if chance.random() < 0.55:
        return inserting(element)
    return discarding(element) if chance.random() < 0.8 else discarding(*ELEMENTS)


def _elements(events: list[Any]) -> list[Any]:
    encoded = {pack(element): element for element in events}
    return [encoded[wire] for wire in sorted(encoded)]


COUNTER = TypeUnderTest("counter", counter, _draw_number, (adding(1), adding(-2)), sum)
SET = TypeUnderTest("set", set, _draw_change, (inserting("x"), discarding("x")), _elements)
SAMPLES = {sample.name: sample for sample in (REGISTER, COUNTER, SET, DOCUMENT)}
