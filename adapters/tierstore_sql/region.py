"""The regional tier in an SQL database.

Decisions are `tierstore.region.apply`'s; here rows are read, and what it returns is written, in
one transaction. Whether batches of several replicas may be applied at once, and how nothing
appears behind a cursor all the same, is the dialect's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tierstore.errors import CorruptionError, TierStoreError
from tierstore.region.apply import Terms, admit, plan_apply
from tierstore.region.capabilities import Capabilities
from tierstore.region.lives import PEERS
from tierstore.region.protocol import (
    BatchReply,
    ChangesPage,
    ReadReply,
    Registration,
    ScanPage,
)
from tierstore.region.rows import RegionInfo, ReplicaState
from tierstore.runtime import now_ms
from tierstore_sql import directory, placing, statements, upkeep
from tierstore_sql.commits import Commits
from tierstore_sql.directory import Ledger
from tierstore_sql.forgetting import Forgetting
from tierstore_sql.moves import Moves
from tierstore_sql.paths import mask_url
from tierstore_sql.peering import Peering
from tierstore_sql.rows import decode_change, decode_row
from tierstore_sql.session import Session
from tierstore_sql.sqlite_dialect import Sqlite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.batch import Batch
    from tierstore.region.protocol import AsideEntry, DeadRows, Upkeep
    from tierstore.runtime import Runtime
    from tierstore_sql.driver import Connection, Dialect

FEED_POSITION_MAX = (1 << 63) - 1


class Limits(Protocol):
    """By which arriving deltas and silent replicas are judged."""

    @property
    def max_drift_ms(self) -> int: ...
    @property
    def horizon_ms(self) -> int: ...
    @property
    def is_tiered(self) -> bool: ...


class SqlRegion(Moves, Peering, Commits, Forgetting):
    """A regional tier at `url`, `sqlite:///path`, a relative path being relative to `base_dir`.

    Constructing it touches nothing; `connect`, or the first other call, creates the database.
    Safe to use from several threads and across forks. Raises PolicyError for a malformed `url`.
    """

    capabilities = Capabilities(cas=True, ordered_scan=True)

    def __init__(self, url: str, *, runtime: Runtime, terms: Limits, base_dir: str) -> None:
        self._url = self._mask(url)
        self._runtime = runtime
        self._limits = terms
        dialect = self._make_dialect(url, base_dir)
        self._session = Session(dialect, runtime)
        self._connections = self._session.connections
        self._fetch_point = dialect.fetch_point
        self._careful: tuple[type[Exception], ...] = (*dialect.errors, IndexError, TypeError)
        self._time_ns = runtime.time_ns

    @property
    def path(self) -> str:
        """The file that holds the region, or the address of its server."""
        return self._session.dialect.path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._url!r})"

    def connect(self, timeout_s: float) -> RegionInfo:
        """Make the region usable, creating it where there is none, and say who it is."""
        return self._session.read(directory.read_info, timeout_s)

    def register(self, replica: int, timeout_s: float, is_new: bool = True) -> Registration:
        """Enter a replica if it `is_new`, or return what is known of it. Idempotent.

        A new replica has acknowledged the current position: it knows nothing older.
        """

        return self._session.write(
            lambda connection: self._enter(self._ledger(connection), replica, is_new), timeout_s
        )

    def _enter(self, ledger: Ledger, replica: int, is_new: bool) -> Registration:
        info = ledger.info
        state = ledger.replica(replica)
        if state is None and not is_new:
            gone = ReplicaState(replica, retired=True)
            return Registration(info, gone, ledger.position, self.now_ms(), forgotten=True)
        if state is None:
            state = ReplicaState(
                replica, acknowledged=ledger.position, registered_ms=ledger.time_ms
            )
        ledger.see(state)
        return Registration(info, state, ledger.position, self.now_ms(), reached=ledger.reached())

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch once, in one transaction, however often it is sent."""

        def work(connection: Connection) -> BatchReply:
            ledger = self._ledger(connection)
            state = ledger.replica(batch.replica)
            verdict, reason = admit(state, batch)
            if state is not None and verdict == "apply":
                self._apply(ledger, state, batch)
            if (repeated := verdict == "repeat") and state is not None:
                directory.check_answer(state.answer, len(batch.deltas))
            if state is not None and verdict in ("apply", "repeat"):
                ledger.see(state)
                verdict = "applied"
            applied = state.applied if state is not None else 0
            outcomes = state.answer if state is not None and verdict == "applied" else b""
            return BatchReply(
                verdict, applied, ledger.position, ledger.incarnation, ledger.now_ms, outcomes,
                reason, repeated, ledger.reached() if verdict == "applied" else 0,
            )  # fmt: skip

        return self._session.write(work, timeout_s, alone=False)

    def read(self, keys: Sequence[str], replica: int, timeout_s: float) -> ReadReply:
        """The rows of `keys` in one snapshot; at most 1,000 keys."""
        few = range(1, 1 + max(1, self._session.dialect.few_max))
        if len(keys) in few and self._connections.idle:
            try:
                if len(keys) == 1:
                    return self._read_one(keys[0], replica, timeout_s)
                return self._read_few(keys, replica, timeout_s)
            except TierStoreError:
                raise
            except self._careful:
                pass  # the careful way below retries, and translates what remains

        def work(connection: Connection) -> ReadReply:
            now = directory.read_standing(connection, replica, self.now_ms())
            rows, corrupt = directory.read_rows(connection, self._session.dialect, keys)
            return ReadReply(now.applied, now.position, now.incarnation, now.now_ms, rows, corrupt)

        return self._session.read(work, timeout_s)

    def changes(self, cursor: int, limit: int, replica: int, timeout_s: float) -> ChangesPage:
        """Up to `limit` changes after `cursor`. Nothing ever appears behind a cursor."""
        cursor = min(cursor, FEED_POSITION_MAX)

        def work(connection: Connection) -> ChangesPage:
            now = directory.read_standing(connection, replica, self.now_ms())
            at = now.position
            page = ChangesPage(now.applied, at, now.incarnation, now.now_ms, [], at, True)
            if cursor < now.forgotten or cursor > at:
                page.gap = True
                return page
            found = connection.execute(statements.CHANGES, (cursor, limit)).fetchall()
            page.changes = [decode_change(*columns) for columns in found]
            if len(found) >= limit:
                page.is_complete = False
                page.cursor = min(at, page.changes[-1].position if found else cursor)
            return page

        return self._session.read(work, timeout_s)

    def scan(
        self,
        start: str,
        end: str | None,
        limit: int,
        reverse: bool,
        values: bool,
        replica: int,
        timeout_s: float,
    ) -> ScanPage:
        """Up to `limit` rows with `start` <= key < `end`, in byte order of UTF-8.

        A page ends early once its content exceeds 4 MiB.
        """

        def work(connection: Connection) -> ScanPage:
            now = directory.read_standing(connection, replica, self.now_ms())
            page = ScanPage(now.applied, now.position, now.incarnation, now.now_ms, [], None)
            directory.fill_page(
                page, connection, self._session.dialect, start, end, limit,
                reverse=reverse, values=values,
            )  # fmt: skip
            return page

        return self._session.read(work, timeout_s)

    def acknowledge(self, replica: int, position: int, timeout_s: float) -> None:
        """Note that a replica is alive and has everything up to `position`.

        Ignored for one that is unknown or retired: its next batch tells it so.
        """

        def work(connection: Connection) -> None:
            ledger = self._ledger(connection)
            state = ledger.replica(replica)
            if state is not None and not state.retired:
                state.acknowledged = max(state.acknowledged, min(position, ledger.position))
                ledger.see(state)

        self._session.write(work, timeout_s, alone=False)

    def leave(self, replica: int, timeout_s: float) -> None:
        """Forget a replica that will never be heard of again, so that it holds no floor.

        As long as something of it waits for an operator, it is retired instead. Idempotent.
        """

        def work(connection: Connection) -> None:
            upkeep.leave(self._ledger(connection), replica)

        self._session.write(work, timeout_s)

    def retire(self, replica: int, timeout_s: float) -> bool:
        """Retire a replica now, as if it had been silent for the horizon; whether it was not yet.

        If it comes back, what it had not flushed is kept aside. Idempotent.
        """

        def work(connection: Connection) -> bool:
            ledger = self._ledger(connection)
            return bool(ledger.connection.execute(statements.RETIRE_ONE, (replica,)).rowcount)

        return self._session.write(work, timeout_s)

    def maintain(self, limit: int, timeout_s: float) -> Upkeep:
        """One bounded step of upkeep.

        Releases held deltas, retires the silent, forgets those that have been retired for as long
        again and have nothing waiting for an operator, collects the dead.
        """

        def work(connection: Connection) -> Upkeep:
            ledger = self._ledger(connection)
            return upkeep.maintain(ledger, self._terms(ledger), limit)

        return self._session.write(work, timeout_s)

    def dead_rows(self, timeout_s: float) -> DeadRows:
        """What `maintain` would forget, and what it may not yet. Changes nothing."""

        def work(connection: Connection) -> DeadRows:
            now = directory.read_standing(connection, 0, self.now_ms())
            limits = self._limits
            dead_ms = now.now_ms - limits.horizon_ms - limits.max_drift_ms
            return upkeep.count_dead(connection, now, dead_ms)

        return self._session.read(work, timeout_s)

    def set_aside(self, batch: Batch, reason: str, timeout_s: float) -> None:
        """Keep the batch of a retired replica for the operator; never merged. Idempotent.

        Raises OverloadedError when no more can be kept.
        """

        def work(connection: Connection) -> None:
            upkeep.set_aside(self._ledger(connection), batch, reason)

        self._session.write(work, timeout_s)

    def aside(self, limit: int, timeout_s: float) -> list[AsideEntry]:
        """What waits for an operator, oldest first; deltas that are held, too."""
        return self._session.read(
            lambda connection: upkeep.list_aside(connection, limit), timeout_s
        )

    def replicas(self, timeout_s: float) -> list[ReplicaState]:
        """All replicas ever registered and not yet forgotten."""
        return self._session.read(directory.read_replicas, timeout_s)

    def told(self, timeout_s: float) -> str:
        """What the database is, and its version, for people. Raises UnavailableError."""

        def work(connection: Connection) -> str:
            (found,) = connection.execute(self._session.dialect.version).fetchone()
            return bytes(found).decode() if isinstance(found, bytes) else str(found)

        return self._session.read(work, timeout_s)

    def reincarnate(self, timeout_s: float, regains: str = PEERS) -> RegionInfo:
        """Begin another life, after the region was restored from a backup; who it is now."""

        def work(connection: Connection) -> RegionInfo:
            ledger = self._ledger(connection)
            upkeep.reincarnate(ledger, regains)
            return ledger.info

        return self._session.write(work, timeout_s)

    def resume(
        self, replica: int, after: int, number: int, digest: bytes, timeout_s: float
    ) -> Registration:
        """Let a replica go on after batch `number` in a life that regains from batches."""

        def work(connection: Connection) -> Registration:
            ledger = self._ledger(connection)
            upkeep.resume(ledger, replica, after, number, digest)
            return self._enter(ledger, replica, False)

        return self._session.write(work, timeout_s)

    def close(self) -> None:
        """Release connections. Idempotent."""
        self._connections.close()

    def now_ms(self) -> int:
        """The clock of this process: the region's, unless its database has one."""
        return now_ms(self._runtime)

    def _make_dialect(self, url: str, base_dir: str) -> Dialect:
        return Sqlite(url, base_dir)

    def _mask(self, url: str) -> str:
        return mask_url(url)

    def _terms(self, ledger: Ledger) -> Terms:
        limits = self._limits
        is_tiered = limits.is_tiered or ledger.has_mover
        return Terms(
            ledger.now_ms, limits.max_drift_ms, limits.horizon_ms, is_tiered, ledger.info.actor
        )

    def _read_one(self, key: str, replica: int, timeout_s: float) -> ReadReply:
        raw_key = key.encode()
        connection = self._connections.idle.pop()
        try:
            found = self._fetch_point(
                connection, statements.READ_ONE, (bytearray(raw_key), replica), timeout_s
            )
        except BaseException:
            self._connections.discard(connection)
            raise
        self._connections.give(connection)
        (
            clock_ms, at, incarnation, applied, unsound, position, header, metadata, cold, payload,
        ) = found  # fmt: skip
        if unsound != 0:
            raise TypeError("the region's own row is damaged")
        rows, corrupt = {}, {}
        if header is not None:
            try:
                rows[key] = decode_row(key, raw_key, position, header, metadata, cold, payload)
            except CorruptionError as error:
                corrupt[key] = str(error)
        now_ms = self._time_ns() // 1_000_000 if clock_ms is None else clock_ms
        return ReadReply(applied or 0, at, incarnation, now_ms, rows, corrupt)

    def _read_few(self, keys: Sequence[str], replica: int, timeout_s: float) -> ReadReply:
        names = {key.encode(): key for key in keys}
        connection = self._connections.idle.pop()
        try:
            fetch = self._session.dialect.fetch_few
            found = fetch(connection, names, replica, timeout_s)
        except BaseException:
            self._connections.discard(connection)
            raise
        self._connections.give(connection)
        return directory.make_reply(names, found)

    def _apply(self, ledger: Ledger, state: ReplicaState, batch: Batch) -> None:
        connection, dialect = ledger.connection, ledger.dialect
        written = {delta.key for delta in batch.deltas}
        used = {heat.key for heat in batch.heat} - written
        if used:
            directory.lock_rows(connection, dialect, [*written, *used])
        rows, corrupt = directory.read_rows(connection, dialect, list(written), locking=True)
        bare, headers, _ = directory.read_bare_rows(connection, dialect, list(used), locking=True)
        rows |= bare
        if corrupt:
            batch = directory.poison(batch, corrupt)
        plan = plan_apply(rows, batch, self._terms(ledger))
        ledger.put_rows(plan.writes.values())
        ledger.warm_rows(plan.heated.values(), headers)
        placing.release(ledger, plan.released)
        if plan.held or plan.aside:
            upkeep.keep_back(ledger, batch, plan)
        state.applied, state.digest = batch.number, batch.digest
        state.answer = bytes(plan.outcomes)
