"""Leases: who may do something exclusively, until when, and the token that fences the others.

The coordinator's clock alone says when a lease is over (Gray and Cheriton, "Leases", SOSP 1989). A
holder counts on its own monotonic clock from the moment at which it asked, less a margin, so that
it stops before the coordinator lets another in, whatever the two clocks show. It may still be
paused between looking and acting; so what the lease protects has to check it:
`Transaction.require`, or the token, which grows from holder to holder (Kleppmann, "Designing
Data-Intensive Applications", 2017, chapter 8).
"""

from __future__ import annotations

from _weakref import ref

from tierstore.errors import LeaseHeldError, LeaseLostError, StoreClosedError, TierStoreError
from tierstore.region.commits import DELETE, EXTEND, PRIVATE, Cell, Check, Commit, Write
from tierstore.region.deadline import Deadline
from tierstore.runtime import jitter
from tierstore.units import MS_PER_S
from tierstore.values.msgpack import pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.coordinator.central import Central
    from tierstore.region.commits import Version
    from tierstore.runtime import Driver, Runtime

RECORD_FORMAT = 1
PREFIX = "lease/"
TTL_S_MIN = 0.05
MARGIN_SHARE, MARGIN_S_MAX = 0.05, 1.0
RENEWALS = 3
"""How often a lease is renewed within its time."""
POLL_S_MAX = 0.25
IDLE_S = 3600.0


class Hold:
    """A lease that this process has. Its fields change under the lock of `Leases`."""

    __slots__ = ("__weakref__", "cell", "due_s", "is_over", "ttl_s", "until_s", "version")

    def __init__(self, key: str, ttl_s: float, version: Version, sent_s: float) -> None:
        self.cell = Cell(PRIVATE, PREFIX + key)
        self.ttl_s = ttl_s
        self.version = version
        self.is_over = False
        self.renewed(sent_s)

    @property
    def token(self) -> int:
        """Higher than that of every holder before."""
        return self.version.number

    def renewed(self, sent_s: float) -> None:
        """Count anew from the moment at which a renewal that was granted was sent."""
        margin_s = min(MARGIN_S_MAX, self.ttl_s * MARGIN_SHARE)
        self.until_s = sent_s + self.ttl_s - margin_s
        self.due_s = sent_s + self.ttl_s / RENEWALS


