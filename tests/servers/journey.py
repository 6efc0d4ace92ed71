"""Requests of a trace sent to a store whose tiers fail now and then, and what may be read.

Time is the real one and requests follow each other at once. A write that was acknowledged must be
read until the next; one whose outcome is unknown may be; one that failed must not. A read may fail,
with an error that says so, but never be wrong.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from tierstore.errors import OutcomeUnknownError, OverloadedError, UnavailableError
from tierstore.trace.reader import DELETE, GET, read_trace
from tierstore.trace.values import make_value

MISSING = object()
PAUSE_S = 0.002  # after a failure, so that an outage is not all of the journey
BATCH = 500


@dataclass
class Journey:
    """What was asked and answered; `may_be` has the states that a read of a key may show."""

    may_be: dict = field(default_factory=dict)
    tiers: Counter = field(default_factory=Counter)
    failures: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    """The numbers of the requests that failed."""

    def load(self, store, requests):
        """Let every key that is read before it is written be in the region."""
        sizes = {}
        for _, op, key, size_bytes, _ in requests:
            sizes.setdefault(key, (op, size_bytes))
        first = {
            key: make_value(key, 0, size_bytes)
            for key, (op, size_bytes) in sizes.items()
            if op == GET
        }
        keys = iter(first)
        while part := list(islice(keys, BATCH)):
            store.put_many({key: first[key] for key in part})
            store.flush()
        self.may_be = {key: [value] for key, value in first.items()}

    def go(self, store, requests, events=None):
        """Send `requests`; `events` are called before the request of that number."""
        for number, request in enumerate(requests):
            if events and number in events:
                events[number]()
            try:
                self._send(store, number, request)
            except (UnavailableError, OverloadedError, OutcomeUnknownError) as failure:
                self.failures[type(failure).__name__] += 1
                self.failed.append(number)
                time.sleep(PAUSE_S)

    def look(self, store):
        """Read every key once more."""
        for key in self.may_be:
            self._judge(-1, key, store.get(key, MISSING, timeout=30))

    def _send(self, store, number, request):
        _, op, key, size_bytes, _ = request
        if op == GET:
            reading = store.read(key)
            self.tiers[reading.tier if reading.found else "absent"] += 1
            self._judge(number, key, reading.value if reading.found else MISSING)
            return
        value = MISSING if op == DELETE else make_value(key, number + 1, size_bytes)
        try:
            if op == DELETE:
                store.delete(key)
            else:
                store.put(key, value)
        except OutcomeUnknownError:
            self.may_be.setdefault(key, [MISSING]).append(value)
            raise
        self.may_be[key] = [value]

    def _judge(self, number, key, value):
        if value not in self.may_be.get(key, [MISSING]):
            self.wrong.append((number, key))


def some_requests(path, limit):
    """The first requests of a trace."""
    return list(islice(read_trace(path), limit))
