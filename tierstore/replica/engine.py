"""The engine of a replica: its parts, when they start, and how they end.

Nothing is opened before the first verb: that takes a journal file (or, if the folder holds none
yet, a new identity) and restores what an earlier process left. The region is contacted by the
first miss or flush, from a thread that starts then.
"""

from __future__ import annotations

from tierstore.errors import StoreClosedError, TierStoreError, UnavailableError
from tierstore.replica.cold import ColdLink, no_cold_tier
from tierstore.replica.deadline import Deadline
from tierstore.replica.ear import CLOSE_WAIT_S, make_ear
from tierstore.replica.flush import Flusher
from tierstore.replica.link import RegionLink
from tierstore.replica.pull import Puller
from tierstore.replica.reads import Reader
from tierstore.replica.schedule import Schedule, Step
from tierstore.replica.state import ReplicaState
from tierstore.replica.walk import Walker
from tierstore.replica.writes import Writer
from tierstore.runtime import Watermark, fork, mint_replica_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.policy.model import Policy, Rule
    from tierstore.region.protocol import Region, Registration
    from tierstore.replica.adopt import Adopter
    from tierstore.replica.link import RegionSource
    from tierstore.replica.schedule import Linking, Moving
    from tierstore.runtime import Driver, Lock, Runtime
    from tierstore.tiers.journal.content import JournalState
    from tierstore.tiers.journal.directory import JournalDirectory
    from tierstore.tiers.journal.file import JournalFile

ADOPT_INTERVAL_S = 10.0
UPKEEP_INTERVAL_S = 60.0
ACKNOWLEDGE_INTERVAL_S = 60.0
UPKEEP_ROWS_MAX = 1000


