"""In which order the values of each list were appended, as far as reads tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.appends.reads import writers_of
from tierstore.testing.checkers.appends.transactions import APPEND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.testing.checkers.appends.transactions import Transaction


class Orders:
    """Who took effect, and who appended to each key, in order; of reads that are right so far."""

    def __init__(self, transactions: Sequence[Transaction]) -> None:
        self._writers = writers_of(transactions)
        self.readers: dict[Any, Transaction] = {}
        """Who read the longest list of each key."""
        self.values: dict[Any, tuple[Any, ...]] = {}
        """That list: the versions of the key, each a prefix of it."""
        for reader in transactions:
            self._learn(reader)
        shown = {
            id(self._writers[key, value]) for key, values in self.values.items() for value in values
        }
        self.committed = [one for one in transactions if one.is_answered or id(one) in shown]
        """Those that are known to have taken effect, by their answer or by what they left."""
        self.unread = self._unread()
        """Who appended to each key what nobody read, which is after all that was read."""

    def writer(self, key: Any, place: int) -> Transaction:
        """Who appended the value at this place of the list."""
        return self._writers[key, self.values[key][place]]

    def _learn(self, reader: Transaction) -> None:
        for verb, key, value in reader.steps:
            if verb == APPEND or value is None:
                continue
            if key not in self.values or len(value) > len(self.values[key]):
                self.values[key], self.readers[key] = value, reader

    def _unread(self) -> dict[Any, list[Transaction]]:
        read = {key: set(values) for key, values in self.values.items()}
        unread: dict[Any, list[Transaction]] = {}
        for writer in self.committed:
            for key, values in writer.appends.items():
                if not read.get(key, set()).issuperset(values):
                    unread.setdefault(key, []).append(writer)
        return unread
