"""Regions in memory that are linked, and replicas that write to them. Imported by its path."""

from __future__ import annotations

from tierstore.crdt import counter
from tierstore.crdt import set as sets
from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.record import COUNTER, SET, Record
from tierstore.region.apply import Limits
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.testing import ManualRuntime, MemoryRegion
from tierstore.testing.conformance.region.sender import Sender

HORIZON_MS = 7 * 86_400_000
DRIFT_MS = 60_000
ROUNDS_MAX = 40


class Flaky:
    """A region of which the n-th call from now on fails, before or after it was carried out."""

    def __init__(self, region):
        self.inner = region
        self.calls = []
        self.left, self.is_after = None, False

    def arm(self, nth, *, is_after):
        self.left, self.is_after = nth, is_after

    def __getattr__(self, name):
        method = getattr(self.inner, name)
        if name not in ("introduce", "peers", "join", "versions", "fingerprint", "changes", "scan",
                        "read", "acknowledge", "connect"):  # fmt: skip
            return method

        def call(*arguments):
            self.calls.append(name)
            fails = self.left is not None and len(self.calls) >= self.left
            if fails and not self.is_after:
                self.left = None
                raise UnavailableError("not carried out")
            answer = method(*arguments)
            if fails:
                self.left = None
                raise OutcomeUnknownError("the answer was lost")
            return answer

        return call


class World:
    """Regions by name, each with two replicas that write there."""

    def __init__(self, names="AB"):
        self.runtime = ManualRuntime()
        limits = Limits(DRIFT_MS, HORIZON_MS)
        self.regions = {name: Flaky(MemoryRegion(self.runtime, limits)) for name in names}
        self.senders = {
            (name, at): Sender(self.regions[name], 10 * ord(name) + at, self.runtime)
            for name in names
            for at in range(2)
        }
        self.links = {}

    def link(self, source, target):
        """The link between two regions, made at first use."""
        if (source, target) not in self.links:
            ends = [self.end(name) for name in (source, target)]
            self.links[source, target] = Link(*ends, self.runtime, DRIFT_MS)
        return self.links[source, target]

    def end(self, name):
        return End(name, lambda: self.regions[name], 2.0)

    def rows(self, name):
        return self.regions[name].inner.rows

    def records(self, name):
        """What a region holds, in a form that tells any difference."""
        return {
            key: (row.record.fields(), row.record.payload)
            for key, row in sorted(self.rows(name).items())
        }

    def position(self, name):
        return self.regions[name].inner._position

    def settle(self, *pairs):
        """Run the links of `pairs` until none changes anything; how many rounds that took."""
        for rounds in range(ROUNDS_MAX):
            before = [self.position(name) for name in self.regions]
            for pair in pairs:
                while self.link(*pair).step():
                    pass
            if rounds and before == [self.position(name) for name in self.regions]:
                return rounds
        raise AssertionError("the links never come to rest")

    def put(self, name, key, payload, *, at=0, **fields):
        sender = self.senders[name, at]
        return sender.send(sender.put(key, payload, **fields))

    def add(self, name, key, number, *, at=0):
        delta = counter.encode_delta(counter.add(number))
        return self._change(name, at, CHANGE, key, COUNTER, delta)

    def add_element(self, name, key, element, *, at=0):
        return self._change(name, at, CHANGE, key, SET, sets.encode_delta(sets.add([element])))

    def discard(self, name, key, element, *, at=0):
        row = self.rows(name).get(key)
        state = sets.empty() if row is None or not row.record.payload else None
        state = sets.decode(row.record.payload) if state is None else state
        delta = sets.encode_delta(sets.discard(state, [element]))
        generation = 0 if row is None else row.record.generation
        return self._change(name, at, CHANGE, key, SET, delta, generation)

    def reset(self, name, key, type_, *, at=0):
        return self._change(name, at, RESET, key, type_, None)

    def _change(self, name, at, op, key, type_, payload, generation=0):
        sender = self.senders[name, at]
        record = Record(sender.stamp(), sender.replica, payload, type=type_, generation=generation)
        return sender.send(Delta(key, op, record))

    def count(self, name, key):
        payload = self.rows(name)[key].record.payload
        return counter.value(counter.decode(payload)) if payload else 0

    def elements(self, name, key):
        payload = self.rows(name)[key].record.payload
        return set(sets.value(sets.decode(payload))) if payload else set()
