"""Operation ids: how a commit that is sent again takes effect once.

An id that tierstore makes contains the coordinator's time at which the operation was begun. What
became of it is kept, by the transaction of the commit itself, for `WINDOW_MS` from then on; and an
id that is older is refused, so nothing is ever done again because its record was forgotten. An id
that a caller chose says no time; its record is kept for `NAMED_MS` from the commit on, and after
that the same id begins another operation.

A record is of one request. The same id with another one is refused, which tells a caller who mixes
up ids from one who repeats.
"""

from __future__ import annotations

from _blake2 import blake2b
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import InvalidArgumentError
from tierstore.region.commits import CommitReply, Version
from tierstore.units import shown

if TYPE_CHECKING:
    from tierstore.region.commits import Commit, Write

WINDOW_MS = 3_600_000
NAMED_MS = 86_400_000
AHEAD_MS_MAX = 300_000
"""An id from further in the future is refused: its record would be kept for as long."""
NAME_BYTES_MAX = 200
RANDOM_BYTES = 8
DIGEST_BYTES = 16
ABANDONED = Version(0, 0)
"""Stands in a record for an operation that has not happened, and is to happen no more."""
_MADE, _QUEUED = "s1-", ("o1-", "o2-")


@dataclass(frozen=True, slots=True)
class Operation:
    """What is kept of one operation."""

    digest: bytes
    version: Version
    expires_ms: int
    answer: bytes = b""


def mint(begun_ms: int, random: bytes) -> str:
    """The id of an operation that begins at that time of the coordinator."""
    return f"{_MADE}{begun_ms:x}-{random.hex()}"


def begun_ms(operation_id: str) -> int | None:
    """When an operation was begun, None if its caller named it."""
    if not operation_id.startswith(_MADE):
        return None
    begun, separator, random = operation_id.removeprefix(_MADE).partition("-")
    try:
        if separator and len(bytes.fromhex(random)) == RANDOM_BYTES:
            return int(begun, 16)
    except ValueError:
        pass
    raise InvalidArgumentError(f"{shown(operation_id)} is not an operation id")


def check_name(name: object) -> str:
    """An operation id that a caller may choose. Raises InvalidArgumentError."""
    if not isinstance(name, str) or not name or not name.isprintable():
        raise InvalidArgumentError(f"an operation id is printable text, got {shown(name)}")
    if len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES_MAX:
        raise InvalidArgumentError(f"an operation id has at most {NAME_BYTES_MAX} bytes")
    if name.startswith((_MADE, *_QUEUED)):
        raise InvalidArgumentError(
            f"{shown(name)} looks like an id that tierstore makes: choose another prefix"
        )
    return name


def digest_request(commit: Commit) -> bytes:
    """The 16-byte digest of what a commit asks for, whatever its operation id."""
    if commit.request:
        return blake2b(commit.request, digest_size=DIGEST_BYTES).digest()
    checks = [(*check.cell, check.version and tuple(check.version)) for check in commit.checks]
    digest = blake2b(digest_size=DIGEST_BYTES)
    digest.update(ascii((checks, [_told(write) for write in commit.writes])).encode())
    for write in commit.writes:
        digest.update(write.payload or b"")
    return digest.digest()


def _told(write: Write) -> tuple[object, ...]:
    """What a write says, as data that `ascii` tells apart, but for its payload."""
    size_bytes = None if write.payload is None else len(write.payload)
    metadata = sorted(write.metadata.items()) if write.metadata else None
    return *write.cell, write.op, size_bytes, write.ttl_ms, metadata


def expiry_ms(operation_id: str, now_ms: int) -> int:
    """Until when the record of an operation that is committed now has to be kept."""
    begun = begun_ms(operation_id)
    return now_ms + NAMED_MS if begun is None else begun + WINDOW_MS


def judge(
    found: Operation | None, commit: Commit, incarnation: int, now_ms: int
) -> CommitReply | None:
    """The answer to a commit whose id has `found` on record; None if it is to be carried out."""
    begun = begun_ms(commit.operation_id)
    if begun is not None and begun + WINDOW_MS < now_ms:
        return CommitReply("late", incarnation, now_ms)
    if found is not None and found.expires_ms >= now_ms:
        if found.version == ABANDONED:
            return CommitReply("late", incarnation, now_ms)
        if found.digest != digest_request(commit):
            return CommitReply("reused", incarnation, now_ms)
        return _repeated(found, incarnation, now_ms)
    if begun is not None and begun > now_ms + AHEAD_MS_MAX:
        return CommitReply("early", incarnation, now_ms)
    return None


def settle(
    found: Operation | None, operation_id: str, incarnation: int, now_ms: int
) -> CommitReply:
    """What became of an operation: "committed", "abandoned", "late", "early".

    If there is no record and it is "abandoned", the adapter has to keep one, of `ABANDONED`.
    """
    begun = begun_ms(operation_id)
    if begun is not None and begun + WINDOW_MS < now_ms:
        return CommitReply("late", incarnation, now_ms)
    if found is not None and found.expires_ms >= now_ms:
        if found.version != ABANDONED:
            return _repeated(found, incarnation, now_ms)
        return CommitReply("abandoned", incarnation, now_ms)
    return CommitReply("early" if begun is None else "abandoned", incarnation, now_ms)


def _repeated(found: Operation, incarnation: int, now_ms: int) -> CommitReply:
    version, answer = found.version, found.answer
    return CommitReply("committed", incarnation, now_ms, version, repeated=True, answer=answer)
