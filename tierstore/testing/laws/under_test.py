"""What the laws have to know of a type: how it is used, and what its users mean by that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.crdt.protocol import Type
    from tierstore.runtime.chance import Chance

Event: TypeAlias = tuple[int, Any]
"""Something that an operation did, under a number of its own: nothing else is that event."""
Events: TypeAlias = frozenset[Event]


def _all(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that a program does to what a replica shows."""

    name: str
    """How a witness tells it."""
    delta: Callable[..., Any] = field(repr=False, compare=False)
    """From the state that is shown, the delta; None if it changes nothing."""
    adds: Any = None
    """What event it is, if it is one: `expected` is given it. None for none."""
    removes: Callable[[Any], bool] | None = field(default=None, repr=False, compare=False)
    """Of which events that are shown nothing remains after it; None for of none."""
    takes_number: bool = False
    """Whether `delta` is also given a number, from 1 on, that no other operation of a life has."""

    def make(self, state: Any, number: int) -> Any:
        """The delta, from the state that is shown."""
        return self.delta(state, number) if self.takes_number else self.delta(state)


@dataclass(frozen=True, slots=True)
class TypeUnderTest:
    """A type, operations on it, and what readers have to see after them."""

    name: str
    type: Type
    operations: Callable[[Chance], Operation]
    """Draws an operation."""
    alphabet: tuple[Operation, ...]
    """The few of which small scopes try every order."""
    expected: Callable[[list[Any]], Any] | None = None
    """What is shown after these events, of which none was removed; None: there is no model."""
    shows: Callable[[Any], Any] = _all
    """What of a value `expected` tells."""
