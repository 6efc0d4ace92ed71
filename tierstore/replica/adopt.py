"""Adoption: draining the journals of processes that died.

An orphaned file is flushed under the identity and the numbers of the process that wrote it, so
that a batch which that process had sent already is recognised by the region.
"""

from __future__ import annotations

from tierstore.errors import CorruptionError, FencedError, TierStoreError, UnavailableError
from tierstore.region.lives import BATCHES
from tierstore.replica.flush import Flusher
from tierstore.replica.link import RegionLink
from tierstore.replica.notes import TRIM_INTERVAL_S, trim
from tierstore.replica.outbox import Outbox
from tierstore.replica.state import MS_PER_S, ReplicaState
from tierstore.replica.writes import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.policy.model import Policy, Rule
    from tierstore.region.rows import RegionInfo
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.link import RegionSource
    from tierstore.runtime import Runtime
    from tierstore.tiers.journal.content import JournalState
    from tierstore.tiers.journal.directory import JournalDirectory
    from tierstore.tiers.journal.file import JournalFile


class Adopter:
    """Finds orphaned journal files and drains them."""

    def __init__(
        self,
        directory: JournalDirectory,
        source: RegionSource,
        policy: Policy,
        runtime: Runtime,
        rule_for: Callable[[str], Rule],
        link: RegionLink,
    ) -> None:
        """`link` is of the replica that drains journals of others."""
        self._link = link
        self._settled: dict[str, int] = {}  # journals without unflushed writes -> in which life
        self._directory = directory
        self._source = source
        self._policy = policy
        self._runtime = runtime
        self._rule_for = rule_for
        self.failures: dict[str, str] = {}
        self.on_orphan: Callable[[JournalFile, Deadline], None] = lambda *_: None
        """Called for each journal once it is drained."""
        self._trim_due_s: dict[str, float] = {}

    def adopt(self, deadline: Deadline) -> int:
        """How many orphaned files were drained. Those that can never be are skipped and noted.

        Raises UnavailableError, after trying all, if the region does not take one in time.
        """
        adopted = 0
        failure: UnavailableError | None = None
        for journal in self._directory.orphans():
            try:
                state = journal.load(0)
                if state.unflushed or self._is_outlived(journal, state, deadline):
                    self._drain(journal, state, deadline)
                    adopted += 1
                elif state.replica:
                    self._trim(journal)
                self.on_orphan(journal, deadline)
                if state.corrupt:
                    self._note(journal.path, f"damaged writes of {sorted(state.corrupt)}")
                else:
                    self.failures.pop(journal.path, None)
            except (CorruptionError, FencedError) as exc:
                self._note(journal.path, str(exc))
            except UnavailableError as exc:
                failure = exc
            finally:
                journal.close()
        if failure is not None:
            raise failure
        return adopted

    def _drain(self, journal: JournalFile, stored: JournalState, deadline: Deadline) -> None:
        state = orphan_state(journal, stored, self._policy, self._runtime, self._source)
        flusher = Flusher(state)
        state.link.on_registered = flusher.on_registered
        writer = Writer(state, lambda _: None, lambda: None)
        with state.lock:
            writer.restore(stored.deltas, self._rule_for)
        self._runtime.sometimes("journal adopted")
        flusher.flush(deadline)
        registration = state.link.registration
        self._settled[journal.path] = 0 if registration is None else registration.info.incarnation

    def _is_outlived(self, journal: JournalFile, state: JournalState, deadline: Deadline) -> bool:
        """Whether the region may have been restored without what it acknowledged to an idle one.

        Asked of each journal until that was settled once in each life of the region.
        """
        if not state.acknowledged or (info := self._life(deadline)) is None:
            return False
        if info.regains != BATCHES or self._settled.get(journal.path) == info.incarnation:
            return False
        at_ms = journal.last_acknowledged_ms()
        drift_ms = int(self._policy.replication.max_drift_s * MS_PER_S)
        return at_ms is None or at_ms - drift_ms < info.incarnation

    def _life(self, deadline: Deadline) -> RegionInfo | None:
        """Who the region is, if it answers. One that is away is not asked for this alone."""
        link = self._link
        if link.registration is not None:
            return link.registration.info
        if not link.reachable:
            return None
        try:
            info: RegionInfo = link.observed(lambda: link.region.connect(deadline.remaining_s()))
        except TierStoreError:
            return None
        return info

    def _trim(self, journal: JournalFile) -> None:
        """Let an idle journal forget what it retains, which nobody else would."""
        now_s = self._runtime.monotonic()
        if now_s >= self._trim_due_s.get(journal.path, 0.0):
            trim(journal, self._policy, self._runtime.time_ns() // 1_000_000)
            self._trim_due_s[journal.path] = now_s + TRIM_INTERVAL_S

    def _note(self, path: str, reason: str) -> None:
        if self.failures.get(path) != reason:
            self.failures[path] = reason
            from tierstore.replica.log import log

            log("error", "an orphaned journal cannot be drained: %s", reason)


def orphan_state(
    journal: JournalFile,
    stored: JournalState,
    policy: Policy,
    runtime: Runtime,
    source: RegionSource,
) -> ReplicaState:
    """The state of the process that wrote `journal`, as far as flushing needs it."""
    state = ReplicaState(policy, runtime, stored.replica)
    restore(state, journal, stored)
    state.link = RegionLink(source, runtime, stored.replica, state.clock.max_drift_ms)
    state.link.become(stored.replica, is_new=stored.region is None)
    return state


def restore(state: ReplicaState, journal: JournalFile, stored: JournalState) -> None:
    """Give `state` the identity, numbers and clock that `journal` holds."""
    state.outbox = Outbox.restored(stored)
    state.journal = journal
    state.last_seq = stored.last_seq
    state.corrupt = dict(stored.corrupt)
    state.outbox.quarantined = dict(stored.quarantined)
    state.clock.restore(stored.stamp)
    for frozen in state.outbox.frozen:
        for delta in frozen.deltas.values():
            state.clock.restore(max(delta.record.stamp, delta.record.touch))
