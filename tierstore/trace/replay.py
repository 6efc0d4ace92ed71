"""Replaying a trace: real stores, driven in the trace's own time, every read checked if wished."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tierstore.policy import load
from tierstore.runtime import Runtime
from tierstore.trace.drive import Drive
from tierstore.trace.model import MISSING, SharedModel
from tierstore.trace.options import Options
from tierstore.trace.report import ReplayReport, ReplicaReport
from tierstore.trace.staging import Stage
from tierstore.trace.survey import again, survey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.policy import PolicyLike
    from tierstore.store.store import Store
    from tierstore.trace.drive import Counts
    from tierstore.trace.options import Progress
    from tierstore.trace.survey import Survey


def replay(
    trace: str | os.PathLike[str],
    policy: PolicyLike = None,
    *,
    verify: bool = False,
    value_cap: int | None = None,
    preload: bool = True,
    limit: int | None = None,
    replicas: int = 1,
    base_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    skip_bad: bool = False,
) -> ReplayReport:
    """What happened when the requests of `trace` met real stores under `policy`.

    Time is the trace's: a virtual clock, on which background steps run at their intervals. Where
    the region or the edge is a server, which has a clock of its own, time is the real one and
    requests follow each other at once. The region (if SQLite) and the journals lie in a temporary
    directory, or in `base_dir`. Every key that the trace reads before writing it is in the region
    first, unless `preload` is False. Values are generated: key and encoded value have the trace's
    size. `value_cap` bounds the largest, in bytes: all sizes, `edge.capacity` and `edge.max_value`
    shrink by one factor. With several `replicas`, requests are dealt to them in turn.
    `progress(stage, done, total)` is called now and then; stages are "reading", "loading" and
    "replaying".

    Raises TraceError, PolicyError, InvalidArgumentError, and what the verbs of a store raise.
    """
    options = Options(verify, value_cap, preload, limit, replicas, base_dir, progress, skip_bad)
    with Replay(trace, policy, options) as session:
        return session.run()


class Replay:
    """A replay whose stores stay open, for a look at them, until it is left."""

    def __init__(self, trace: str | os.PathLike[str], policy: PolicyLike, options: Options) -> None:
        self.trace = os.fsdecode(trace)
        self.options = options
        self._policy = load(policy)
        self._stage: Stage | None = None

    def __enter__(self) -> Replay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stage is not None:
            self._stage.close()

    @property
    def stores(self) -> Sequence[Store]:
        """The replicas, once `run` has begun."""
        return self._stage.stores if self._stage is not None else ()

    def run(self) -> ReplayReport:
        """Replay the trace; once."""
        options, clock = self.options, Runtime()
        options.tell("reading", 0, 0)
        found = survey(self.trace, limit=options.limit, skip_bad=options.skip_bad)
        self._stage = stage = Stage(self._policy, options, found)
        drive = Drive(stage, found.first_s)
        requests = again(self.trace, limit=options.limit, skip_bad=options.skip_bad)
        started_s = clock.monotonic()
        drive.run(requests, lambda done: options.tell("replaying", done, found.requests))
        duration_s = clock.monotonic() - started_s
        parts = _settle(stage, drive.counts)
        drive.counts.wrong += _disagreements(stage)
        return _report(stage, drive.counts, found, parts, duration_s)


def _report(
    stage: Stage,
    counts: Counts,
    found: Survey,
    parts: tuple[ReplicaReport, ...],
    duration_s: float,
) -> ReplayReport:
    gets = sum(part.reads for part in parts)
    hits = {
        "edge": sum(part.edge for part in parts),
        "regional": sum(part.regional for part in parts),
        "cold": sum(part.cold for part in parts),
        "absent": sum(part.absent for part in parts),
    }
    return ReplayReport(
        requests=counts.requests,
        gets=gets,
        sets=sum(counts.sets),
        deletes=counts.deletes,
        wrong_reads=counts.wrong if stage.model is not None else None,
        hits=hits,
        edge_hit_ratio=hits["edge"] / gets if gets else 0.0,
        moves=_moves(stage.stores),
        requests_per_s=counts.requests / duration_s if duration_s else 0.0,
        duration_s=duration_s,
        span_s=found.span_s,
        preloaded=stage.preloaded,
        replicas=len(parts),
        skipped=found.skipped,
        first_skipped=found.first_error,
        edge_capacity_bytes=stage.policy.edge.capacity_bytes,
        scale=stage.scale,
        peak_rss_mb=_peak_rss_mb(),
        per_replica=parts,
    )


def _settle(stage: Stage, counts: Counts) -> tuple[ReplicaReport, ...]:
    """Each replica's figures, after everything was flushed and pulled."""
    for store in stage.stores:
        store.flush()
    for store in stage.stores:
        store._core.replica.pull()
    return tuple(_part(store, counts, turn) for turn, store in enumerate(stage.stores))


def _part(store: Store, counts: Counts, turn: int) -> ReplicaReport:
    state = store._core.replica.state
    reads, absent = counts.reads[turn], counts.absent[turn]
    regional, cold = state.tally.regional, state.tally.cold
    return ReplicaReport(
        replica=f"{state.replica:x}",
        reads=reads,
        edge=reads - absent - regional - cold,
        regional=regional,
        cold=cold,
        absent=absent,
        writes=counts.sets[turn],
        flushed=state.tally.flushed,
        batches=state.outbox.acknowledged,
        refreshed=state.tally.pulled,
        lost_races=state.tally.lost_races,
        evicted=state.edge.evicted,
    )


def _disagreements(stage: Stage) -> int:
    """How many written keys some replica shows otherwise than the last write left them."""
    model = stage.model
    if not isinstance(model, SharedModel):
        return 0
    return sum(
        not model.is_last(key, store.get(key, MISSING))
        for key in model.written_keys()
        for store in stage.stores
    )


def _moves(stores: Sequence[Store]) -> dict[str, int]:
    """Keys that the policy brought from tier to tier; of all replicas, one moves at a time."""
    moving = [store._core.replica.moving for store in stores]
    tallies = [engine.tally for engine in moving if engine is not None]
    return {kind: sum(tally[kind] for tally in tallies) for kind in ("promoted", "demoted")}


def _peak_rss_mb() -> float:
    """The most memory that this process has had, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
