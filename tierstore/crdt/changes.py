"""What a change does to the record of a key of any type but the register.

A key lives one *generation* after another, numbered from 1. Of two states of a key the one of the
higher generation wins whole; those of one generation join. A deletion begins the next generation,
and so does the first change that comes after the record expired. A change applies to whatever
generation there is then; only what it says of things it has *seen* (which elements it removes,
whose lifetime it moves) names a generation and is void in another. 0 names none.
"""

from __future__ import annotations

from tierstore.crdt.register import NEVER
from tierstore.crdt.types import type_of
from tierstore.record import DOCUMENT, SET, Record, version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FIRST_GENERATION = 1


def change(
    record: Record | None, delta: Record, *, resets: bool, now_ms: int, actor: int
) -> Record | None:
    """`record` after `delta`, which first deletes it if it `resets`; the same object if that is it.

    `delta.payload` is an encoded delta of the type, or None to change nothing but lifetime or
    existence; `delta.generation` is the one it has seen. `now_ms` tells whether the record has
    expired, `actor` is the region that applies it, or 0. Version and type of the result are those
    of `record` (of `delta` if there is none): the region that stores it gives it another version.

    Raises DecodingError if the delta cannot be applied.
    """
    if record is None and delta.payload is None and not resets:
        return None
    is_over = resets or (record is not None and _has_expired(record, now_ms))
    begun = _begun(record, delta, is_over=is_over)
    if delta.payload is None:
        if resets:
            return begun
        return record if is_over else _with_lifetime(begun, record, delta)
    type_ = type_of(delta.type)
    state = type_.empty() if begun.payload is None else type_.decode(begun.payload)
    is_same_life = delta.generation == begun.generation
    state = type_.apply(
        state, type_.decode_delta(delta.payload), origin=delta.replica, actor=actor,
        is_same_life=is_same_life,
    )  # fmt: skip
    is_first = begun.payload is None
    changed = _copy(begun, type_.encode(state))
    if is_first:
        changed.touch, changed.expires_at_ms = delta.touch, delta.expires_at_ms
        return changed
    if changed.payload == begun.payload:
        changed = begun
    return _with_lifetime(changed, record, delta)


def join(left: Record | None, right: Record) -> Record:
    """The least upper bound of two records of one type, for instance of two regions."""
    if left is None:
        return right
    if left.generation != right.generation:
        return left if left.generation > right.generation else right
    newer, older = (left, right) if _order(left) >= _order(right) else (right, left)
    alive = [side for side in (newer, older) if side.payload is not None]
    lifetime = max(alive or [newer], key=_lifetime)
    joined = _copy(newer, _joined(left, right))
    joined.touch, joined.expires_at_ms = lifetime.touch, lifetime.expires_at_ms
    return left if joined == left else joined


def is_gap(error: Exception) -> bool:
    """Whether a change could not be applied because another, that it needs, is not there."""
    from tierstore.crdt.union import GapError  # only documents need it, and they load it

    return isinstance(error, GapError)


def version_of(record: Record) -> str:
    """`record.version` of what readers see of `record`, whatever regions remember besides."""
    if record.type in (SET, DOCUMENT) and record.payload:
        type_ = type_of(record.type)
        record = _copy(record, type_.encode(type_.as_seen(type_.decode(record.payload))))
    return version(record)


def _joined(left: Record, right: Record) -> bytes | None:
    if left.payload is None or right.payload is None or left.payload == right.payload:
        return right.payload if left.payload is None else left.payload
    type_ = type_of(left.type)
    return type_.encode(type_.join(type_.decode(left.payload), type_.decode(right.payload)))


def _begun(record: Record | None, delta: Record, *, is_over: bool) -> Record:
    """The record to which the change applies: of the next generation if the last one is over."""
    if record is None:
        return Record(0, 0, None, type=delta.type, generation=FIRST_GENERATION)
    if not is_over:
        return record
    return Record(
        record.stamp, record.replica, None, type=record.type, generation=record.generation + 1
    )


def _has_expired(record: Record, now_ms: int) -> bool:
    return record.payload is not None and not record.is_live(now_ms)


def _with_lifetime(changed: Record, record: Record | None, delta: Record) -> Record | None:
    """`changed`, touched by `delta` if that touches, and means this generation or any."""
    is_meant = delta.generation in (0, changed.generation)
    if not delta.touch or changed.payload is None or not is_meant:
        return changed
    if _lifetime(delta) <= _lifetime(changed):
        return changed
    touched = _copy(changed, changed.payload)
    touched.touch, touched.expires_at_ms = delta.touch, delta.expires_at_ms
    return touched


def _copy(record: Record, payload: bytes | None) -> Record:
    return Record(
        record.stamp, record.replica, payload, record.expires_at_ms, record.touch, None,
        record.type, record.generation,
    )  # fmt: skip


def _order(record: Record) -> tuple[Any, ...]:
    return record.stamp, record.replica


def _lifetime(record: Record) -> tuple[int, float]:
    expiry = NEVER if record.expires_at_ms is None else record.expires_at_ms
    return record.touch, expiry
