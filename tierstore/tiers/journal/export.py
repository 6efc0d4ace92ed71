"""What journals hold that the region may not have, as plain data: nothing sealed in them is lost.

For journals that nothing will flush any more: of a fenced replica, or of a region that is gone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore import values
from tierstore.crdt.types import is_typed, type_of
from tierstore.errors import TierStoreError, UnavailableError
from tierstore.record import COUNTER, SET, TYPE_CODES
from tierstore.region.batch import CHANGE, RESET, TOUCH, Delta, Poisoned
from tierstore.stamp import physical_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.tiers.journal.directory import JournalDirectory
    from tierstore.tiers.journal.file import JournalFile

MS_PER_S = 1000
_TYPE_NAMES = {code: name for name, code in TYPE_CODES.items()}


@dataclass(frozen=True, slots=True)
class Unflushed:
    """A write of which it is not known that the region has it."""

    file: str
    replica: str
    batch: int | None
    """The number of the batch that it was sealed in, and perhaps sent; None: in none yet."""
    key: str
    type: str
    verb: str
    """"put", "delete", "touch", "change", or "damaged" if it cannot be read."""
    value: Any
    """Of a put. Of a change what it does: `{"add": n}` to a counter, `{"add": […], "discard": […]}`
    to a set, an update of Yjs to a document."""
    metadata: dict[str, str] | None
    written_at: float
    """In seconds since the epoch."""
    expires_at: float | None


def export(directory: JournalDirectory, path: str | None = None) -> Iterator[Unflushed]:
    """The unflushed writes of the file at `path`, or of all in the directory that are not in use.

    In the order in which they were made, file by file. Changes nothing. Raises UnavailableError if
    the file at `path` is in use or not there, CorruptionError naming one that is damaged.
    """
    journals = directory.orphans() if path is None else iter([_open(directory, path)])
    for journal in journals:
        try:
            yield from _export(journal)
        finally:
            journal.close()


def _open(directory: JournalDirectory, path: str) -> JournalFile:
    if not os.path.isfile(path):
        raise UnavailableError(f"there is no journal {path}")
    journal = directory.open_file(path)
    if journal is None:
        raise UnavailableError(f"journal {path} is in use: end the process that has it first")
    return journal


def _export(journal: JournalFile) -> Iterator[Unflushed]:
    state = journal.load(0)
    for frozen in state.batches:
        for delta in [] if frozen.batch is None else frozen.batch.deltas:
            yield _unflushed(journal.path, state.replica, frozen.number, delta)
    for delta in state.deltas:
        yield _unflushed(journal.path, state.replica, None, delta)


def _unflushed(path: str, replica: int, number: int | None, delta: Delta | Poisoned) -> Unflushed:
    if isinstance(delta, Poisoned):
        return Unflushed(
            path, f"{replica:x}", number, delta.key, "", "damaged", delta.raw, None, 0.0, None
        )
    record = delta.record
    expires_ms = record.expires_at_ms
    return Unflushed(
        file=path,
        replica=f"{replica:x}",
        batch=number,
        key=delta.key,
        type=_TYPE_NAMES.get(record.type, str(record.type)),
        verb=_verb(delta),
        value=_value(delta),
        metadata=record.metadata,
        written_at=physical_ms(max(record.stamp, record.touch)) / MS_PER_S,
        expires_at=None if expires_ms is None else expires_ms / MS_PER_S,
    )


def _verb(delta: Delta) -> str:
    if delta.op == TOUCH:
        return "touch"
    if delta.record.payload is None:
        return "touch" if delta.op == CHANGE else "delete"
    return "change" if delta.op in (CHANGE, RESET) else "put"


def _value(delta: Delta) -> Any:
    payload = delta.record.payload
    if not payload:
        return None
    try:
        return _change(delta) if delta.op in (CHANGE, RESET) else values.decode(payload)
    except TierStoreError:
        return payload


def _change(delta: Delta) -> Any:
    payload, code = delta.record.payload, delta.record.type
    if not payload or not is_typed(code):
        return payload
    if code == COUNTER:
        added, taken = type_of(code).decode_delta(payload)
        return {"add": added - taken}
    if code == SET:
        told = type_of(code).decode_delta(payload)
        added_elements = [element for element, (is_added, _) in told.items() if is_added]
        gone = [element for element, (is_added, _) in told.items() if not is_added]
        return {"add": added_elements, "discard": gone}
    return payload
