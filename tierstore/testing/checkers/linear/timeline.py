"""The calls and returns of a history, as a list from which operations are lifted and put back."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.history import Operation


class Timeline:
    """Places 1, 2, … in order of events; 0 is the head, `end` the tail.

    Doubly linked, so that an operation is lifted and put back in constant time if it is done in
    reverse order (the linked list of Wing and Gong; Lowe, section 3). An operation that was never
    answered stands outside of the list: it may be next at any time after `called`.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        places = sorted(
            (event, index)
            for index, operation in enumerate(operations)
            for event in (operation.invoked, operation.completed)
            if event is not None
        )
        self.end = len(places) + 1
        self.owner = [-1, *(index for _, index in places), -1]
        self.is_call = [False] * (self.end + 1)
        self.called, self.returned = [0] * len(operations), [0] * len(operations)
        for place, (_, index) in enumerate(places, start=1):
            if not self.called[index]:
                self.called[index], self.is_call[place] = place, True
            else:
                self.returned[index] = place
        linked = [0, *(p for p in range(1, self.end) if self.returned[self.owner[p]]), self.end]
        self.next, self.previous = [0] * (self.end + 1), [0] * (self.end + 1)
        for place, following in pairwise(linked):
            self.next[place], self.previous[following] = following, place

    def lift(self, index: int) -> None:
        """Take the call and the return of an operation out of the list."""
        following, previous = self.next, self.previous
        for place in (self.called[index], self.returned[index]):
            before, after = previous[place], following[place]
            following[before], previous[after] = after, before

    def put_back(self, index: int) -> None:
        """Undo the last `lift`, which was that of `index`."""
        following, previous = self.next, self.previous
        for place in (self.returned[index], self.called[index]):
            following[previous[place]] = previous[following[place]] = place
