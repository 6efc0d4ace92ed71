"""The part of a region that movers use: each call one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from tierstore.region.moves import MARK_EPOCH, Stay
from tierstore_sql import placing, statements
from tierstore_sql.directory import Ledger, read_clock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.region.moves import Lease, Overview, Review, StoredObject, Switch
    from tierstore.region.rows import Row
    from tierstore_sql.driver import Connection
    from tierstore_sql.session import Session

T = TypeVar("T")


class Moves:
    """What `SqlRegion` has of `tierstore.region.moves.Directory`."""

    _session: Session
    now_ms: Callable[[], int]

    def lease(self, holder: int, ttl_ms: int, note: str | None, timeout_s: float) -> Lease:
        """Take or renew the lease for `ttl_ms`, or say who has it.

        A `note` replaces the last one when the lease is renewed.
        """

        def work(connection: Connection) -> Lease:
            ledger = self._ledger(connection)
            return placing.take_lease(ledger, holder, ttl_ms, note)

        return self._session.write(work, timeout_s)

    def due(self, limit: int, timeout_s: float) -> list[Row]:
        """Up to `limit` rows whose time of review has come, longest due first, without payload."""
        return self._session.read(
            lambda connection: placing.read_due(
                connection, read_clock(connection, self.now_ms()), limit
            ),
            timeout_s,
        )

    def review_all(self, epoch: int, after: int, limit: int, timeout_s: float) -> int | None:
        """Make the next `limit` rows due; where to go on, or None after the last."""
        return self._leased(
            epoch, lambda ledger: placing.review_all(ledger, after, limit), timeout_s
        )

    def settle_reviews(self, epoch: int, reviews: Sequence[Review], timeout_s: float) -> None:
        """Note what became of rows that were due, unless they have changed meanwhile."""
        self._leased(epoch, lambda ledger: placing.settle(ledger, reviews), timeout_s)

    def begin_move(self, epoch: int, name: str, timeout_s: float) -> None:
        """Log that the object `name` is about to be written."""

        def work(ledger: Ledger) -> None:
            ledger.connection.execute(statements.BEGIN_MOVE, (name, epoch, ledger.now_ms))

        self._leased(epoch, work, timeout_s)

    def switch(
        self, epoch: int, made: StoredObject | None, switches: Sequence[Switch], timeout_s: float
    ) -> list[str]:
        """The keys that moved, in one transaction, which ends the intent of the object `made`."""
        return self._leased(epoch, lambda ledger: placing.switch(ledger, made, switches), timeout_s)

    def abandon(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """End intents: their objects, if any were written, are garbage from now on."""
        self._leased(epoch, lambda ledger: placing.abandon(ledger, names), timeout_s)

    def stale_intents(self, epoch: int, limit: int, timeout_s: float) -> list[str]:
        """Objects that earlier holders of the lease meant to write and did not switch to."""
        return self._session.read(
            lambda connection: placing.names(connection, statements.STALE_INTENTS, epoch, limit),
            timeout_s,
        )

    def garbage(self, dead_before_ms: int, limit: int, timeout_s: float) -> list[str]:
        """Objects that no row has pointed at since before `dead_before_ms`."""
        return self._session.read(
            lambda connection: placing.names(
                connection, statements.GARBAGE_PAGE, dead_before_ms, limit
            ),
            timeout_s,
        )

    def forget_objects(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """Forget objects that are deleted. Those that a row points at stay."""

        def work(ledger: Ledger) -> None:
            ledger.connection.executemany(statements.FORGET_OBJECT, [(name,) for name in names])

        self._leased(epoch, work, timeout_s)

    def known_objects(self, names: Sequence[str], timeout_s: float) -> set[str]:
        """Those of `names` that the directory knows: referred to, garbage, or about to be made."""
        return self._session.read(lambda connection: placing.known(connection, names), timeout_s)

    def marker(self, timeout_s: float) -> str | None:
        """The object by which the region recognizes its cold tier; None: it has not used one."""

        def work(connection: Connection) -> str | None:
            return next(iter(placing.names(connection, statements.MARK, MARK_EPOCH)), None)

        return self._session.read(work, timeout_s)

    def put_marker(self, epoch: int, name: str, timeout_s: float) -> None:
        """Note that the object `name` is that, for good, unless there is one already."""

        def work(ledger: Ledger) -> None:
            if any(placing.names(ledger.connection, statements.MARK, MARK_EPOCH)):
                return
            ledger.connection.execute(statements.BEGIN_MOVE, (name, MARK_EPOCH, ledger.now_ms))

        self._leased(epoch, work, timeout_s)

    def stay(self, key: str, timeout_s: float) -> Stay | None:
        """Why `key` is not in the tier where it should be, if so."""

        def work(connection: Connection) -> Stay | None:
            found = connection.execute(statements.STAY, (key.encode(),)).fetchone()
            if found is None:
                return None
            wanted, error, tries, at_ms, next_ms = found
            reason = None if error is None else error.decode("utf-8", "replace")
            return Stay(wanted.decode(), reason, tries, at_ms, next_ms)

        return self._session.read(work, timeout_s)

    def objects(self, limit: int, timeout_s: float) -> list[StoredObject]:
        """Objects with the lowest share of live records first."""
        return self._session.read(
            lambda connection: placing.read_objects(connection, limit), timeout_s
        )

    def overview(self, failures: int, timeout_s: float) -> Overview:
        """Figures of the cold tier, with up to `failures` keys whose move failed last."""
        return self._session.read(
            lambda connection: placing.overview(connection, failures), timeout_s
        )

    def _ledger(self, connection: Connection) -> Ledger:
        """The region's own state, at the start of a transaction that writes."""
        return Ledger(connection, self._session.dialect, self.now_ms())

    def _leased(self, epoch: int, work: Callable[[Ledger], T], timeout_s: float) -> T:
        """What `work` returns, run alone and committed, if the lease still is that of `epoch`."""

        def leased(connection: Connection) -> T:
            ledger = self._ledger(connection)
            placing.check_lease(ledger, epoch)
            return work(ledger)

        return self._session.write(leased, timeout_s)
