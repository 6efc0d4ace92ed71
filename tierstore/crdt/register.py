"""The register: last writer wins.

State is a `Record`. Concurrent writes are ordered by (stamp, replica, digest), the same on every
replica; a deletion is a record without payload and wins or loses like any other. Beside its
value a record has a lifetime that a *touch* changes: of two lifetimes of the same version the
one with the higher touch stamp wins (the later expiry, should those be equal).
"""

from __future__ import annotations

from tierstore.record import ELSEWHERE, Record, digest

NEVER = float("inf")


def join(left: Record | None, right: Record) -> Record:
    """The least upper bound of two states. Returns one of its arguments where it can."""
    if left is None:
        return right
    if left.stamp != right.stamp:
        return left if left.stamp > right.stamp else right
    if left.replica != right.replica:
        return left if left.replica > right.replica else right
    if _differ(left, right):
        # One identity wrote two values: only a cloned replica does. Any fixed order converges.
        return left if _content(left) > _content(right) else right
    return left if _lifetime(left) >= _lifetime(right) else right


def touch(state: Record | None, target: Record) -> Record | None:
    """`state` with the lifetime of `target`, if that is of the same version and later."""
    if state is None or (state.stamp, state.replica) != (target.stamp, target.replica):
        return state
    if state.payload is None or _lifetime(state) >= _lifetime(target):
        return state
    return with_lifetime(state, target.touch, target.expires_at_ms)


def with_lifetime(state: Record, touch_stamp: int, expires_at_ms: int | None) -> Record:
    """A copy of `state` that was touched at `touch_stamp`."""
    return Record(
        state.stamp,
        state.replica,
        state.payload,
        expires_at_ms,
        touch_stamp,
        state.metadata,
        state.type,
        state.generation,
    )


def _differ(left: Record, right: Record) -> bool:
    if ELSEWHERE in (left.payload, right.payload):
        return False
    return left.payload != right.payload or left.metadata != right.metadata


def _content(record: Record) -> bytes:
    return digest(with_lifetime(record, 0, None))


def _lifetime(record: Record) -> tuple[int, float]:
    expiry = NEVER if record.expires_at_ms is None else record.expires_at_ms
    return record.touch, expiry
