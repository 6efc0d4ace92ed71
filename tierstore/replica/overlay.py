"""What a state of a region becomes with deltas that it does not contain yet."""

from __future__ import annotations

from tierstore.crdt import register
from tierstore.errors import DecodingError
from tierstore.record import ELSEWHERE, Record
from tierstore.region.batch import PUT, RESET, TOUCH, Delta
from tierstore.stamp import physical_ms

DELTA_OVERHEAD_BYTES = 32


def delta_size(delta: Delta) -> int:
    """The bytes that a delta counts for in the budget of unflushed writes."""
    return len(delta.key) + len(delta.record.payload or b"") + DELTA_OVERHEAD_BYTES


def after(before: Delta | None, delta: Delta) -> Delta:
    """One delta that says what two writes of a key say, `delta` being the later one."""
    if before is None or delta.op == PUT or before.op == TOUCH:
        return delta
    touched = register.touch(before.record, delta.record)
    return before if touched is None else Delta(delta.key, PUT, touched)


def as_one(before: Delta | None, delta: Delta) -> Delta:
    """One delta by which a region comes to what two writes of a key make of it, one by one.

    Who touches a version that beats an own write has been shown it by the region: there, the own
    write is nothing any more.
    """
    if before is not None and before.op == PUT and delta.op == TOUCH:
        own, seen = before.record, delta.record
        if (seen.stamp, seen.replica) > (own.stamp, own.replica):
            return delta
    return after(before, delta)


def written(delta: Delta) -> int:
    """The stamp of what a delta says."""
    return max(delta.record.stamp, delta.record.touch)


def joined(state: Record | None, delta: Delta | None) -> Record | None:
    """`state` with `delta`, which is later. A changed state keeps the version of the row."""
    if delta is None:
        return state
    if delta.op == PUT:
        return register.join(state, delta.record)
    if delta.op == TOUCH:
        return register.touch(state, delta.record)
    return _changed(state, delta)


def _changed(state: Record | None, delta: Delta) -> Record | None:
    """`state` after a change: as of the moment at which it was made, as far as expiry goes."""
    record = delta.record
    if state is not None and state.type != record.type:
        return state  # the region will refuse it
    from tierstore.crdt.changes import change, is_gap

    now_ms = physical_ms(record.stamp)
    is_elsewhere = state is not None and state.payload == ELSEWHERE and state.is_live(now_ms)
    if is_elsewhere and delta.op != RESET:  # only existence and lifetime are asked for
        record = _without_payload(record)
    try:
        return change(state, record, resets=delta.op == RESET, now_ms=now_ms, actor=0)
    except DecodingError as error:
        if is_gap(error):  # what it was made on was left to an operator, or lost by a restore
            return state
        raise


def _without_payload(told: Record) -> Record:
    """What `told` says of lifetimes alone."""
    return Record(
        told.stamp, told.replica, None, told.expires_at_ms, told.touch, None, told.type,
        told.generation,
    )  # fmt: skip
