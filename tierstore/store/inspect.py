"""What a store tells of itself: `explain`, `stats`, `check`."""

from __future__ import annotations

from tierstore.edge.entry import key_size
from tierstore.errors import TierStoreError, UnavailableError
from tierstore.record import Record, version
from tierstore.store.receipt import known_age_s, seconds_of
from tierstore.store.results import CheckReport, Explanation, Finding
from tierstore.units import format_duration, format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.replica.state import ReplicaState
    from tierstore.store.core import Core


def explain(core: Core, key: str, shown_key: str, timeout_s: float | None) -> Explanation:
    """Where `key` is and why; asks the region, and says so in `reasons` if it does not answer."""
    rule = core.rule_for(key)
    state = core.replica.state
    reasons: list[str] = []
    row_record = _region_record(core, key, timeout_s, reasons)
    with state.lock:
        entry = state.edge.resident.get(key)
        own = state.outbox.own_state(key)
        unflushed = own is not None or key in state.outbox.dirty
        copy = entry.record() if entry is not None else None
        age_s = known_age_s(state.age_s(entry)) if entry is not None else None
    record = copy or own or row_record
    now = state.now_ms()
    found = record is not None and record.is_live(now)
    reasons += _reasons(state, rule, key, entry, record, found)
    if unflushed:
        reasons.append("its last write here waits for the next flush")
    tiers = [t for t, has in (("edge", copy), ("regional", row_record)) if _live(has, now)]
    return Explanation(
        shown_key,
        rule.name,
        rule.type,
        rule.consistency,
        rule.durability,
        tuple(tiers),
        found,
        version(record) if found and record is not None else None,
        key_size(key) + len(record.payload or b"") if found and record is not None else None,
        age_s,
        seconds_of(record.expires_at_ms) if found and record is not None else None,
        entry.reads if entry is not None else 0,
        entry.writes if entry is not None else 0,
        unflushed,
        tuple(reasons),
    )


def stats(core: Core) -> dict[str, Any]:
    """Counts and sizes of this replica, as plain data; docs/operations.md explains each."""
    state = core.replica.state
    with state.lock:
        resident = len(state.edge.resident)
        numbers = {
            "replica": f"{state.replica:x}",
            "edge": {
                "entries": resident,
                "used_bytes": state.edge.used_bytes,
                "capacity_bytes": state.edge.capacity_bytes,
                "evicted": state.edge.evicted,
            },
            "outbox": {
                "unflushed": state.outbox.unflushed,
                "unflushed_bytes": state.outbox.unflushed_bytes,
                "acknowledged": state.outbox.acknowledged,
                "held": len(state.outbox.held),
                "quarantined": len(state.outbox.quarantined),
            },
            "region": {
                "reachable": state.link.reachable,
                "cursor": state.cursor,
                "skew_ms": state.link.skew_ms,
            },
            "counts": state.tally.as_dict(),
            "negatives": len(state.negatives) if state.negatives is not None else 0,
        }
    numbers["journal"] = _journal_stats(state)
    return numbers


def check(core: Core, timeout_s: float | None) -> CheckReport:
    """Whether the journal and the region can be used now, and what waits for an operator."""
    findings = [_try("journal", lambda: _check_journal(core))]
    findings.append(_try("region", lambda: _check_region(core, timeout_s)))
    if findings[-1].ok:
        findings.append(_try("operator", lambda: _check_aside(core, timeout_s)))
    adopter = core.replica.adopter
    for path, reason in (adopter.failures if adopter is not None else {}).items():
        findings.append(Finding(f"orphaned journal {path}", False, reason))
    return CheckReport(tuple(findings))


def _region_record(
    core: Core, key: str, timeout_s: float | None, reasons: list[str]
) -> Record | None:
    state = core.replica.state
    try:
        reply = state.link.call(
            lambda left_s: core.replica.region.read([key], state.replica, left_s),
            core.deadline(timeout_s),
        )
    except UnavailableError as exc:
        reasons.append(f"the region does not answer: {exc}")
        return None
    if key in reply.corrupt:
        reasons.append(f"the region's row is damaged: {reply.corrupt[key]}")
    row = reply.rows.get(key)
    return None if row is None else row.record


def _reasons(
    state: ReplicaState,
    rule: Rule,
    key: str,
    entry: Entry | None,
    record: Record | None,
    found: bool,
) -> list[str]:
    reasons = [f"rule {rule.name!r} is the first that matches"]
    if record is not None and found:
        reasons.append(_placement(state, rule, key, entry, record))
        reasons += _age_bound(rule)
    elif record is not None:
        reasons.append("it was deleted" if record.payload is None else "it has expired")
    return reasons


def _placement(
    state: ReplicaState, rule: Rule, key: str, entry: Entry | None, record: Record
) -> str:
    if not rule.place.allows("edge"):
        return "the rule keeps it away from the edge (place)"
    if not state.is_edge_allowed(rule, key_size(key) + len(record.payload or b"")):
        limit = format_size(rule.edge_max_value_bytes)
        return f"it is larger than edge.max_value ({limit}), so it is read through"
    if entry is None:
        return "it is not at the edge: not used here, or evicted for more useful keys"
    capacity = format_size(state.edge.capacity_bytes)
    return (
        "it is at the edge because it was read or written here and competes well for"
        f" edge.capacity ({capacity})"
    )


def _age_bound(rule: Rule) -> Iterator[str]:
    bounds = rule.read
    if bounds.max_age_s is not None:
        text = f"copies older than {format_duration(bounds.max_age_s)} are not served"
        if bounds.stale_if_error_s:
            more = format_duration(bounds.stale_if_error_s)
            text += f", but for up to {more} more while the region does not answer"
        yield text


def _live(record: Record | None, now_ms: int) -> bool:
    return record is not None and record.is_live(now_ms)


def _journal_stats(state: ReplicaState) -> dict[str, Any]:
    path, count, oldest_ms = None, 0, None
    if (journal := state.journal) is not None:
        path = journal.path
        with state.journal_lock:
            count, oldest_ms = journal.reach()
    return {
        "path": path,
        "retained_batches": count,
        "retained_since": seconds_of(oldest_ms),
        "corrupt_keys": sorted(state.corrupt),
    }


def _try(subject: str, probe: Any) -> Finding:
    try:
        return Finding(subject, True, probe())
    except TierStoreError as exc:
        return Finding(subject, False, str(exc), exc)


def _check_journal(core: Core) -> str:
    core.replica.open()
    if core.policy.edge.journal is None:
        return "none declared"
    state = core.replica.state
    if state.journal is None:
        return "nothing was journaled yet"
    if state.corrupt:
        raise TierStoreError(f"damaged unflushed writes of {sorted(state.corrupt)}")
    return f"{state.journal.path} is in use"


def _check_region(core: Core, timeout_s: float | None) -> str:
    registration = core.replica.state.link.register(core.deadline(timeout_s))
    core.replica.pull(timeout_s)
    info = registration.info
    return f"region {info.region}, incarnation {info.incarnation}, answers"


def _check_aside(core: Core, timeout_s: float | None) -> str:
    deadline = core.deadline(timeout_s)
    waiting = core.replica.region.aside(100, deadline.remaining_s())
    if waiting:
        keys = sorted({entry.key for entry in waiting})[:10]
        raise TierStoreError(f"{len(waiting)} writes were not merged, among them of {keys}")
    return "nothing waits for an operator"
