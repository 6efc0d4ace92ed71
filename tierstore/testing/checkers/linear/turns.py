"""Searches that take turns: short ones first, then longer and longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierstore.testing.checkers.linear.search import Search

_FIRST, _LONGEST = 256, 32_768


class Turns:
    """Runs searches until one refutes its key, all have found an order, or the budget ends."""

    def __init__(
        self,
        searches: Mapping[str | None, Search],
        states_max: int,
        deadline: Callable[[], bool] | None,
    ) -> None:
        self._open = dict(searches)
        self._states_left, self._states_max = states_max, states_max
        self._deadline = deadline
        self.ended_by: str | None = None

    @property
    def left(self) -> int:
        """How many searches have not ended."""
        return len(self._open)

    @property
    def first_left(self) -> str | None:
        """The key of one that has not ended."""
        return next(iter(self._open))

    def run(self) -> Search | None:
        """The first search that refuted its key.

        If none did, `ended_by` tells whether a budget ended first.
        """
        turn = _FIRST
        while self._open:
            for key, search in tuple(self._open.items()):
                if self._is_over():
                    return None
                if self._advance(search, turn) is False:
                    return search
                if search.is_explained:
                    del self._open[key]
            turn = min(2 * turn, _LONGEST)
        return None

    def _advance(self, search: Search, turn: int) -> bool | None:
        before = search.tried
        found = search.advance(min(turn, self._states_left))
        self._states_left -= search.tried - before
        return found

    def _is_over(self) -> bool:
        if self._states_left <= 0:
            self.ended_by = f"states_max={self._states_max:,}"
        elif self._deadline and self._deadline():
            self.ended_by = "deadline"
        return self.ended_by is not None
