"""What several entries of a queue come to: deltas of one batch, one a key.

Entries are never joined where they wait: a drainer may have sent them already. So composition
happens here, at the draining worker, which can join documents, as no script of a server could.
"""

from __future__ import annotations

from tierstore.crdt.types import type_of
from tierstore.edge.typed import told
from tierstore.errors import DecodingError
from tierstore.record import Record
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.replica.changing import change_of
from tierstore.replica.overlay import as_one, joined
from tierstore.stamp import physical_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.region.shared import Queued, Waiting


def gather(
    entries: Iterable[Queued], origin: int, *, composes: bool = True
) -> tuple[list[Delta], list[Queued]]:
    """The deltas that the first of `entries` come to, and which of them these are.

    They end where two of one key cannot be told as one: the later one begins the next batch. That
    is so for any two unless one `composes`.
    """
    deltas: dict[str, Delta] = {}
    taken: list[Queued] = []
    for entry in entries:
        assert entry.delta is not None
        delta = signed(entry.delta, origin)
        before = deltas.get(delta.key)
        both = delta if before is None else (composed(before, delta) if composes else None)
        if both is None:
            break
        deltas[delta.key] = both
        taken.append(entry)
    return list(deltas.values()), taken


def signed(delta: Delta, origin: int) -> Delta:
    """`delta`; a change as one of `origin`, whichever worker made it.

    What one worker adds, another may discard before either knows which dot it gets.
    """
    if delta.op < CHANGE:
        return delta
    made = delta.record
    record = Record(
        made.stamp, origin, made.payload, made.expires_at_ms, made.touch, None, made.type,
        made.generation,
    )  # fmt: skip
    return Delta(delta.key, delta.op, record)


def composed(first: Delta, second: Delta) -> Delta | None:
    """One delta that does what `first` and then `second` do; None if none can."""
    if first.op < CHANGE and second.op < CHANGE:
        return as_one(first, second)
    if min(first.op, second.op) < CHANGE or first.record.type != second.record.type:
        return None
    type_ = type_of(first.record.type)
    try:
        change, later = change_of(first, type_), change_of(second, type_)
        if change.is_over(physical_ms(second.record.stamp)):
            return None  # two lives of the key
        both = change.then(later, type_)
        stamp = max(first.record.stamp, second.record.stamp)
        record = told(both, type_, stamp, second.record.replica)
    except DecodingError:
        return None  # the region keeps aside what cannot be understood, and that alone
    return Delta(first.key, RESET if both.resets else CHANGE, record)


def shown(
    record: Record | None, applied: int, of: int, waiting: Iterable[Waiting], origin: int
) -> Record | None:
    """A row that has what waits under the identity `of` up to `applied`, with all else that waits.

    What cannot be applied is left out: the region will keep it aside.
    """
    for one in waiting:
        if one.replica == of and one.number <= applied:
            continue
        try:
            record = joined(record, signed(one.delta, origin))
        except DecodingError:
            continue
    return record
