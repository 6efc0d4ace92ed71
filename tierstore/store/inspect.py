"""What a store tells of itself: `stats` and `check`."""

from __future__ import annotations

from tierstore.errors import TierStoreError
from tierstore.policy.model import is_tiered
from tierstore.store.coordinating import figures
from tierstore.store.coordinating import findings as coordinator_findings
from tierstore.store.receipt import seconds_of
from tierstore.store.results import CheckReport, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.moves import Overview
    from tierstore.replica.state import ReplicaState
    from tierstore.store.core import Core

NO_MOVES = dict.fromkeys(("demoted", "failed", "promoted", "raced", "swept"), 0)


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
                "retry_in_s": state.link.breaker.retry_in_s(),
                "cursor": state.cursor,
                "skew_ms": state.link.skew_ms,
            },
            "counts": state.tally.as_dict(),
            "negatives": len(state.negatives) if state.negatives is not None else 0,
        }
    if state.shared is not None:
        from tierstore.replica.shared import telling

        numbers["shared_edge"] = telling.stats(state.shared)
    numbers["journal"] = _journal_stats(state)
    overview = _overview(core)
    numbers["moves"] = _move_stats(core, overview)
    numbers["cold"] = _cold_stats(state, overview)
    keeper = core.replica.state.keeper
    numbers["escrow"] = None if keeper is None else keeper.figures()
    numbers["coordinator"] = figures(core)
    linking = core.replica.linking
    numbers["links"] = [] if linking is None else [figures.told() for figures in linking.figures()]
    return numbers


def check(core: Core, timeout_s: float | None) -> CheckReport:
    """Whether journal, region and coordinator can be used now, and what waits for an operator."""
    findings = [_try("journal", lambda: _check_journal(core))]
    if core.replica.state.shared is not None:
        findings = [_try("edge", lambda: _check_edge(core, timeout_s))]
    findings.append(_try("region", lambda: _check_region(core, timeout_s)))
    if findings[-1].ok:
        findings.append(_try("operator", lambda: _check_aside(core, timeout_s)))
        findings += _check_peers(core)
        if is_tiered(core.policy):
            findings += _check_cold(core, timeout_s)
    findings += coordinator_findings(core, timeout_s)
    adopter = core.replica.adopter
    for path, reason in (adopter.failures if adopter is not None else {}).items():
        findings.append(Finding(f"orphaned journal {path}", False, reason))
    return CheckReport(tuple(findings))


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


def _overview(core: Core) -> Overview | None:
    """What the region says of its cold tier, if keys may go there and it answers."""
    state = core.replica.state
    if not is_tiered(core.policy) or not state.link.reachable:
        return None
    try:
        deadline = core.deadline(None)
        state.link.register(deadline)
        ask = getattr(core.replica.region, "overview", None)
        if ask is None:
            return None
        overview: Overview = state.link.observed(lambda: ask(0, deadline.remaining_s()))
    except TierStoreError:
        return None
    return overview


def _move_stats(core: Core, overview: Overview | None) -> dict[str, Any]:
    moving = core.replica.moving
    return {
        **(NO_MOVES if moving is None else moving.tally),
        "is_mover": moving is not None and moving.is_mover,
        "last_error": None if moving is None else moving.last_error,
        "waiting": None if overview is None else overview.staying,
        "waiting_failed": None if overview is None else overview.failed,
    }


def _cold_stats(state: ReplicaState, overview: Overview | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "reachable": state.cold.failure is None,
        "retry_in_s": state.cold.breaker.retry_in_s(),
    }
    if overview is None:
        return told | dict.fromkeys(("objects", "dead_objects", "bytes", "live_ratio"))
    records = overview.records
    return told | {
        "objects": overview.objects,
        "dead_objects": overview.dead,
        "bytes": overview.size_bytes,
        "live_ratio": overview.live / records if records else None,
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


def _check_edge(core: Core, timeout_s: float | None) -> str:
    from tierstore.replica.shared import telling

    core.replica.open()
    shared = core.replica.state.shared
    assert shared is not None
    told = telling.check(shared, core.deadline(timeout_s))
    if shared.stopped:
        raise TierStoreError(f"queues of the edge stand still: {shared.stopped}")
    return told


def _check_region(core: Core, timeout_s: float | None) -> str:
    link = core.replica.state.link
    registration = link.register(core.deadline(timeout_s))
    if core.replica.state.shared is None:
        core.replica.pull(timeout_s)
    else:  # a pull needs the edge's server, too, which has a finding of its own
        link.read((), core.deadline(timeout_s))
    info = registration.info
    return f"region {info.region}, incarnation {info.incarnation}, answers"


def _check_aside(core: Core, timeout_s: float | None) -> str:
    deadline = core.deadline(timeout_s)
    waiting = core.replica.region.aside(100, deadline.remaining_s())
    lost = [f"of replica {e.replica:x} {e.reason}" for e in waiting if e.kind == "lost"]
    keys = sorted({entry.key for entry in waiting if entry.kind != "lost"})
    if keys:
        count = len(waiting) - len(lost)
        lost = [f"{count} writes were not merged, among them of {keys[:10]}", *lost]
    if lost:
        raise TierStoreError("; ".join(lost[:10]))
    return "nothing waits for an operator"


def _check_peers(core: Core) -> list[Finding]:
    linking = core.replica.linking
    if linking is None:
        return []
    try:
        found = linking.standings()
    except TierStoreError as exc:
        return [Finding("peers", False, str(exc), exc)]
    return [
        Finding(f"peer {standing.peer or standing.region}", standing.trouble is None,
                standing.trouble or standing.told)
        for standing in found
    ]  # fmt: skip


def _check_cold(core: Core, timeout_s: float | None) -> list[Finding]:
    from tierstore.store.probing import find_failed_moves, find_foreign, probe

    findings = [_try("cold tier", lambda: probe(core, timeout_s))]
    if findings[-1].ok:
        findings.append(_try("cold names", lambda: find_foreign(core, timeout_s)))
    return [*findings, _try("moves", lambda: find_failed_moves(core, core.replica, timeout_s))]
