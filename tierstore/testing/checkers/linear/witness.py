"""The smallest part of a refuted history that still tells why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.linear.search import Search
from tierstore.testing.checkers.linear.sources import unexplained
from tierstore.testing.checkers.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.history import Operation
    from tierstore.testing.models import Model

_AT_LEAST = 300_000


class Minimizing:
    """Leaves operations out of a refuted partition, as long as a budget lasts.

    An operation stays if without it a result of another would come from nowhere: that a value was
    read after it was overwritten is no news without the write that it came from.
    """

    def __init__(
        self, refuted: Search, model: Model, deadline: Callable[[], bool] | None = None
    ) -> None:
        self._model, self._deadline = model, deadline
        self._prefix = refuted.shortest_prefix
        self._each = max(_AT_LEAST // 10, 2 * refuted.tried)
        self._left = max(_AT_LEAST, 10 * refuted.tried)
        self._are_sources_known = True
        self.is_complete = True
        """Whether nothing more can be left out."""

    def run(self) -> tuple[Operation, ...]:
        """Operations that no order explains."""
        from_nowhere = unexplained(self._prefix, self._model)
        self._are_sources_known = from_nowhere is not None
        for operation in self._prefix:
            if from_nowhere and operation.invoked in from_nowhere:
                return (operation,)
        return tuple(shrink(self._prefix, self._is_wrong))

    def _is_wrong(self, part: list[Operation]) -> bool:
        if self._left <= 0 or (self._deadline and self._deadline()):
            self.is_complete = False
            return False
        search = Search(part, self._model)
        found = search.advance(self._each)
        self._left -= search.tried
        self.is_complete &= found is not None
        return found is False and not (self._are_sources_known and unexplained(part, self._model))
