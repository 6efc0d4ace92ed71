"""The life of a key that is a register: whole records travel, and the later one wins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import register
from tierstore.record import Record, encode
from tierstore.region.batch import PUT, TOUCH, Delta, decode_delta, encode_delta
from tierstore.replica import overlay
from tierstore.testing.laws.known import Did
from tierstore.testing.laws.life import Life
from tierstore.testing.laws.steps import Delete, Touch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.testing.laws.known import Known
    from tierstore.testing.laws.life import Replica
    from tierstore.testing.laws.steps import Do
    from tierstore.testing.laws.under_test import Operation

KEY = "k"


class RegisterLife(Life):
    """A key whose writers stamp what they write, above all that they have seen."""

    has_generations = False
    has_one_spelling_of_deltas = False  # empty metadata, and a writer who is the sender

    def join(self, left: Record | None, right: Record) -> Record:
        return register.join(left, right)

    def apply(
        self, record: Record | None, change: Any, origin: int, *, actor: int,
        now_ms: int | None = None,
    ) -> Record | None:  # fmt: skip
        delta = decode_delta(encode_delta(change, origin), origin)
        assert isinstance(delta, Delta)
        return overlay.joined(record, delta)

    def composed(self, parts: Sequence[Any]) -> Any:
        change = parts[0]
        for part in parts[1:]:
            change = overlay.as_one(change, part)
        return change

    def spelled(self, records: Iterable[Record]) -> list[bytes]:
        return [encode(record) for record in records]

    def deltas(self) -> list[Any]:
        return [part for applied in self.applied for part in applied.parts]

    def look(self, record: Record | None) -> Any:
        return None if record is None else (*record.fields(), record.payload)

    def mark_of(self, record: Record | None) -> tuple[Any, ...]:
        return self.look(record) or ()

    def mark_of_part(self, part: Any) -> tuple[Any, ...]:
        return part.op, self.look(part.record)

    def identity(self, record: Record) -> Any:
        return record.stamp, record.replica

    def after(self, operation: Operation, record: Record | None) -> Record | None:
        stamp = 1 if record is None else max(record.stamp, record.touch) + 1
        put = Record(stamp, 1, operation.make(_payload(record), self.stamp + 1))
        return register.join(record, put)

    def held_and_wanted(self, record: Record | None, known: Known) -> tuple[Any, Any]:
        expected = self.under_test.expected
        held = _payload(record)
        return held, held if expected is None else expected(known.remaining())

    def _change(self, replica: Replica, step: Do | Delete | Touch) -> None:
        shown = self.shown(replica)
        self.stamp += 1
        stamp = 1 + max(
            0 if shown is None else max(shown.stamp, shown.touch),
            max((number for number, _ in replica.own), default=0),
        )
        if isinstance(step, Touch):
            self._touch(replica, step, shown, stamp)
        elif isinstance(step, Delete):
            self._put(replica, Record(stamp, replica.origin, None), None)
        else:
            payload = step.operation.make(_payload(shown), self.stamp)
            record = Record(stamp, replica.origin, payload, self._expiry(step.ttl_ms))
            self._put(replica, record, step.operation.adds)
        self._read_replica(replica)

    def _put(self, replica: Replica, record: Record, adds: Any) -> None:
        event = (record.stamp, (record.stamp, record.replica, adds))
        replica.own |= {event}
        replica.parts.append(Delta(KEY, PUT, record))
        replica.done.append(Did(frozenset({event})))

    def _touch(self, replica: Replica, step: Touch, shown: Record | None, stamp: int) -> None:
        if shown is None or not shown.is_live(self.now_ms):
            return
        target = Record(shown.stamp, shown.replica, None, self._expiry(step.ttl_ms), stamp)
        replica.parts.append(Delta(KEY, TOUCH, target))
        replica.done.append(Did(changes=False))

    def _stamped(self, before: Record | None, after: Record | None, region: Any) -> Record | None:
        return after

    def _is_over(self, record: Record | None) -> bool:
        return False


def _payload(record: Record | None) -> bytes | None:
    return None if record is None else record.payload
