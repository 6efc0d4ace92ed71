"""What verbs return besides values."""

from __future__ import annotations

from tierstore.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from tierstore.errors import TierStoreError


@frozen
class Reading:
    """A value and its receipt: where it came from and how old it may be."""

    value: Any
    found: bool
    version: str | None
    """Opaque, for equality only; None if absent."""
    tier: str | None
    """"edge", "regional" or "cold": the tier that answered; None if absent."""
    age_s: float | None
    """How far the answer may lag behind the region; None if never compared with it."""
    expires_at: float | None
    """Seconds since the epoch."""
    metadata: Mapping[str, str]
    rule: str
    replica: str
    stale: bool
    """Whether it is older than `max_age`, served because the region is unreachable."""


@frozen
class Entry:
    """One key of a scan. `value` is None if the scan was asked for none."""

    key: str
    value: Any
    version: str
    expires_at: float | None
    metadata: Mapping[str, str]


@frozen
class Page:
    """Some entries of a scan. `cursor` continues it later, None after the last page."""

    entries: tuple[Entry, ...]
    cursor: str | None


@frozen
class Explanation:
    """Why a key is where it is and what is declared for it. `str()` reads as a report."""

    key: str
    rule: str
    type: str
    consistency: str
    durability: str
    tiers: tuple[str, ...]
    """The tiers that hold a copy, the authoritative one last."""
    found: bool
    version: str | None
    size_bytes: int | None
    age_s: float | None
    expires_at: float | None
    reads: int
    """Reads of the resident copy since it came here."""
    writes: int
    unflushed: bool
    """Whether a write of it waits for the region."""
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        where = " and ".join(self.tiers)
        where = where or ("on its way to the region" if self.unflushed else "nowhere")
        lines = [
            f"{self.key}: {'found' if self.found else 'absent'}, {where}",
            f"  rule         {self.rule} ({self.type}, {self.consistency}, {self.durability})",
            f"  size         {'-' if self.size_bytes is None else f'{self.size_bytes} bytes'}",
            f"  version      {self.version or '-'}",
            f"  age          {self._told_age()}",
            f"  expires      {self._told_expiry()}",
            f"  use here     {self.reads} reads, {self.writes} writes",
            f"  waiting      {'a write for the region' if self.unflushed else 'nothing'}",
        ]
        return "\n".join([*lines, *(f"  because      {reason}" for reason in self.reasons)])

    def _told_age(self) -> str:
        if "edge" not in self.tiers:
            return "-"
        if self.age_s is None:
            return "not compared with the region yet"
        return f"at most {self.age_s:.3g} s behind the region"

    def _told_expiry(self) -> str:
        if self.expires_at is None:
            return "never" if self.found else "-"
        from datetime import UTC, datetime

        return datetime.fromtimestamp(self.expires_at, UTC).isoformat(timespec="milliseconds")


@frozen
class Finding:
    """One result of `store.check()`."""

    subject: str
    ok: bool
    detail: str
    error: TierStoreError | None = None
    """What was raised where it looked, if that is why it is not ok."""


@frozen
class CheckReport:
    """What `store.check()` found; `ok` if all is well."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every finding is."""
        return all(finding.ok for finding in self.findings)


@frozen
class Maintenance:
    """What `store.maintain()` could not do: empty if everything is done."""

    failures: tuple[TierStoreError, ...]

    @property
    def ok(self) -> bool:
        """Whether every step succeeded."""
        return not self.failures


if TYPE_CHECKING:
    Outcome = Literal["applied", "pending", "quarantined", "unknown"]
