"""Pulling: one worker of an edge brings the region's changes to the shared copies.

The cursor and the moment of the last complete pull are the edge's, so any worker goes on where
another stopped. Two that pull at once do the same twice: what is shown never goes back, and the
standing is only ever replaced by one that follows it.
"""

from __future__ import annotations

from dataclasses import replace

from tierstore.errors import FencedError
from tierstore.replica.pull import PAGE, PAGE_MAX
from tierstore.replica.reads import READ_KEYS_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.region.protocol import ChangesPage
    from tierstore.region.shared import Standing
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.state import SharedState

LEASE_PULLS = 3
"""A worker that pulls keeps the lease for that many intervals."""


class SharedPuller:
    """Keeps the copies of an edge up with the region's feed."""

    def __init__(self, shared: SharedState) -> None:
        self._shared = shared
        self._state = shared.state

    def pull_if_leading(self, deadline: Deadline) -> int:
        """`pull`, unless another worker does; the number of copies refreshed."""
        holder = self._state.replica
        lease_ms = int(self._state.policy.replication.pull_s * 1000 * LEASE_PULLS)
        leads = self._shared.link.work(
            lambda edge, timeout_s: edge.lead("pull", holder, lease_ms, timeout_s), deadline
        )
        return self.pull(deadline) if leads else 0

    def pull(self, deadline: Deadline) -> int:
        """The number of copies refreshed, once all changes so far are seen.

        Raises UnavailableError if a tier does not answer; the next pull goes on from there.
        """
        standing = self._met_region(deadline)
        refreshed, limit = 0, PAGE
        while True:
            sent_at_s = self._state.runtime.monotonic()
            page = self._ask(standing.cursor, limit, deadline.renewed())
            refreshed += self._take(page, deadline)
            pulled_ms = standing.pulled_ms
            if page.is_complete:
                seen_ms = self._shared.link.clock.there_ms(sent_at_s)
                pulled_ms = max(pulled_ms, seen_ms)
            cursor = page.position if page.gap else page.cursor
            standing = self._advance(standing, cursor, pulled_ms, deadline)
            if page.is_complete:
                return refreshed
            if page.cursor >= page.position:
                if limit >= PAGE_MAX:
                    self._state.runtime.sometimes("feed held back for long")
                    return refreshed
                limit *= 4

    def _met_region(self, deadline: Deadline) -> Standing:
        """The standing, tied to the region and this life of it.

        Raises FencedError if the edge belongs to another region, or to an earlier life of it.
        """
        state, shared = self._state, self._shared
        registration = state.link.register(deadline)
        sent_at_s = state.runtime.monotonic()
        standing = shared.link.work(lambda edge, timeout_s: edge.standing(timeout_s), deadline)
        info = registration.info
        if not standing.region:
            fresh = replace(
                standing,
                region=info.region,
                incarnation=info.incarnation,
                cursor=registration.position,
            )
            shared.link.work(
                lambda edge, timeout_s: edge.clear_clean(timeout_s), deadline.renewed()
            )
            shared.link.work(
                lambda edge, timeout_s: edge.advance(fresh, 0, timeout_s), deadline.renewed()
            )
            standing = shared.link.work(
                lambda edge, timeout_s: edge.standing(timeout_s), deadline.renewed()
            )
        with state.lock:
            shared.heard(standing, sent_at_s)
        known = (standing.region, standing.incarnation)
        if known != (info.region, info.incarnation):
            raise FencedError(
                f"the edge server holds copies of region {known[0]}, incarnation {known[1]}; this"
                f" is {info.region}, incarnation {info.incarnation}: give the policy another"
                " edge server, or empty this one once its unflushed writes are not wanted any more"
            )
        return standing

    def _ask(self, cursor: int, limit: int, deadline: Deadline) -> ChangesPage:
        state = self._state
        return state.link.call(
            lambda timeout_s: state.link.region.changes(cursor, limit, state.replica, timeout_s),
            deadline,
        )

    def _take(self, page: ChangesPage, deadline: Deadline) -> int:
        link, state = self._shared.link, self._state
        if page.gap:
            link.work(lambda edge, timeout_s: edge.clear_clean(timeout_s), deadline.renewed())
            return 0
        versions = {c.key: (c.stamp, c.replica, c.touch) for c in page.changes}
        if not versions:
            return 0
        with state.lock:
            for change in page.changes:
                state.clock.merge_admitted(max(change.stamp, change.touch))
        older = sorted(
            link.work(lambda edge, timeout_s: edge.notice(versions, timeout_s), deadline.renewed())
        )
        for start in range(0, len(older), READ_KEYS_MAX):
            self._refresh(older[start : start + READ_KEYS_MAX], deadline.renewed())
        state.tally.pulled += len(older)
        return len(older)

    def _refresh(self, keys: list[str], deadline: Deadline) -> None:
        """Show the region's rows of copies that are older; drop those that cannot be shown."""
        link, state = self._shared.link, self._state
        sent_at_s = state.runtime.monotonic()
        reply = state.link.read(keys, deadline)
        records = {k: row.record for k, row in reply.rows.items() if k not in reply.corrupt}
        self._shared.outdate(records, link.clock.there_ms(sent_at_s), deadline.renewed())
        rest = [key for key in keys if key not in records]
        if rest:
            link.work(lambda edge, timeout_s: edge.withdraw(rest, timeout_s), deadline.renewed())

    def _advance(
        self, standing: Standing, cursor: int, pulled_ms: int, deadline: Deadline
    ) -> Standing:
        """The standing after a page, which may be what another worker made of it."""
        link, sent_at_s = self._shared.link, self._state.runtime.monotonic()
        after = replace(standing, cursor=cursor, pulled_ms=pulled_ms)
        link.work(
            lambda edge, timeout_s: edge.advance(after, standing.cursor, timeout_s),
            deadline.renewed(),
        )
        now = link.work(lambda edge, timeout_s: edge.standing(timeout_s), deadline.renewed())
        with self._state.lock:
            self._shared.heard(now, sent_at_s)
        return now
