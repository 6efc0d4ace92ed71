"""What a journal file holds, read and checked as a whole when it is taken over.

SQLite checks neither its pages nor whether its WAL is complete, so the content says itself what
must be there: deltas are numbered without gaps, so are batches, and the header has a checksum.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierstore.errors import CorruptionError, TierStoreError
from tierstore.region.batch import CHANGE, Batch, Delta, Poisoned, decode_batch, decode_delta

if TYPE_CHECKING:
    import sqlite3

CHECKED_PAGES_MAX = 16_384  # 16 MiB
DAMAGED = "fails its checksum"
"""The reason under which unreadable writes are kept apart."""
EMPTY_HEADER: dict[str, Any] = {
    "replica": 0,
    "region": None,
    "stamp": 0,
    "acknowledged": 0,
    "digest": b"",
    "seq": 0,  # of the last delta that went into a batch
    "frozen": 0,  # the number of the last batch
}
# A damaged key need not be text.
_HELD = "SELECT CAST(key AS BLOB), delta, checksum FROM held"
_DELTAS = "SELECT seq, CAST(key AS BLOB), delta, checksum FROM deltas ORDER BY seq"
_QUARANTINE = "SELECT CAST(key AS BLOB), delta, reason FROM quarantine ORDER BY id"
_BATCHES = (
    "SELECT number, digest, body, size FROM batches"
    " WHERE number > ? AND acknowledged_ms IS NULL ORDER BY number"
)
_UNREADABLE = "an unflushed write in the journal fails its checksum"


@dataclass(slots=True)
class FrozenBatch:
    """A batch as the journal keeps it; `batch` is None where the body must not touch the disk."""

    number: int
    digest: bytes
    batch: Batch | None


@dataclass(slots=True)
class JournalState:
    """All that a journal knows when it is opened."""

    replica: int
    region: str | None
    """The id of the only region that may get these deltas; None before first contact."""
    stamp: int
    """No lower stamp may ever be issued again."""
    acknowledged: int
    """The number of the last batch that the region acknowledged."""
    digest: bytes
    """Its digest."""
    deltas: list[Delta] = field(default_factory=list)
    last_seq: int = 0
    batches: list[FrozenBatch] = field(default_factory=list)
    held: list[Delta] = field(default_factory=list)
    quarantined: dict[str, int] = field(default_factory=dict)
    """Keys with a write that the region refused for good, and the stamp of that write."""
    corrupt: dict[str, str] = field(default_factory=dict)
    """Keys whose unflushed delta fails its checksum, with the reason."""

    @property
    def unflushed(self) -> int:
        """How many deltas and batches the region may not have."""
        return len(self.deltas) + len(self.batches)


def load_content(connection: sqlite3.Connection, path: str) -> JournalState:
    """All that the journal at `path` holds. Raises CorruptionError naming it."""
    try:
        return _load(connection, path)
    except (TypeError, ValueError) as exc:  # a damaged type code makes text of a BLOB
        raise damaged(path, str(exc)) from exc


def _load(connection: sqlite3.Connection, path: str) -> JournalState:
    _check_pages(connection, path)
    header = load_header(connection, path)
    state = JournalState(
        header["replica"],
        header["region"],
        header["stamp"],
        header["acknowledged"],
        header["digest"],
    )
    _load_quarantine(connection, state)
    _load_deltas(connection, state, path, header["seq"])
    for key, raw, checksum in connection.execute(_HELD):
        _load_delta(state, state.held, key, raw, checksum)
    for number, digest, body, size in connection.execute(_BATCHES, (state.acknowledged,)):
        if type(digest) is not bytes or size != len(body or b""):
            raise damaged(path, f"batch {number} is not as it was written")
        state.batches.append(load_batch(number, digest, body, path))
    expected = range(state.acknowledged + 1, header["frozen"] + 1)
    if [batch.number for batch in state.batches] != list(expected):
        raise damaged(path, "it lost a batch")
    return state


def load_header(connection: sqlite3.Connection, path: str) -> dict[str, Any]:
    """The values of the table `meta`, checked. Raises CorruptionError naming `path`."""
    header = dict(connection.execute("SELECT name, value FROM meta"))
    if header.pop("seal", None) != seal(header) or header.keys() != EMPTY_HEADER.keys():
        raise damaged(path, "its header fails its checksum")
    return header


def seal(header: dict[str, Any]) -> int:
    """The checksum of a header."""
    return zlib.crc32(repr(sorted(header.items())).encode())


def damaged(path: str, how: str) -> CorruptionError:
    """The error that says what is wrong with the journal at `path` as a whole."""
    return CorruptionError(
        f"journal {path} is damaged: {how}. Move it away to go on without its content",
        tier="edge",
        object=path,
    )


def _load_deltas(
    connection: sqlite3.Connection, state: JournalState, path: str, last_seq: int
) -> None:
    state.last_seq = last_seq
    for seq, key, raw, checksum in connection.execute(_DELTAS):
        if seq != state.last_seq + 1:
            raise damaged(path, "it lost a write")
        state.last_seq = seq
        _load_delta(state, state.deltas, key, raw, checksum)


def _load_quarantine(connection: sqlite3.Connection, state: JournalState) -> None:
    for raw_key, raw, reason in connection.execute(_QUARANTINE):
        key = raw_key.decode(errors="replace")
        delta = decode_delta(raw, state.replica)
        if reason == DAMAGED:
            state.corrupt.setdefault(key, _UNREADABLE)
        elif isinstance(delta, Delta):
            state.quarantined[key] = max(delta.record.stamp, delta.record.touch)


def _check_pages(connection: sqlite3.Connection, path: str) -> None:
    """Find damage that would hide rows; only in small files, as it reads all of them."""
    if connection.execute("PRAGMA page_count").fetchone()[0] > CHECKED_PAGES_MAX:
        return
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise damaged(path, found)


def _load_delta(
    state: JournalState, into: list[Delta], key: bytes, raw: bytes, checksum: int
) -> None:
    """Take a delta in. It names its key itself, so the column matters only if it is damaged."""
    sound = type(raw) is bytes and checksum == zlib.crc32(raw)
    delta = decode_delta(raw, state.replica) if sound else None
    if delta is None or isinstance(delta, Poisoned):
        state.corrupt[key.decode(errors="replace")] = _UNREADABLE
        return
    if delta.op != CHANGE:  # which adds to the damaged one; others replace it
        state.corrupt.pop(delta.key, None)
    into.append(delta)


def load_batch(number: int, digest: bytes, body: bytes | None, path: str) -> FrozenBatch:
    """A batch as it was stored. Raises CorruptionError naming `path` if it is damaged."""
    if body is None:
        return FrozenBatch(number, digest, None)
    try:
        batch = decode_batch(body)
    except TierStoreError as exc:
        raise damaged(path, f"batch {number} is not readable") from exc
    if batch.digest != digest or batch.number != number:
        raise damaged(path, f"batch {number} fails its digest")
    return FrozenBatch(number, digest, batch)
