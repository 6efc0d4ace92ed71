"""A region in SQLite, production code and all, with a boundary before every statement.

Each simulated process has its own adapter and connections on one file, as real ones have. No pool
outlives a crash, and nobody waits inside the database: who finds it locked tries again in virtual
time.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from functools import cache
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.plan import Crash
from tierstore.tiers.registry import load_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tierstore.region.apply import Limits
    from tierstore.runtime import Runtime
    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Process, Scheduler

_ROLLBACK_JOURNAL = b"\x01\x01"
"""In the place of what says that a database has a log of its own, which none in memory can have."""
_CONTENT = "dead_at_ms, due_ms, header, metadata, cold, payload"


class SteppedConnection:
    """A connection whose statements are boundaries, and may fail."""

    def __init__(
        self,
        inner: sqlite3.Connection,
        scheduler: Scheduler,
        process: Process,
        errors: Errors,
        on_commit: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._inner = inner
        self._scheduler = scheduler
        self._process = process
        self._errors = errors
        self._on_commit = on_commit
        self.close = inner.close
        self.executescript = inner.executescript

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._inner.in_transaction

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        """Run one statement."""
        self._step()
        cursor = self._inner.execute(statement, *parameters)
        if statement == "COMMIT":
            self._on_commit(self._inner)
            self._errors.perhaps_fail()  # done, and not known to be
        return cursor

    def executemany(self, statement: str, rows: Any) -> sqlite3.Cursor:
        """Run one statement for each of `rows`."""
        self._step()
        return self._inner.executemany(statement, rows)

    def _step(self) -> None:
        if self._process.is_dead:
            raise Crash("region.statement")
        if self._scheduler.current is not None:
            self._scheduler.sleep(0)
            self._errors.perhaps_fail()


class Errors:
    """Statements that fail by chance, while faults are on."""

    def __init__(self, chance: Chance, rate: float) -> None:
        self._chance = chance
        self.rate = rate

    def perhaps_fail(self) -> None:
        """Raise what the driver raises when a disk fails, or return."""
        if self._chance.happens(self.rate):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error


class SqliteSite:
    """The file of a region, and who has it open."""

    def __init__(self, folder: str, limits: Limits, number: int = 0) -> None:
        """`number`: of the region, each of which is somebody else."""
        self.path = os.path.join(folder, f"region-{number}.db" if number else "region.db")
        self._limits = limits
        self._opened: list[tuple[Process, sqlite3.Connection]] = []
        self.on_commit: Callable[[sqlite3.Connection], None] = lambda _: None
        """Is told of each commit that a connection has written."""
        with open(self.path, "wb") as file:
            file.write(_template(number))

    def open(self, scheduler: Scheduler, process: Process, runtime: Runtime, errors: Errors) -> Any:
        """An adapter for one process."""
        adapter: Any = load_region("sqlite")
        region = adapter(f"sqlite:///{self.path}", runtime=runtime, terms=self._limits, base_dir="")
        dialect = region._session.dialect
        open_real = dialect.open

        def open_stepped(timeout_s: float) -> SteppedConnection:
            connection = open_real(timeout_s)
            self._opened.append((process, connection))
            return SteppedConnection(
                connection, scheduler, process, errors, lambda inner: self.on_commit(inner)
            )

        dialect.open = open_stepped
        return region

    def close_of(self, process: Process) -> None:
        """Close what a process that ends has open: its transactions are rolled back."""
        for owner, connection in self._opened:
            if owner is process:
                connection.close()
        self._opened = [known for known in self._opened if known[0] is not process]

    def close(self) -> None:
        """Close everything."""
        for _, connection in self._opened:
            connection.close()
        self._opened.clear()

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """All rows as they lie in the database, but for their places in the feed."""
        with closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute(f"SELECT key, {_CONTENT} FROM ts_directory")  # noqa: S608
            return {key.decode(): tuple(content) for key, *content in found}

    def change_rows(self, lost: Iterable[str], changed: Mapping[str, tuple[Any, ...]]) -> None:
        """Take rows away, or change what they hold, behind the back of the adapter."""
        sets = ", ".join(f"{name} = ?" for name in _CONTENT.split(", "))
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.executemany(
                "DELETE FROM ts_directory WHERE key = ?", [(key.encode(),) for key in lost]
            )
            connection.executemany(
                f"UPDATE ts_directory SET {sets} WHERE key = ?",  # noqa: S608  # only constants
                [(*content, key.encode()) for key, content in changed.items()],
            )

    def back_up(self) -> bytes:
        """The region as it is now."""
        source, target = sqlite3.connect(self.path), sqlite3.connect(":memory:")
        try:
            source.backup(target)
            return target.serialize()
        finally:
            source.close()
            target.close()

    @property
    def is_quiet(self) -> bool:
        """Whether nobody has a transaction open."""
        return not any(_is_in_transaction(connection) for _, connection in self._opened)

    def restore(self, backup: bytes) -> None:
        """Make the region what it was, under the eyes of who has it open."""
        with closing(sqlite3.connect(":memory:")) as source:
            source.deserialize(backup[:18] + _ROLLBACK_JOURNAL + backup[20:])
            with closing(sqlite3.connect(self.path)) as target:
                source.backup(target)


def _is_in_transaction(connection: sqlite3.Connection) -> bool:
    try:
        return connection.in_transaction
    except sqlite3.ProgrammingError:
        return False  # it is closed


def can_join() -> bool:
    """Whether this adapter exchanges rows with other regions."""
    return hasattr(load_region("sqlite"), "claim")


@cache
def _template(number: int) -> bytes:
    """A new region; making one takes longer than most simulations."""
    from tierstore.region.apply import Limits

    with TemporaryDirectory() as folder:
        path = os.path.join(folder, "region.db")
        adapter: Any = load_region("sqlite")
        runtime = ManualRuntime(seed=number)  # which draws its id
        region = adapter(f"sqlite:///{path}", runtime=runtime, terms=Limits(), base_dir="")
        region.connect(10.0)
        region.close()
        with open(path, "rb") as file:
            return file.read()