class Replica:
    """One edge replica: state, parts, background steps."""

    def __init__(
        self,
        policy: Policy,
        runtime: Runtime,
        source: RegionSource,
        journals: JournalDirectory | None,
        rule_for: Callable[[str], Rule],
        cold: ColdLink | None = None,
        more_steps: Callable[[Replica], list[Step]] = lambda _: [],
        issued: Watermark | None = None,
    ) -> None:
        """`more_steps` are what else runs in the background, for each identity anew.

        `issued` is of the stores that one process opens, in turn or at once.
        """
        self.policy = policy
        self._cold = cold or ColdLink(no_cold_tier, runtime)
        self._more_steps = more_steps
        self.moving: Moving | None = None
        """What moves keys between tiers, if the policy lets any go cold."""
        self.linking: Linking | None = None
        """What takes over the rows of other regions, if this process does."""
        self.runtime = runtime
        self._source = source
        self.on_rebuilt: Callable[[], None] = lambda: None
        self._journals = journals
        self._issued = issued or Watermark()
        self.rule_for = rule_for
        self._opening = runtime.lock()
        self._adopting = runtime.lock()
        self._driver: Driver | None = None
        self._acknowledged_at_s = float("-inf")
        self._build(ReplicaState(policy, runtime, mint_replica_id(runtime)))

    def _build(self, state: ReplicaState) -> None:
        self.state = state
        self.is_open = False
        drift_ms = state.clock.max_drift_ms
        state.link = RegionLink(self._source, self.runtime, state.replica, drift_ms)
        state.link.on_registered = self._on_registered
        state.cold = self._cold
        self.reader = Reader(state)
        self.flusher = Flusher(state, self._ensure_journal)
        self.walker = Walker(state, self.flusher)
        self.puller = Puller(state, self.rule_for)
        self.writer = Writer(state, self._relieve, self._on_first_dirty, self._ensure_journal)
        self.adopter = self._make_adopter()
        self.schedule = Schedule(self.runtime, self._steps())
        self._ear = make_ear(self, self._source, lambda: self._driver)

    @property
    def region(self) -> Region:
        """The region's adapter."""
        return self._source.get()

    # Opening

    def open(self) -> None:
        """Take an identity; the first verb calls this. Later calls do nothing.

        Raises UnavailableError or CorruptionError if the journal cannot be used.
        """
        if self.is_open:
            return
        with self._opening:
            if self.state.closed:
                raise StoreClosedError("the store is closed")
            if not self.is_open:
                self._open_journal()
                self.state.clock.merge_admitted(self._issued.join(self.state.clock))
                self.is_open = True
        if self.state.outbox.unflushed:
            self.start()  # what an earlier process left does not wait for a verb that needs this

    def start(self) -> None:
        """Start the background steps, if they are not running."""
        if self._driver is None and not self.state.closed:
            with self.state.lock:
                self._drive()

    def _open_journal(self) -> None:
        if self._journals is None or self._journals.is_unused():
            return
        journal, stored = self._journals.take(self.state.replica)
        self._adopt_identity(journal, stored)

    def _ensure_journal(self) -> None:
        """Begin a journal of our own, where there was none to take when the store was opened."""
        if self._journals is None or self.state.journal is not None:
            return
        with self._opening:
            if self.state.journal is None:
                self.state.journal, _ = self._journals.create(self.state.replica)
                if self.state.link.registration is not None:
                    self.flusher.notes.bind(self.state.link.registration.info.region)

    def _adopt_identity(self, journal: JournalFile, stored: JournalState) -> None:
        try:
            self._restore(journal, stored)
        except BaseException:
            self.state.journal = None
            journal.close()
            raise

    def _restore(self, journal: JournalFile, stored: JournalState) -> None:
        from tierstore.replica.adopt import restore

        state = self.state
        with state.lock:
            restore(state, journal, stored)
            self.writer.restore(stored.deltas, self.rule_for)
            if self._journals is not None:
                state.clock.merge_admitted(self._journals.last_stamp())
            state.link.become(stored.replica, is_new=stored.region is None)
        state.restored_stamp = state.clock.last
        if stored.unflushed:
            self.runtime.sometimes("journal taken over with unflushed writes")

    def _on_registered(self, registration: Registration) -> None:
        self.flusher.on_registered(registration)
        self.puller.on_registered(registration)
        self._ear.start()

    # Background

    def _steps(self) -> list[Step]:
        replication = self.policy.replication
        return [
            Step("flush", replication.flush_s, self.flush, self._has_unflushed),
            Step("pull", replication.pull_s, self.pull, lambda: self._follows_feed()),
            Step("adopt", ADOPT_INTERVAL_S, self.adopt, lambda: self.adopter is not None),
            Step("upkeep", UPKEEP_INTERVAL_S, self.upkeep, lambda: True),
            Step("heat", self.policy.movement.interval_s, self.walk, lambda: self.walker.is_needed),
            *self._more_steps(self),
        ]

    def _has_unflushed(self) -> bool:
        outbox = self.state.outbox
        return bool(outbox.dirty or outbox.frozen) or self.flusher.has_lost

    def walk(self) -> None:
        """Look at what the counters of resident copies say; see `Walker.walk`."""
        self.walker.walk(self.deadline())

    def _follows_feed(self) -> bool:
        return bool(self.state.edge.resident)

    def _on_first_dirty(self) -> None:
        if self._driver is None:
            self.runtime.sometimes("background started by a write")
            self._drive()

    def _drive(self) -> None:
        """Run the background steps from now on. Needs the state's lock: two may begin at once."""
        if self._driver is None and not self.state.closed:
            self._driver = self.runtime.drive(self.schedule, "tierstore")

    def deadline(self, timeout_s: float | None = None) -> Deadline:
        """A deadline for one exchange with the region."""
        return Deadline(
            self.runtime, self.policy.timeouts.regional_s if timeout_s is None else timeout_s
        )

    def flush(self, timeout_s: float | None = None) -> None:
        """Bring every write made so far to the region; see `Flusher.flush`."""
        self.flusher.flush(self.deadline(timeout_s), patient=timeout_s is None)

    def pull(self, timeout_s: float | None = None) -> int:
        """Bring the region's changes here; see `Puller.pull`."""
        refreshed = self.puller.pull(self.deadline(timeout_s))
        now = self.runtime.monotonic()
        if now - self._acknowledged_at_s >= ACKNOWLEDGE_INTERVAL_S:
            self._acknowledge()
            self._acknowledged_at_s = now
        return refreshed

    def adopt(self) -> int:
        """Drain journals of dead processes; returns how many."""
        if self.adopter is None:
            return 0
        with self._adopting:
            adopted = self.adopter.adopt(self.deadline())
        self.state.tally.adopted += adopted
        return adopted

    def upkeep(self) -> None:
        """One step of the region's own maintenance."""
        done = self.state.link.call(
            lambda timeout_s: self.region.maintain(UPKEEP_ROWS_MAX, timeout_s), self.deadline()
        )
        if done.collected:
            self.runtime.sometimes("dead rows forgotten")
        self.flusher.notes.trim()
        if not self._follows_feed():
            self.pull()  # who has no copies, too, is alive, and holds nothing back

    def maintain(self, budget_s: float | None) -> list[TierStoreError]:
        """Run every background step that is needed; returns what failed."""
        return self.schedule.run_all(budget_s)

    def _acknowledge(self) -> None:
        state = self.state
        state.link.register(self.deadline())
        deadline = self.deadline()
        state.link.observed(
            lambda: self.region.acknowledge(state.replica, state.cursor, deadline.remaining_s())
        )

    def _relieve(self, deadline: Deadline) -> None:
        """Make room in the outbox by flushing in the caller's own time."""
        self.runtime.sometimes("a write waited for room")
        try:
            self.flusher.flush(deadline)
        except UnavailableError:
            return

    def _make_adopter(self) -> Adopter | None:
        if self._journals is None:
            return None
        from tierstore.replica.adopt import Adopter

        source, link = self._source, self.state.link
        return Adopter(self._journals, source, self.policy, self.runtime, self.rule_for, link)

    # Ending

    def close(self, timeout_s: float) -> None:
        """Flush, stop, release. Raises UnavailableError if `memory` writes could not be flushed.

        Everything is released in any case; what is journaled stays for the next open.
        """
        state = self.state
        with state.journal_lock, state.lock:
            if state.closed:
                return
            state.closed = True  # from here on no write is acknowledged
        failure: Exception | None = None
        try:
            failure = self._flush_at_close(timeout_s)
        finally:
            lost = self._unjournaled()
            fork.unregister(self)
            try:
                self._stop_driver(timeout_s)
                self._sign_off(timeout_s)
            finally:
                self._release()
        if lost:
            raise UnavailableError(
                f"{lost} unflushed write{'s were' if lost > 1 else ' was'} in memory only and"
                f" {'are' if lost > 1 else 'is'} lost: {failure}"
            ) from failure
        if failure is not None and not isinstance(failure, TierStoreError):
            raise failure

    def _sign_off(self, timeout_s: float) -> None:
        """Tell the region, if it is there, that nobody need wait for this process."""
        state, deadline = self.state, self.deadline(timeout_s)
        self.schedule.release(min(timeout_s, self.policy.timeouts.regional_s))
        if state.journal is None:
            state.link.leave(deadline)

    def _stop_driver(self, timeout_s: float) -> None:
        driver, self._driver = self._driver, None
        self._ear.stop(min(timeout_s, CLOSE_WAIT_S))
        if driver is not None:
            driver.stop(timeout_s)

    def _release(self, *, wait: bool = True) -> None:
        """Let go of journal and region, each even if the other cannot be let go."""
        self._issued.leave(self.state.clock)
        try:
            self._close_journal(wait=wait)
        finally:
            try:
                if self._source.made is not None:
                    self._source.made.close()
            finally:
                self._cold.close()

    def _close_journal(self, *, wait: bool) -> None:
        lock = self.state.journal_lock
        is_held = lock.acquire(wait)
        try:
            if self.state.journal is not None:
                self.state.journal.close(self.state.clock.last)
        finally:
            if is_held:
                lock.release()

    def _flush_at_close(self, timeout_s: float) -> Exception | None:
        try:
            self.walker.finish(self.deadline(timeout_s))
            if self._has_unflushed():
                self.flusher.flush(self.deadline(timeout_s))
                self._acknowledge()
        except Exception as exc:  # whatever it is, all is released first
            return exc
        return None

    def _unjournaled(self) -> int:
        """How many unflushed writes no journal has."""
        state = self.state
        if state.journal is None:
            return state.outbox.unflushed
        rules = state.outbox.unfrozen_rules()
        bare = (f for f in state.outbox.frozen if not (f.persisted and f.journaled))
        rules += [self.rule_for(key) for frozen in bare for key in frozen.deltas]
        return sum(not self.writer.needs_journal(rule) for rule in rules)

    def abandon(self) -> None:
        """Release what an unclosed store holds, without flushing; its journal stays.

        Takes no lock: the garbage collector may call this while its thread holds one.
        """
        self.state.closed = True
        self._stop_driver(0.0)
        self._release(wait=False)

    # Forking

    def before_fork(self) -> None:
        """Let no I/O be under way, and close what a child must not inherit."""
        for lock in self._fork_locks():
            lock.acquire()
        if self.state.journal is not None:
            self.state.journal.close_connection()

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        for lock in reversed(self._fork_locks()):
            lock.release()

    def _fork_locks(self) -> list[Lock]:
        """Every lock under which something is opened, in the order in which verbs take them."""
        state = self.state
        connecting = state.link.registering
        return [
            self._adopting, state.flush_lock, self._opening, connecting, state.escrow_lock,
            state.journal_lock, state.lock,
        ]  # fmt: skip

    def after_fork_in_child(self) -> None:
        """Forget the parent's identity, writes and copies; take an own one at the next verb."""
        if self.state.journal is not None:
            self.state.journal.abandon_inherited()
        self._opening, self._adopting = self.runtime.lock(), self.runtime.lock()
        self._cold.forget_inherited()
        self._driver = None
        closed = self.state.closed
        self._issued.leave(self.state.clock)
        self._build(ReplicaState(self.policy, self.runtime, mint_replica_id(self.runtime)))
        self.state.closed = closed
        self.on_rebuilt()
