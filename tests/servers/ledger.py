"""What was acknowledged under `memory` at an edge server that may lose it, and what may be read.

Writes of a key are numbered, by one writer each; every few of them is a delete. What a server lost
may be missing, so a read may show an earlier write: but none that is older than what the region was
seen to have, for the region forgets nothing, and none that nobody wrote.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tierstore.errors import OutcomeUnknownError, OverloadedError, UnavailableError

FAILURES = (UnavailableError, OverloadedError, OutcomeUnknownError)
DELETED_EVERY = 3


@dataclass
class Ledger:
    """Numbers count from 1; a key that was never written is at 0."""

    padding: str = ""
    tried: Counter = field(default_factory=Counter)
    acknowledged: Counter = field(default_factory=Counter)
    floors: dict = field(default_factory=lambda: defaultdict(int))
    """The least number that a read may show: of what the region was seen to have."""
    failures: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)
    reads: int = 0

    def write(self, store, key):
        """The next write of a key; whether it was acknowledged."""
        self.tried[key] += 1
        number = self.tried[key]
        try:
            if (value := self._value(number)) is None:
                store.delete(key)
            else:
                store.put(key, value)
        except FAILURES as failure:
            self.failures[type(failure).__name__] += 1
            return False
        self.acknowledged[key] = number
        return True

    def read(self, store, key, floors=None):
        """Judge one read; a failure is counted, not judged."""
        try:
            found = store.get(key)
        except FAILURES as failure:
            self.failures[type(failure).__name__] += 1
            return
        self.reads += 1
        self._judge(key, found, (self.floors if floors is None else floors).get(key, 0))

    def learn(self, region, keys):
        """Note what the region has; `region` is a store that asks nobody else."""
        found = region.get_many(keys, max_age=0)
        for key in keys:
            number = self._judge(key, found.get(key), self.floors[key])
            self.floors[key] = max(self.floors[key], number)

    def lost(self, region, keys):
        """How many of `keys` are not in the region as they were acknowledged last."""
        found = region.get_many(keys, max_age=0)
        return sum(found.get(key) != self._value(self.acknowledged[key]) for key in keys)

    def _value(self, number):
        return [number, self.padding] if number % DELETED_EVERY else None

    def _judge(self, key, found, floor):
        """The least number that what was found may be of; it is noted if there is none."""
        next_delete = -(-floor // DELETED_EVERY) * DELETED_EVERY  # 0: not written yet
        number = next_delete if found is None else found[0]
        is_possible = number <= self.tried[key] and (found is None or number % DELETED_EVERY)
        if number < floor or not is_possible:
            self.wrong.append((key, found and found[0], floor, self.tried[key]))
            return floor
        return number
