"""Pulling: bringing what others changed to the copies that are here.

A pull asks which keys changed after the cursor, then reads those of them that are resident. The
cursor moves on only after their new state shows. An answer that reached the region's current
position bounds the age of every copy: none lags further behind than that request.
"""

from __future__ import annotations

from tierstore.errors import UnavailableError
from tierstore.replica.exchange import read_directory, read_rows
from tierstore.replica.install import install
from tierstore.replica.reads import READ_KEYS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.protocol import Change, ChangesPage, ReadReply, Registration
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.fills import Flight
    from tierstore.replica.state import ReplicaState

PAGE = 1000
PAGE_MAX = 64_000
"""What can be seen out of its turn is asked for in one page, of up to this."""


class Puller:
    """Keeps resident copies up with the region's feed. One pull at a time."""

    def __init__(self, state: ReplicaState, rule_for: Callable[[str], Rule]) -> None:
        self._state = state
        self._rule_for = rule_for
        self._lock = state.runtime.turn()
        self._incarnation = 0  # of the region when this replica registered last

    def on_registered(self, registration: Registration) -> None:
        """Start at the region's current position: nothing that is older can be resident.

        A region that has begun another life may lack what it has shown before.
        """
        state, incarnation = self._state, registration.info.incarnation
        if self._incarnation not in (0, incarnation):
            self._start_again(registration.position)
        self._incarnation = incarnation
        with state.lock:
            if state.cursor == 0:
                state.cursor = registration.position

    def pull(self, deadline: Deadline) -> int:
        """The number of copies refreshed, once all changes so far are seen.

        Raises UnavailableError if the region does not answer; the next pull goes on from there.
        """
        if not self._lock.acquire(True, deadline.remaining_s()):
            raise UnavailableError("another pull is still under way")
        try:
            self._state.link.register(deadline)
            return self._follow(deadline)
        finally:
            self._lock.release()

    def _follow(self, deadline: Deadline) -> int:
        """Take pages until one is complete; how many copies they refreshed.

        Where a transaction stays open for long, the feed ends before it, and what can be seen
        behind it is told again each time. Only one snapshot of that is sound, since it may come
        to the fore in any order: so a larger page is asked for, in place of another. If the
        largest is too small, the copies just go on ageing.
        """
        state = self._state
        refreshed, limit = 0, PAGE
        while True:
            sent_at_s = state.runtime.monotonic()
            page = self._ask(limit, deadline)
            refreshed += self._take(page, deadline)
            if page.is_complete:
                state.pulled_at_s = sent_at_s
                return refreshed
            if page.cursor >= page.position:
                if limit >= PAGE_MAX:
                    state.runtime.sometimes("feed held back for long")
                    return refreshed
                limit *= 4

    def _ask(self, limit: int, deadline: Deadline) -> ChangesPage:
        state = self._state
        return state.link.call(
            lambda timeout_s: state.link.region.changes(
                state.cursor, limit, state.replica, timeout_s
            ),
            deadline,
        )

    def _take(self, page: ChangesPage, deadline: Deadline) -> int:
        state = self._state
        if page.gap:
            self._start_again(page.position)
            return 0
        with state.lock:
            flights = [f for change in page.changes if (f := self._stale(change)) is not None]
        for start in range(0, len(flights), READ_KEYS_MAX):
            self._refresh(flights[start : start + READ_KEYS_MAX], deadline)
        state.cursor = page.cursor
        state.tally.pulled += len(flights)
        return len(flights)

    def _stale(self, change: Change) -> Flight | None:
        """A flight for a resident copy that `change` makes old. Needs the lock."""
        state = self._state
        key = change.key
        state.clock.merge_admitted(max(change.stamp, change.touch))
        if state.negatives is not None and state.negatives.discard(key):
            state.runtime.sometimes("absence ended by the feed")
        if state.outbox.held:
            state.outbox.settle_held(key, change)
        entry = state.edge.resident.get(key)
        if entry is None:
            state.fills.void(key)
            return None
        if _is_at_least(entry, change):
            return None
        return state.fills.claim(key)

    def _refresh(self, flights: list[Flight], deadline: Deadline) -> None:
        try:
            read_rows(
                self._state,
                [flight.key for flight in flights],
                deadline,
                lambda reply, sent_at_s: self._settle(flights, reply, sent_at_s),
                read=read_directory,
            )
        except BaseException as exc:
            self._state.fills.fail(flights, exc, self._state.lock)
            raise

    def _settle(self, flights: list[Flight], reply: ReadReply, sent_at_s: float) -> None:
        for flight in flights:
            landed = self._state.fills.land(flight)
            self._install(flight.key, reply, sent_at_s, landed)
        self._state.edge.evict(self._state.now_ms())

    def _install(self, key: str, reply: ReadReply, sent_at_s: float, landed: bool) -> None:
        """Show what a refresh brought.

        Also if a write voided its flight: the cursor passes this change now, so a copy without
        it would look younger than it is. Unless the copy is newer still.
        """
        state = self._state
        entry = state.edge.resident.get(key)
        row = reply.rows.get(key)
        if entry is None:
            return
        if key in reply.corrupt or (row is not None and row.cold is not None):
            state.edge.drop(entry)  # a read that needs it will say what is wrong
            return
        record = None if row is None else row.record
        if record is not None:  # it may be newer than the change that led to it
            state.clock.merge_admitted(max(record.stamp, record.touch))
        state.outbox.settle_held(key, record)
        shown = state.outbox.overlay(key, record, reply.applied)
        if not landed and (shown is None or _is_newer(entry, shown)):
            state.runtime.sometimes("refresh outdone by a write")
            return
        if shown is not None and state.outbox.frozen:
            state.outbox.note_shown(key, shown)
        install(state, key, self._rule_for(key), shown, sent_at_s)

    def _start_again(self, position: int) -> None:
        """The feed no longer reaches back to the cursor: every clean copy may be old."""
        state = self._state
        with state.lock:
            state.edge.clear_clean()
            state.fills.void_all()
            if state.negatives is not None:
                state.negatives.clear()
            state.cursor = position


def _is_newer(entry: Entry, shown: Record) -> bool:
    known = (entry.stamp, entry.replica, entry.touch)
    return known > (shown.stamp, shown.replica, shown.touch)


def _is_at_least(entry: Entry, change: Change) -> bool:
    if entry.stamp != change.stamp or entry.replica != change.replica:
        return False
    if entry.touch == change.touch:
        return entry.expires_at == change.expires_at_ms
    return entry.touch > change.touch
