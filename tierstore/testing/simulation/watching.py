"""What must hold of counters and sets at each step: looked at after every operation of a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter
from tierstore.record import COUNTER
from tierstore.replica.overlay import DELTA_OVERHEAD_BYTES, delta_size

if TYPE_CHECKING:
    from tierstore.region.rows import Row
    from tierstore.replica.state import ReplicaState
    from tierstore.store.store import Store
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.script import Step
    from tierstore.testing.simulation.sites import Site

TIMEOUT_S = 10.0


class Watch:
    """Remembers what it saw of rows; what is wrong is in `oddities`, each told once."""

    def __init__(self, cluster: Cluster) -> None:
        self.oddities: list[str] = []
        self._cluster = cluster
        self._generations: dict[tuple[str, str], int] = {}
        self._typed = {key for f in cluster.families if f.is_typed for key in f.keys}
        self._is_going_back = bool({"restore", "region restored"} & set(cluster.options.windows))

    def look(self, store: Store, step: Step) -> None:
        """Look at the outbox of the process and the row of the key that `step` was about."""
        state = store._core.replica.state
        for oddity in self._of_outbox(state):
            self._tell(f"{oddity} after {step.verb} of {step.keys[0]}")
        if step.keys[0] in self._typed:
            for site in () if self._is_going_back else self._cluster.sites:
                self.look_at_row(site, (site.rows or {}).get(step.keys[0]))
            if step.verb == "discard":
                self._note_blind(state, step)

    def look_at_row(self, site: Site, row: Row | None) -> None:
        """Generations never go down, and only regions count."""
        if row is None:
            return
        record, known = row.record, self._generations.get((site.name, row.key), 0)
        is_collected = self._cluster.options.horizon_s  # dead rows are, and keys begin again
        if record.generation < known and not is_collected:
            self._tell(f"{row.key} went back to generation {record.generation} from {known}")
        self._generations[site.name, row.key] = record.generation
        if record.type == COUNTER and record.payload is not None:
            others = counter.decode(record.payload).keys() - self._actors()
            if others:
                self._tell(f"{row.key} was counted by {sorted(others)}, who are no region")

    def _actors(self) -> set[int]:
        now = {site.region.connect(TIMEOUT_S).actor for site in self._cluster.sites}
        return now | self._cluster.actors

    def _of_outbox(self, state: ReplicaState) -> list[str]:
        outbox = state.outbox
        waiting = sum(e.waiting_bytes + DELTA_OVERHEAD_BYTES for e in outbox.dirty.values())
        waiting += sum(delta_size(delta) for life in outbox.ended.values() for _, delta in life)
        frozen = sum(each.size_bytes for each in outbox.frozen)
        found = []
        if (waiting, frozen) != (outbox.dirty_bytes, outbox.frozen_bytes):
            told = f"{outbox.dirty_bytes} and {outbox.frozen_bytes}"
            found.append(f"an outbox of {waiting} bytes and {frozen} frozen ones has {told}")
        refused = self._typed & outbox.quarantined.keys()
        if refused and not self._cluster.options.horizon_s and not self._is_going_back:
            found.append(f"changes of {sorted(refused)} were quarantined")
        return found

    def _note_blind(self, state: ReplicaState, step: Step) -> None:
        entry: Any = state.outbox.dirty.get(step.keys[0])
        pending = None if entry is None else entry.pending
        delta = {} if pending is None else pending.delta or {}
        if any(not adds and not seen for adds, seen in delta.values()):
            self._cluster.reached["discard named own adds only"] += 1

    def _tell(self, oddity: str) -> None:
        if oddity not in self.oddities:
            self.oddities.append(oddity)
