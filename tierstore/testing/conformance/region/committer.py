"""Somebody who commits: the coordinator's calls in short."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.region.commits import (
    DATA,
    DELETE,
    EXTEND,
    PRIVATE,
    Cell,
    Check,
    Commit,
    Write,
)
from tierstore.region.operations import RANDOM_BYTES, mint
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S

if TYPE_CHECKING:
    from tierstore.region.commits import CommitReply, Coordinator, Version
    from tierstore.region.protocol import Region
    from tierstore.runtime import Runtime


class Committer:
    """Commits to one region, as it is told."""

    def __init__(self, region: Region, clock: Runtime) -> None:
        self.region = cast("Coordinator", region)
        self.clock = clock
        self._made = 0

    def operation(self, age_s: float = 0.0) -> str:
        """An operation id that was begun so long ago."""
        self._made += 1
        random = id(self) % 2**32 << 32 | self._made
        begun_ms = now_ms(self.clock) - round(age_s * 1000)
        return mint(begun_ms, random.to_bytes(RANDOM_BYTES, "big"))

    def commit(
        self,
        *items: Check | Write,
        operation_id: str = "",
        request: bytes = b"",
        answer: bytes = b"",
    ) -> CommitReply:
        """The answer to a commit of these checks and writes."""
        return self.region.commit(
            self.request(*items, operation_id=operation_id, request=request, answer=answer),
            TIMEOUT_S,
        )

    def request(
        self,
        *items: Check | Write,
        operation_id: str = "",
        request: bytes = b"",
        answer: bytes = b"",
    ) -> Commit:
        """A commit of these checks and writes, not sent."""
        checks = tuple(item for item in items if isinstance(item, Check))
        writes = tuple(item for item in items if isinstance(item, Write))
        return Commit(checks, writes, operation_id, request, answer)

    def put(self, key: str, payload: bytes = b"\x01", ttl_ms: int | None = None) -> Version:
        """The version of a key that is put."""
        version = self.commit(put(key, payload, ttl_ms)).version
        assert version is not None
        return version

    def payload(self, key: str) -> bytes | None:
        """The payload of the row of a key, None without one."""
        row = self.region.read([key], 0, TIMEOUT_S).rows.get(key)
        return None if row is None else row.record.payload

    def records(self, *keys: str) -> dict[str, bytes | None]:
        """The payloads of private records that are live."""
        rows = self.region.peek(keys, TIMEOUT_S).rows
        return {key: row.record.payload for key, row in rows.items()}


def cell(key: str) -> Cell:
    """A key; of tierstore's own if it begins with a colon."""
    return Cell(PRIVATE, key[1:]) if key.startswith(":") else Cell(DATA, key)


def absent(key: str) -> Check:
    """A key has no value."""
    return Check(cell(key), None)


def has(key: str, version: Version | None) -> Check:
    """A key has this version."""
    return Check(cell(key), version)


def put(key: str, payload: bytes = b"\x01", ttl_ms: int | None = None, **more: str) -> Write:
    """Replace what a key has; `more` is metadata."""
    return Write(cell(key), payload=payload, ttl_ms=ttl_ms, metadata=more or None)


def extend(key: str, ttl_ms: int | None) -> Write:
    """Give what a key has another lifetime."""
    return Write(cell(key), EXTEND, ttl_ms=ttl_ms)


def delete(key: str) -> Write:
    """Let a key be absent."""
    return Write(cell(key), DELETE)