class Leases:
    """The leases of one process: taken, renewed by a watchdog, given back. Thread-safe.

    It is the `Steps` of its watchdog, which runs while there are leases. What nobody refers to any
    more, because Ctrl-C came before a block had it or its generator was dropped, is not renewed.
    """

    def __init__(self, central: Central, runtime: Runtime, timeout_s: float) -> None:
        self._central = central
        self._runtime = runtime
        self._timeout_s = timeout_s
        self._lock = runtime.lock()
        self._holds: list[ref[Hold]] = []
        self._watchdog: Driver | None = None
        self._is_closed = False

    # Taking and giving back

    def attempt(
        self, key: str, ttl_s: float, patience: Deadline, deadline: Deadline
    ) -> tuple[Hold | None, float]:
        """The lease of `key`, or None and for how many seconds to pause before trying again.

        Raises LeaseHeldError if somebody else keeps it until `patience` is over;
        UnavailableError, OutcomeUnknownError, StoreClosedError.
        """
        hold = self._try(key, ttl_s, deadline)
        if hold is not None:
            self._watch(hold, deadline)
            return hold, 0.0
        remaining_s = self._remaining_s(key, deadline)
        if patience.has_passed():
            raise LeaseHeldError(
                f"somebody else has the lease {key!r}, for {remaining_s:.1f} s more unless it"
                " is renewed",
                remaining_s=remaining_s,
            )
        self._runtime.sometimes("a lease was waited for")
        pause_s = min(POLL_S_MAX, max(remaining_s, 0.01)) * (0.5 + jitter(self._runtime))
        return None, min(pause_s, max(0.001, patience.left_s()))

    def give_back(self, hold: Hold, deadline: Deadline) -> None:
        """Let others have it at once, as far as the coordinator can be told. Idempotent."""
        with self._lock:
            if hold not in self._held():
                return
            self._holds = [known for known in self._holds if known() is not hold]
            was_over, hold.is_over = hold.is_over, True
        if was_over:
            return
        commit = Commit((Check(hold.cell, hold.version),), (Write(hold.cell, DELETE),))
        try:
            self._central.commit(commit, deadline)
        except TierStoreError:
            self._runtime.sometimes("a lease was left to its end")

    def renew(self, hold: Hold, deadline: Deadline) -> None:
        """Let it last for its whole time from now on.

        Raises LeaseLostError if it is over; UnavailableError, OutcomeUnknownError.
        """
        self.check(hold)
        sent_s = self._runtime.monotonic()
        extend = Write(hold.cell, EXTEND, ttl_ms=_milliseconds(hold.ttl_s))
        commit = Commit((Check(hold.cell, hold.version),), (extend,))
        if self._central.commit(commit, deadline).verdict != "committed":
            self._lose(hold)
            self.check(hold)
        with self._lock:
            hold.renewed(sent_s)

    def is_lost(self, hold: Hold) -> bool:
        """Whether it is over, or may be, as far as this process can tell."""
        return hold.is_over or self._runtime.monotonic() >= hold.until_s

    def check(self, hold: Hold) -> None:
        """Raise LeaseLostError if it is over, or may be."""
        if self.is_lost(hold):
            raise LeaseLostError(
                f"the lease {hold.cell.key.removeprefix(PREFIX)!r} is over, or may be: somebody"
                " else may have it"
            )

    @property
    def count(self) -> int:
        """How many this process has."""
        return sum(not hold.is_over for hold in self._held())

    # The watchdog

    def next_due(self) -> float:
        """When the next renewal is due."""
        due_s = [hold.due_s for hold in self._held() if not hold.is_over]
        return min(due_s, default=self._runtime.monotonic() + IDLE_S)

    def run_due(self) -> None:
        """Renew what is due. What cannot be renewed is tried again until it is over."""
        now_s = self._runtime.monotonic()
        for hold in self._held():
            if hold.due_s > now_s or hold.is_over:
                continue
            hold.due_s = now_s + hold.ttl_s / RENEWALS / 4
            left_s = hold.until_s - now_s
            if left_s <= 0:
                self._lose(hold)
                continue
            try:
                self.renew(hold, Deadline(self._runtime, min(left_s, self._timeout_s)))
            except TierStoreError:
                self._runtime.sometimes("a lease was not renewed in time")

    def forget_inherited(self) -> None:
        """In a forked child: the leases are the parent's."""
        for hold in self._held():
            hold.is_over = True
        self._holds, self._watchdog = [], None

    def close(self, timeout_s: float) -> None:
        """Give back what is held, and end the watchdog."""
        deadline = Deadline(self._runtime, timeout_s)
        with self._lock:
            self._is_closed = True
        for hold in self._held():
            self.give_back(hold, deadline)
        self._end_watchdog(timeout_s)

    def abandon(self) -> None:
        """Renew nothing any more, for a store that nobody closed. Takes no lock, asks nobody."""
        self._is_closed = True
        for hold in self._held():
            hold.is_over = True
        self._end_watchdog(0.0)

    def _end_watchdog(self, timeout_s: float) -> None:
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            watchdog.stop(timeout_s)

    def _held(self) -> list[Hold]:
        """Those that somebody refers to. Who has lost sight of a lease cannot give it back."""
        return [hold for known in list(self._holds) if (hold := known()) is not None]

    def _watch(self, hold: Hold, deadline: Deadline) -> None:
        """Renew from now on. Raises StoreClosedError if the store was closed meanwhile."""
        with self._lock:
            self._holds = [known for known in self._holds if known() is not None]
            self._holds.append(ref(hold))
            is_closed = self._is_closed
            if self._watchdog is None and not is_closed:
                self._watchdog = self._runtime.drive(self, "tierstore-leases")
            watchdog = self._watchdog
        if is_closed:
            self.give_back(hold, deadline)
            raise StoreClosedError("the store is closed")
        if watchdog is not None:
            watchdog.wake()

    def _try(self, key: str, ttl_s: float, deadline: Deadline) -> Hold | None:
        cell = Cell(PRIVATE, PREFIX + key)
        operation_id = self._central.mint(deadline)
        record = pack([RECORD_FORMAT, operation_id])
        sent_s = self._runtime.monotonic()
        take = Write(cell, payload=record, ttl_ms=_milliseconds(ttl_s))
        commit = Commit((Check(cell, None),), (take,), operation_id)
        reply = self._central.commit(commit, deadline)
        if reply.verdict != "committed" or reply.version is None:
            return None
        return Hold(key, ttl_s, reply.version, sent_s)

    def _remaining_s(self, key: str, deadline: Deadline) -> float:
        reply = self._central.peek([PREFIX + key], deadline)
        row = reply.rows.get(PREFIX + key)
        if row is None or row.record.expires_at_ms is None:
            return 0.0
        return max(0.0, (row.record.expires_at_ms - reply.now_ms) / MS_PER_S)

    def _lose(self, hold: Hold) -> None:
        self._runtime.sometimes("a lease was lost")
        with self._lock:
            hold.is_over = True


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * MS_PER_S))
