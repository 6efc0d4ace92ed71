"""Placement: every key has one copy that counts, and tiers hold nothing that nobody refers to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

NAME = "placement"


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of a key's value in one tier."""

    key: str
    tier: str
    is_authoritative: bool
    expires_at_ms: int | None = None
    """None if it never expires."""
    object_name: str | None = None
    """The object that holds it, if it lies in one."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of a cold tier."""

    name: str
    written_at_ms: int


def placement(
    rows: Iterable[Copy], objects: Iterable[StoredObject], now_ms: int, retain_ms: int
) -> Verdict:
    """Whether each key has exactly one authoritative copy and all its copies expire alike; whether
    every object that is referred to exists, and every other one is younger than `retain_ms`.

    All that is wrong is told as evidence, one line each.
    """
    copies, stored = list(rows), list(objects)
    by_key: dict[str, list[Copy]] = {}
    for copy in copies:
        by_key.setdefault(copy.key, []).append(copy)
    wrong = [line for key, part in by_key.items() for line in _wrong_copies(key, part)]
    wrong += _wrong_objects(copies, stored, now_ms - retain_ms)
    figures = {"keys": len(by_key), "copies": len(copies), "objects": len(stored)}
    if wrong:
        reason = f"{len(wrong)} copies or objects are not where they belong"
        return Verdict("invalid", NAME, reason, evidence=tuple(wrong), figures=figures)
    return Verdict("valid", NAME, "everything is where it belongs", figures=figures)


def _wrong_copies(key: str, copies: Sequence[Copy]) -> Iterator[str]:
    tiers = [copy.tier for copy in copies if copy.is_authoritative]
    if len(tiers) != 1:
        where = f", in {' and '.join(tiers)}" if tiers else ""
        yield f"{key} has {len(tiers)} authoritative copies{where}"
    if len({copy.expires_at_ms for copy in copies}) > 1:
        ends = ", ".join(f"{copy.expires_at_ms} in {copy.tier}" for copy in copies)
        yield f"the copies of {key} expire at different times: {ends}"


def _wrong_objects(
    copies: Iterable[Copy], objects: Sequence[StoredObject], oldest_ms: int
) -> Iterator[str]:
    names = {stored.name for stored in objects}
    used = {copy.object_name: copy for copy in copies if copy.object_name is not None}
    for name, copy in used.items():
        if name not in names:
            yield f"{copy.key} refers to object {name}, which does not exist"
    for stored in objects:
        if stored.name not in used and stored.written_at_ms < oldest_ms:
            yield f"object {stored.name} of {stored.written_at_ms} ms belongs to no key"
