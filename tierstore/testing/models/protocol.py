"""What a checker asks of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Hashable

    from tierstore.testing.history import Operation

    States = tuple[Hashable, ...]


class Model(Protocol):
    """An object on which operations happen one after the other. States are hashable."""

    @property
    def initial(self) -> Hashable:
        """The state before the first operation."""

    def step(self, state: Hashable, operation: Operation) -> States:
        """The states that `operation` may leave behind, with the result that it had.

        Empty if it cannot have had that result in `state`. An operation whose outcome is "info"
        has no result: it may have had any.
        """

    def is_read(self, operation: Operation) -> bool:
        """Whether `operation` leaves every state as it is. Searches are shorter if told."""
        return False


def answers(state: Hashable, operation: Operation, result: Any, after: Any = ...) -> States:
    """`after`, or else `state`, if `operation` answered `result`; nothing if something else.

    An answer that is not known fits any result.
    """
    if operation.outcome != "info" and operation.result != result:
        return ()
    return (state if after is ... else after,)


def refuse(model: object, operation: Operation, verbs: str) -> NoReturn:
    """Raise `ValueError` for a verb that `model` does not have."""
    raise ValueError(f"{type(model).__name__} has the verbs {verbs}; it cannot judge: {operation}")
