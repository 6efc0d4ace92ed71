"""A worker: a private replica whose eventual keys live at an edge that it shares with others."""

from __future__ import annotations

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.region.deadline import Deadline
from tierstore.replica.engine import ACKNOWLEDGE_INTERVAL_S, ADOPT_INTERVAL_S, Replica
from tierstore.replica.flush import Flusher
from tierstore.replica.schedule import Step
from tierstore.replica.shared.draining import Drainer
from tierstore.replica.shared.near import Ear
from tierstore.replica.shared.pulling import SharedPuller
from tierstore.replica.shared.reads import SharedReader
from tierstore.replica.shared.state import SharedState
from tierstore.replica.shared.writes import SharedWriter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.policy.model import Policy, Rule
    from tierstore.replica.cold import ColdLink
    from tierstore.replica.link import RegionSource
    from tierstore.replica.shared.link import EdgeLink
    from tierstore.replica.state import ReplicaState
    from tierstore.runtime import Runtime, Watermark


class SharedFlusher(Flusher):
    """What is written at the region is withdrawn from the edge before that is acknowledged."""

    shared: SharedState

    def flush(self, deadline: Deadline, *, patient: bool = False) -> None:
        """Everything in the worker's own outbox is in the region, and no older copy is shared.

        While the edge does not answer the copies are owed: this worker does not look at them, and
        the others get them with the next pull, which needs the edge, too.
        """
        super().flush(deadline, patient=patient)
        self.pay(deadline.renewed())

    def pay(self, deadline: Deadline) -> None:
        """Withdraw the copies of keys that were written at the region."""
        state, shared = self._state, self.shared
        with state.lock:
            keys = [key for key in shared.owed if not state.outbox.may_overlay(key)]
        if not keys:
            return
        try:
            shared.link.call(lambda edge, timeout_s: edge.withdraw(keys, timeout_s), deadline)
        except (UnavailableError, OutcomeUnknownError):
            state.runtime.sometimes("withdrawing is owed")
            return
        with state.lock:
            for key in keys:
                shared.forget_one(key)
            shared.owed.difference_update(k for k in keys if not state.outbox.may_overlay(k))


class SharedReplica(Replica):
    """One worker of a shared edge."""

    def __init__(
        self,
        policy: Policy,
        runtime: Runtime,
        source: RegionSource,
        edge: Callable[[], EdgeLink],
        rule_for: Callable[[str], Rule],
        cold: ColdLink | None = None,
        more_steps: Callable[[Replica], list[Step]] = lambda _: [],
        issued: Watermark | None = None,
    ) -> None:
        """`edge` makes a link to the edge, for each process anew."""
        self._make_edge = edge
        super().__init__(policy, runtime, source, None, rule_for, cold, more_steps, issued)

    def _build(self, state: ReplicaState) -> None:
        self.shared = SharedState(state, self._make_edge(), self.rule_for)
        state.plain_memory = frozenset()
        super()._build(state)
        state.shared = self.shared
        flusher = SharedFlusher(state)
        flusher.shared = self.shared
        self.flusher = self.walker._flusher = flusher
        self.drainer = Drainer(self.shared, self._source, self.rule_for)
        self.shared_puller = SharedPuller(self.shared)
        self.reader = SharedReader(  # type: ignore[assignment]
            self.shared, self.reader, self.start, self.drainer.drain
        )
        self.writer = SharedWriter(  # type: ignore[assignment]
            self.shared,
            self.writer,
            self.drainer.drain,
            self.deadline,
        )
        self._near_ear = Ear(self.shared, self.runtime)

    def start(self) -> None:
        """Start the background steps, and hear of changes at the edge."""
        if self._driver is None:
            super().start()
        if not self._near_ear.is_started:
            self._near_ear.start()

    def _steps(self) -> list[Step]:
        steps = [step for step in super()._steps() if step.name != "adopt"]
        shared, replication = self.shared, self.policy.replication
        return [
            *steps,
            Step("drain", replication.flush_s, self._drain, lambda: bool(shared.touched_tags)),
            Step("pay", replication.flush_s, self._pay, lambda: bool(shared.owed)),
            Step("orphans", ADOPT_INTERVAL_S, self._drain_orphans, lambda: True),
        ]

    def _drain(self) -> None:
        self.drainer.drain_known(self._deadline_each())

    def _drain_orphans(self) -> None:
        self.drainer.drain_all(self._deadline_each())

    def _pay(self) -> None:
        self.flusher.flush(self.deadline())

    def _follows_feed(self) -> bool:
        return True

    def flush(self, timeout_s: float | None = None) -> None:
        """Bring every write made so far to the region, of whichever worker of this edge."""
        super().flush(timeout_s)
        self.drainer.drain_all(self._deadline_each(timeout_s))

    def _deadline_each(self, timeout_s: float | None = None) -> Deadline:
        """`deadline`, but of each request alone where nobody named a time: queues may be long."""
        if timeout_s is not None:
            return self.deadline(timeout_s)
        return Deadline(self.runtime, self.policy.timeouts.regional_s, is_default=True)

    def pull(self, timeout_s: float | None = None) -> int:
        """Bring the region's changes to the edge, unless another worker does."""
        refreshed = self.shared_puller.pull_if_leading(self.deadline(timeout_s))
        now = self.runtime.monotonic()
        if now - self._acknowledged_at_s >= ACKNOWLEDGE_INTERVAL_S:
            self._acknowledge()
            self._acknowledged_at_s = now
        return refreshed

    def _acknowledge(self) -> None:
        """Say that this worker, and the identities whose queues it drains, are alive."""
        self.state.cursor = self.shared.cursor
        super()._acknowledge()
        for replica in self.drainer.identities:
            self._acknowledge_as(replica, self.deadline())

    def _acknowledge_as(self, replica: int, deadline: Deadline) -> None:
        self.state.link.observed(
            lambda: self.region.acknowledge(replica, self.shared.cursor, deadline.remaining_s())
        )

    def _stop_driver(self, timeout_s: float) -> None:
        self._near_ear.stop(min(timeout_s, 2.0))
        super()._stop_driver(timeout_s)

    def _flush_at_close(self, timeout_s: float) -> Exception | None:
        failure = super()._flush_at_close(timeout_s)
        if failure is None and self.shared.touched_tags:
            try:
                self.drainer.drain_known(self.deadline(timeout_s))
            except TierStoreError:
                self.runtime.sometimes("closed while something waited at the edge")
        return failure

    def _release(self, *, wait: bool = True) -> None:
        try:
            super()._release(wait=wait)
        finally:
            self.shared.link.close()
