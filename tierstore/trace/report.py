"""What a replay measured: as data, and as lines for people."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tierstore.units import format_size

if TYPE_CHECKING:
    from typing import Any

    from tierstore.store.results import Explanation

    Row = tuple[str, int | None, str]

_TIERS = {
    "edge": ("answered by the edge", "from memory next to the handler"),
    "regional": ("answered by the region", "one look-up in its database"),
    "cold": ("answered by the cold tier", "fetched from an object"),
    "absent": ("found absent", "no such key"),
}


@dataclass(frozen=True, slots=True)
class ReplicaReport:
    """One replica's part: reads by the tier that served them, and what it exchanged."""

    replica: str
    reads: int
    edge: int
    regional: int
    cold: int
    absent: int
    writes: int
    flushed: int
    batches: int
    """In which the flushed writes were carried to the region."""
    refreshed: int
    """Copies that a pull brought up to date, because another replica had written them."""
    lost_races: int
    """Writes that lost to a later one of another replica before they reached the region."""
    evicted: int


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """The figures of a replay; docs/replay.md explains each."""

    requests: int
    gets: int
    sets: int
    deletes: int
    wrong_reads: int | None
    """None if nothing was verified."""
    hits: dict[str, int]
    edge_hit_ratio: float
    moves: dict[str, int]
    requests_per_s: float
    duration_s: float
    span_s: float
    preloaded: int
    replicas: int
    skipped: int
    first_skipped: str | None
    edge_capacity_bytes: int
    scale: float
    peak_rss_mb: float
    per_replica: tuple[ReplicaReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """All fields as plain data, ready for JSON."""
        return asdict(self)


def render_report(report: ReplayReport) -> str:
    """The report as lines of text."""
    lines = [*_table(report), "", _speed(report)]
    if report.scale != 1.0:
        lines.append(f"Sizes and capacities were scaled by {report.scale:.4g}.")
    if report.skipped:
        lines.append(
            f"{report.skipped:,} malformed rows skipped; the first: {report.first_skipped}"
        )
    return "\n".join(lines)


def render_demo(report: ReplayReport, explanation: Explanation) -> str:
    """The demo's result as lines of text that need no knowledge of tierstore."""
    capacity = format_size(report.edge_capacity_bytes)
    lines = [
        f"{report.requests:,} requests, {_span(report.span_s)} of a cache cluster at Twitter,",
        f"dealt to {report.replicas} replicas that share a region. Each edge keeps {capacity} in",
        "memory; the region, a SQLite database, knows every key and holds what is in use;",
        "what is used less than once a minute goes cold, packed into files, until it is again.",
        "",
        *_table(report),
        "",
        _speed(report),
        "",
        f"Why a key is where it is, says store.explain({explanation.key!r}):",
        "",
        str(explanation),
    ]
    return "\n".join(lines)


def _table(report: ReplayReport) -> list[str]:
    rows = [*_served(report), *_writes(report)]
    if any(report.moves.values()):
        demoted, promoted = report.moves["demoted"], report.moves["promoted"]
        rows += [
            ("Keys that went cold", demoted, "packed, some hundred together, into objects"),
            ("Keys that came back", promoted, "because they were used again"),
        ]
    return [_line(*row) for row in rows]


def _speed(report: ReplayReport) -> str:
    return (
        f"{_span(report.span_s)} of traffic in {report.duration_s:.1f} s, reading and verifying"
        f" included: {report.requests_per_s:,.0f} requests/s, at most"
        f" {report.peak_rss_mb:,.0f} MiB of memory"
    )


def _served(report: ReplayReport) -> list[Row]:
    rows: list[Row] = [("Reads", report.gets, "")]
    for tier, count in report.hits.items():
        if count or tier in ("edge", "regional"):
            label, note = _TIERS[tier]
            rows.append((f"  {label}", count, f"{_share(count, report.gets)}  {note}"))
    is_verified = report.wrong_reads is not None
    note = "every read was compared with a model" if is_verified else "nothing was verified"
    rows.append(("Wrong reads", report.wrong_reads, note))
    return rows


def _writes(report: ReplayReport) -> list[Row]:
    parts = report.per_replica
    flushed, batches = sum(part.flushed for part in parts), sum(part.batches for part in parts)
    rows: list[Row] = [
        ("Writes", report.sets + report.deletes, "acknowledged at the edge"),
        ("  carried to the region", flushed, f"in {batches:,} batches"),
    ]
    if report.replicas > 1:
        rows += [
            (
                "  brought to the other",
                sum(part.refreshed for part in parts),
                "copies renewed, because another replica had written the key",
            ),
            (
                "  overtaken",
                sum(part.lost_races for part in parts),
                "by a later write of another replica, before they were carried",
            ),
        ]
    return rows


def _line(label: str, count: int | None, note: str) -> str:
    shown = "-" if count is None else f"{count:,}"
    return f"{label:<25}{shown:>11}   {note}".rstrip()


def _share(count: int, total: int) -> str:
    return f"{count / total if total else 0.0:6.1%}"


def _span(span_s: float) -> str:
    return f"{span_s / 60:,.0f} minutes" if span_s >= 120 else f"{span_s:,.0f} seconds"
