"""A counter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tierstore.testing.models.protocol import Model, answers, refuse

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tierstore.testing.history import Operation
    from tierstore.testing.models.protocol import States


@dataclass(frozen=True, slots=True)
class Counter(Model):
    """`add` number → the sum afterwards, or None if the caller was not told; `get` → the sum."""

    initial: int = 0

    def step(self, state: Hashable, operation: Operation) -> States:
        """The sum afterwards."""
        total = cast("int", state)
        if operation.verb == "get":
            return answers(total, operation, total)
        if operation.verb != "add":
            refuse(self, operation, "add and get")
        total += operation.argument
        return (total,) if operation.result is None else answers(state, operation, total, total)

    def is_read(self, operation: Operation) -> bool:
        """Whether it is a `get`."""
        return operation.verb == "get"
