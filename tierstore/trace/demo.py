"""The demo: a slice of a real trace on two replicas that share a region, every read checked.

The slice is six minutes of Twitter's production cluster 52 (Yang, Yue, Rashmi, "A large scale
analysis of hundreds of in-memory cache clusters at Twitter", OSDI 2020, CC BY 4.0; see NOTICE).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from tierstore.frozen import as_dict
from tierstore.trace.options import Options
from tierstore.trace.replay import Replay
from tierstore.trace.report import render_demo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tierstore.store.results import Explanation
    from tierstore.store.store import Store
    from tierstore.trace.options import Progress
    from tierstore.trace.report import ReplayReport

SLICE = "twitter_c52_demo.csv.gz"
REPLICAS = 2
KEYS_MAX = 1000
# The edge has room for a twentieth of the bytes of all keys in the slice. Rates and times are those
# of a day's traffic in six minutes, so that keys go cold and come back before the eyes.
POLICY: dict[str, Any] = {
    "version": 1,
    "tiers": {"edge": {"capacity": "256KiB"}},
    "rules": [
        {
            "match": "**",
            "hotness": {"cold": "1/min", "half_life": "1min"},
            "min_residency": {"regional": "2min"},
        }
    ],
    "movement": {"interval": "5s", "budget": {"operations": "1000/s", "bytes": "8MiB/s"}},
}


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo measured, and what a store says of one of its keys."""

    report: ReplayReport
    explanation: Explanation

    def __str__(self) -> str:
        return render_demo(self.report, self.explanation)

    def as_dict(self) -> dict[str, Any]:
        """The report's fields, and the explanation's under `explanation`; ready for JSON."""
        return {**self.report.as_dict(), "explanation": as_dict(self.explanation)}


def run_demo(progress: Progress | None = None, *, limit: int | None = None) -> DemoResult:
    """Replay the slice, or its first `limit` requests; see `tierstore.trace.replay`."""
    options = Options(verify=True, replicas=REPLICAS, limit=limit, progress=progress)
    resource = files("tierstore.trace") / "data" / SLICE
    with as_file(resource) as path, Replay(path, POLICY, options) as session:
        report = session.run()
        key = _interesting_key(session.stores)
        return DemoResult(report, session.stores[0].explain(key))


def _interesting_key(stores: Sequence[Store]) -> str:
    """The key at the first edge that was moved most between tiers, and read most of those."""
    replica = stores[0]._core.replica
    reads = {entry.key: entry.reads for entry in replica.state.edge}
    keys = sorted(reads, key=reads.__getitem__)[-KEYS_MAX:]
    rows = replica.region.read(keys, replica.state.replica, replica.deadline().remaining_s()).rows
    return max(keys, key=lambda key: (rows[key].epoch if key in rows else 0, reads[key]))
