"""The register, as a type under test: states are records, deltas are puts and touches.

It is no type of `tierstore.crdt.protocol`, as what a replica writes is a whole state; but all that
laws ask of a type can be asked of it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from tierstore import record
from tierstore.crdt import register
from tierstore.errors import CorruptionError, DecodingError
from tierstore.record import REPLICA_MAX, Record
from tierstore.region import batch
from tierstore.region.batch import Delta, Poisoned
from tierstore.replica import overlay
from tierstore.testing.laws.under_test import Operation, TypeUnderTest
from tierstore.values import encode as encode_value

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance

CODE = record.REGISTER
SENDER = REPLICA_MAX
"""Of batches whose deltas name another writer."""
VALUES = (0, "", b"", "x", None, [1])


def empty() -> Record:
    """What is older than all that is written."""
    return Record(0, 0, None)


def decode(payload: bytes) -> Record:
    """The record in an envelope. Raises DecodingError if there is none."""
    try:
        return record.decode(payload)
    except CorruptionError as error:
        raise DecodingError(str(error)) from error


def encode(state: Record) -> bytes:
    """The envelope."""
    return record.encode(state)


def join(left: Record, right: Record) -> Record:
    """The later one."""
    return register.join(left, right)


def value(state: Record) -> bytes | None:
    """What is stored, or None if it was deleted."""
    return state.payload


def decode_delta(payload: bytes) -> Delta:
    """The delta as it is in a batch. Raises DecodingError if it is poison."""
    delta = batch.decode_delta(payload, SENDER)
    if isinstance(delta, Poisoned):
        raise DecodingError(delta.reason)
    return delta


def encode_delta(delta: Delta) -> bytes:
    """The delta as it is in a batch."""
    return batch.encode_delta(delta, SENDER)


def compose(first: Delta, second: Delta, *, is_same_life: bool) -> Delta:
    """What replicas make of two writes that wait."""
    return overlay.as_one(first, second)


def apply(
    state: Record | None, delta: Delta, *, origin: int, actor: int, is_same_life: bool
) -> Record | None:
    """What regions store, and replicas show, after a write."""
    return overlay.joined(state, delta)


def putting(value: Any) -> Operation:
    """Writes `value`."""
    payload = encode_value(value)
    return Operation(f"put {value!r}", lambda state: payload, adds=payload)


def latest(events: list[Any]) -> Any:
    """What was written last, by stamp and replica; None if nothing was."""
    return max(events)[-1] if events else None


def _draw(chance: Chance) -> Operation:
    return putting(chance.choice(VALUES))


REGISTER = TypeUnderTest(
    "register", sys.modules[__name__], _draw, (putting("x"), putting("y")), latest
)


def draw_records(chance: Chance, count: int) -> list[Record]:
    """Registers that may have met: few versions, clones among them."""
    return [
        Record(
            chance.randint(0, 3), chance.randint(1, 2), chance.choice((None, b"\x01", b"\x02")),
            chance.choice((None, 1, 2)), chance.randint(0, 2), chance.choice((None, {"a": "b"})),
        )
        for _ in range(count)
    ]  # fmt: skip
