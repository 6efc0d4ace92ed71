"""Registers: one value, without and with compare-and-set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.testing.models.protocol import Model, answers, refuse

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tierstore.testing.history import Operation
    from tierstore.testing.models.protocol import States


@dataclass(frozen=True, slots=True)
class Register(Model):
    """`read` → value, `write` value → anything. None means that there is no value."""

    initial: Any = None

    def step(self, state: Hashable, operation: Operation) -> States:
        """The value afterwards."""
        if operation.verb == "write":
            return (operation.argument,)
        if operation.verb == "read":
            return answers(state, operation, state)
        refuse(self, operation, "read and write")

    def is_read(self, operation: Operation) -> bool:
        """Whether it is a `read`."""
        return operation.verb == "read"


@dataclass(frozen=True, slots=True)
class CasRegister(Model):
    """A register with `delete` and `cas` (expected, new) → whether it was set.

    None means that there is no value, so `cas` (None, new) creates. A `delete` answers whether
    there was a value, or None if the caller was not told.
    """

    initial: Any = None

    def step(self, state: Hashable, operation: Operation) -> States:
        """The value afterwards."""
        match operation.verb:
            case "read":
                return answers(state, operation, state)
            case "write":
                return (operation.argument,)
            case "cas":
                return self._cas(state, operation)
            case "delete" if operation.result is None:
                return (None,)
            case "delete":
                return answers(state, operation, state is not None, None)
        refuse(self, operation, "read, write, cas and delete")

    def _cas(self, state: Hashable, operation: Operation) -> States:
        expected, new = operation.argument
        is_set = state == expected
        return answers(state, operation, is_set, new if is_set else state)

    def is_read(self, operation: Operation) -> bool:
        """Whether it is a `read`, or a `cas` that saw something else."""
        return operation.verb == "read" or (operation.verb == "cas" and operation.result is False)
