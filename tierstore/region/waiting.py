"""What waits on top of a cold row: changes that came while its state lay in an object.

A region transaction reads no object. So a change of a cold set or document, and a state of one that
another region tells, is kept in the row, behind the pointer, in the order in which they came, each
with all that its effect depends on: who applies it, whose it is, whether it has seen this life of
the key. *A cold row means what is in its object with what waits, in order*: `settled` says what
that is. It is a pure function of row and object, so all who read the row are shown the same, the
dots that a set gives are the same each time, and a region gives none of them again.

In the row stand, one after another:

    [format, name, offset, length, index,                       the pointer
     stamp, replica, digest,                                    what the object holds
     [[op, origin, actor, is_same_life, payload], …]]           what waits on top

`stamp` and `replica` are the version under which the state went into the object: that of the row
rises with all that waits. `digest` is the hash of the payload there, or empty if nobody told it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierstore.crdt.types import is_typed, type_of
from tierstore.errors import DecodingError, EncodingError, ValueTooLargeError
from tierstore.record import DIGEST_BYTES, REPLICA_MAX, hash_payload
from tierstore.region.batch import CHANGE, JOIN
from tierstore.region.pointer import (
    BASE_FORMAT,
    Pointer,
    corrupt_pointer,
    decode_fields,
    is_within,
    pointer_of,
)
from tierstore.stamp import STAMP_MAX
from tierstore.values import encode

if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.protocol import Type
    from tierstore.record import Record
    from tierstore.region.rows import Row

STATE_BYTES_MAX = 25 * 2**20
WAITING_COUNT_MAX = 64
WAITING_BYTES_MAX = 64 << 10
"""When more waits, a mover brings the key home. Nothing is refused for it."""
_FAULTS = (DecodingError, EncodingError, ValueTooLargeError)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One change, or one state of another region, that is not in the object yet."""

    op: int
    """`CHANGE` or `JOIN`."""
    payload: bytes
    """An encoded delta of the type, or an encoded state."""
    origin: int = 0
    """The replica whose change it is."""
    actor: int = 0
    """Who the region was when it took the change: the dots that it gives are that one's."""
    is_same_life: bool = False
    """Whether the change has seen the generation that it applies to."""


@dataclass(frozen=True, slots=True)
class Base:
    """Where the state of a cold set or document lies, which it is, and what waits on top of it."""

    pointer: Pointer
    stamp: int
    replica: int
    digest: bytes = b""
    waiting: tuple[Waiting, ...] = ()

    @property
    def waiting_bytes(self) -> int:
        """The payloads that wait."""
        return sum(len(waiting.payload) for waiting in self.waiting)

    @property
    def is_due(self) -> bool:
        """Whether it is time to bring the key home: so much waits, or a state that was told.

        Until then nobody can say whether the key is equal to what another region has.
        """
        is_told = any(waiting.op == JOIN for waiting in self.waiting)
        is_long = len(self.waiting) > WAITING_COUNT_MAX
        return is_told or is_long or self.waiting_bytes > WAITING_BYTES_MAX

    def after(self, waiting: Waiting) -> Base:
        """With one thing more. Raises ValueTooLargeError if that is more than any state has."""
        if self.waiting_bytes + len(waiting.payload) > STATE_BYTES_MAX:
            raise ValueTooLargeError(
                f"more than {STATE_BYTES_MAX} bytes would wait for the object of the key to be read"
            )
        return replace(self, waiting=(*self.waiting, waiting))


def based(pointer: Pointer, record: Record, digest: bytes) -> bytes:
    """What a row holds whose state, that of `record`, has just come to lie at `pointer`."""
    return encode_base(Base(pointer, record.stamp, record.replica, digest))


def encode_base(base: Base) -> bytes:
    """The bytes that a row holds in place of a pointer."""
    at = base.pointer
    waiting: list[Any] = [
        [w.op, w.origin, w.actor, w.is_same_life, w.payload] for w in base.waiting
    ]
    fields: list[Any] = [
        at.name,
        at.offset,
        at.length,
        at.index,
        base.stamp,
        base.replica,
        base.digest,
    ]
    return encode([BASE_FORMAT, *fields, waiting])


def base_of(row: Row) -> Base:
    """Where the state of a cold row lies, and what waits there; nothing on a plain pointer.

    Raises CorruptionError if the bytes are not exactly what was written.
    """
    key = row.key
    fields = decode_fields(row.cold or b"", key=key)
    pointer = pointer_of(fields, key=key)
    if fields[0] != BASE_FORMAT:
        return Base(pointer, row.record.stamp, row.record.replica)
    stamp, replica, digest, waiting = fields[5:]
    is_sound = is_within(stamp, 0, STAMP_MAX) and is_within(replica, 0, REPLICA_MAX)
    if not is_sound or type(digest) is not bytes or len(digest) not in (0, DIGEST_BYTES):
        raise corrupt_pointer("has malformed fields", key)
    if not isinstance(waiting, list):
        raise corrupt_pointer("has malformed fields", key)
    read = tuple(_waiting_of(each, key) for each in waiting)
    return Base(pointer, stamp, replica, digest, read)


