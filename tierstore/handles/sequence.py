"""The handle of a sequence."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Sequence:
    """Numbers that are each given once. Ascending for each caller, with gaps."""

    __slots__ = ("_next", "key")

    def __init__(self, key: str, next_: Callable[[float | None], int]) -> None:
        self.key = key
        self._next = next_

    def next(self, *, timeout: float | None = None) -> int:
        """A number from 1 on that nobody else gets, above those that this process got before.

        Raises UnavailableError; OutcomeUnknownError, after which some numbers are never given.
        """
        return self._next(timeout)

    def __repr__(self) -> str:
        return f"<tierstore.Sequence {self.key!r}>"
