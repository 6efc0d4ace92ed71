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
class Change:
    """A key that changed, and where to go on after it.

    `kind` is "put" (written, or given another lifetime) or "delete" (or expired by now).
    """

    key: str
    kind: Literal["put", "delete"]
    version: str
    cursor: str


@frozen
class Gap:
    """Some changes cannot be told any more: read again what you keep. Goes on at `cursor`."""

    cursor: str


@frozen
class Explanation:
    """Why a key is where it is and what is declared for it. `str()` reads as a report.

    Times are seconds since the epoch, rates accesses per second. What is None is not known, does
    not apply, or, for a key without a value, is no longer of interest.
    """

    key: str
    rule: str
    type: str
    consistency: str
    durability: str
    tiers: tuple[str, ...]
    """The tiers that hold the value, the authoritative one last."""
    home: str | None
    """Where the authoritative value stands: "regional" or "cold"."""
    object: str | None
    """The object of the cold tier that holds it."""
    found: bool
    version: str | None
    size_bytes: int | None
    """Bytes of key and encoded value."""
    age_s: float | None
    """How far the copy at this edge may lag behind the region."""
    expires_at: float | None
    reads: int
    """Reads of the resident copy since it came here."""
    writes: int
    unflushed: bool
    """Whether a write of it waits for the region."""

    # How hot it is, and how hot is hot

    edge_reads_per_s: float | None
    """As this edge counts, with decay."""
    edge_writes_per_s: float | None
    accesses_per_s: float | None
    """Reads and writes of all edges, as far as they told the region; decayed to now."""
    hot_per_s: float | str
    """From how many reads on a copy is made at the edge, or "auto"."""
    cold_per_s: float | str
    """Below how many accesses it goes cold, or "never"."""
    hysteresis: float
    min_residency_edge_s: float
    min_residency_regional_s: float
    max_write_ratio: float

    # Its clocks

    created_at: float | None
    """When the region got the key."""
    written_at: float | None
    """The time in the stamp of its last write."""
    accessed_at: float | None
    """When the region was last told of accesses, or of the first write."""
    entered_at: float | None
    """When the value came to its home tier."""

    # Its moves

    moves: int | None
    """How often it was moved between the regional and the cold tier."""
    wanted: str | None
    """The tier where its value should be, if that is another than `home`."""
    last_error: str | None
    """Why it is not there, if that was tried."""
    tries: int
    """How often a mover meant to move it there; with `movement.mode: plan` it only means to."""
    tried_at: float | None
    next_try_at: float | None
    review_at: float | None
    """When a mover looks at it next, or would have to, if nobody uses it until then."""

    reasons: tuple[str, ...]

    def __str__(self) -> str:
        from tierstore.store.telling import tell

        return tell(self)


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
    Outcome = Literal["applied", "pending", "quarantined", "abandoned", "unknown"]