def _waiting_of(wire: Any, key: str) -> Waiting:
    if not isinstance(wire, list) or len(wire) != 5:
        raise corrupt_pointer("has something malformed that waits", key)
    op, origin, actor, is_same_life, payload = wire
    are_ids = is_within(origin, 0, REPLICA_MAX) and is_within(actor, 0, REPLICA_MAX)
    is_sound = op in (CHANGE, JOIN) and type(op) is int and type(is_same_life) is bool
    if not (are_ids and is_sound and type(payload) is bytes and payload):
        raise corrupt_pointer("has something malformed that waits", key)
    return Waiting(op, payload, origin, actor, is_same_life)


def changed(row: Row, told: Record, actor: int) -> bytes:
    """What a cold row holds after the change `told`, which applies to the life that the row has.

    Raises DecodingError if it is no change of its type, ValueTooLargeError if too much waits.
    """
    assert told.payload is not None
    type_of(told.type).decode_delta(told.payload)
    is_same_life = told.generation == row.record.generation
    waiting = Waiting(CHANGE, told.payload, told.replica, actor, is_same_life)
    return encode_base(base_of(row).after(waiting))


def joined(base: Base, type_code: int, payload: bytes) -> Base:
    """`base` after a state that another region told; the same object if that has it already.

    A state on top of another one becomes one with it: so states that are told again and again need
    no more room than one. Raises DecodingError, ValueTooLargeError.
    """
    if has_state(base, payload):
        return base
    last = base.waiting[-1] if base.waiting else None
    if last is None or last.op != JOIN:
        return base.after(Waiting(JOIN, payload))
    type_ = type_of(type_code)
    union = type_.join(type_.decode(last.payload), type_.decode(payload))
    both = type_.encode(union)
    if both == last.payload:
        return base
    return replace(base, waiting=base.waiting[:-1]).after(Waiting(JOIN, both))


def has_state(base: Base, payload: bytes) -> bool:
    """Whether a row is known to have all of a state: it is in the object, or waits."""
    if base.digest == hash_payload(payload):
        return True
    return any(w.op == JOIN and w.payload == payload for w in base.waiting)


def is_state(base: Base, payload: bytes) -> bool:
    """Whether a row is known to have this state, and nothing else."""
    return not base.waiting and base.digest == hash_payload(payload)


@dataclass(slots=True)
class Settled:
    """What a cold row means."""

    payload: bytes
    refused: list[tuple[Waiting, str]]
    """What waited in vain: it cannot be applied, for the reason beside it."""


def settled(base: Base, type_code: int, payload: bytes) -> Settled:
    """The state `payload`, which lies in the object, with what waits on top of it.

    What cannot be applied is passed by, as if it had never come. Raises DecodingError if `payload`
    is not a state of the type.
    """
    if not base.waiting or not is_typed(type_code):
        return Settled(payload, [])
    type_ = type_of(type_code)
    found = _settle(base, type_, payload, is_bounded=False)
    if len(found.payload) > STATE_BYTES_MAX:
        found = _settle(base, type_, payload, is_bounded=True)
    return found


def _settle(base: Base, type_: Type, payload: bytes, *, is_bounded: bool) -> Settled:
    state = type_.decode(payload)
    applied: list[Waiting] = []
    refused: list[tuple[Waiting, str]] = []
    for waiting in base.waiting:
        try:
            state = _with(type_, state, waiting)
            if is_bounded and len(type_.encode(state)) > STATE_BYTES_MAX:
                raise ValueTooLargeError(f"the state would have more than {STATE_BYTES_MAX} bytes")
            applied.append(waiting)
        except _FAULTS as exc:
            refused.append((waiting, f"it cannot be applied: {exc}"))
            state = type_.decode(payload)  # it may have been changed
            for each in applied:
                state = _with(type_, state, each)
    return Settled(type_.encode(state), refused)


def _with(type_: Type, state: Any, waiting: Waiting) -> Any:
    if waiting.op == JOIN:
        return type_.join(state, type_.decode(waiting.payload))
    return type_.apply(
        state, type_.decode_delta(waiting.payload), origin=waiting.origin, actor=waiting.actor,
        is_same_life=waiting.is_same_life,
    )  # fmt: skip
