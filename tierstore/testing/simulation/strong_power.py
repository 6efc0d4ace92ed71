"""Power cuts of the machine that a region in SQLite is on: of its log stays what was synced.

All processes end with it. Of what was written and not synced a part may be left, torn at any byte.
What a connection syncs, its own setting says: nobody sees the calls of the operating system here.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from tierstore.testing.simulation.operating import is_quiet
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.nemesis import Nemesis
    from tierstore.testing.simulation.scheduler import Task
    from tierstore.testing.simulation.sqlite import SqliteSite

FULL = 2
"""From this setting of `synchronous` on a commit is synced before it is answered."""
SALT = slice(16, 24)
"""Where the header of a log has what differs each time that it begins anew."""
LATER_MS_MAX = 4000
OFF_MS_MAX = 1000


class Power:
    """The disk of a region, and how much of its log is on it for sure."""

    def __init__(self, file: SqliteSite, cluster: Cluster, chance: Chance) -> None:
        self._file = file
        self._cluster = cluster
        self._chance = chance
        self._salt, self._synced_bytes = b"", 0
        self._watcher: Task | None = None
        self._image: tuple[bytes, bytes] | None = None
        file.on_commit = self._note_commit

    def cut(self, nemesis: Nemesis) -> None:
        """Cut the power, in half of all cases in the middle of a commit; it comes back."""
        scheduler, cluster = self._cluster.scheduler, self._cluster
        if self._chance.random() < 0.5:
            self._watcher = scheduler.current
            scheduler.wait(scheduler.now_ns + NS_PER_S)
            self._watcher = None
        if self._image is None:
            self._stop()
        for node in cluster.nodes:
            node.crash()
        if is_quiet(cluster, cluster.sites[0]):  # of what arrives late nobody is told
            cluster.reached["power of the region was cut"] += 1
            with scheduler.at_once():
                self._recover()
        self._image = None
        scheduler.sleep(int(self._chance.random() * OFF_MS_MAX * NS_PER_MS))
        cluster.is_dark = False
        for node in cluster.nodes:
            nemesis.restart(node)

    def note_written(self) -> None:
        """All that is in the log is synced."""
        log = _read(f"{self._file.path}-wal")
        self._salt, self._synced_bytes = log[SALT], len(log)

    def _note_commit(self, connection: sqlite3.Connection) -> None:
        watcher = self._watcher
        is_client = self._cluster.scheduler.current is not None  # and no operator at the region
        if watcher is not None and is_client:  # before it is synced, or while it is
            self._watcher = None
            self._stop()
            self._cluster.reached["power cut in the middle of a commit"] += 1
            self._cluster.scheduler.wake(watcher)
        elif int(connection.execute("PRAGMA synchronous").fetchone()[0]) >= FULL:
            self.note_written()

    def _stop(self) -> None:
        """Nobody does anything any more; this is what the disk has."""
        self._cluster.is_dark = True
        for node in self._cluster.nodes:
            node.process.paused_until_ns = self._cluster.scheduler.now_ns + 60 * NS_PER_S
        log = _read(f"{self._file.path}-wal")
        synced = self._synced_bytes if log[SALT] == self._salt else 0
        left = log[: self._chance.randint(min(synced, len(log)), len(log))]
        self._cluster.reached["power cut took a log's end"] += len(left) < len(log)
        self._image = _read(self._file.path), left

    def _recover(self) -> None:
        """Let the region be what a database makes of its files when it is opened again."""
        assert self._image is not None
        path = f"{self._file.path}.cut"
        for name, content in zip((path, f"{path}-wal"), self._image, strict=True):
            with open(name, "wb") as file:
                file.write(content)
        with closing(sqlite3.connect(path)) as source:
            (found,) = source.execute("PRAGMA integrity_check").fetchone()
            if found != "ok":
                self._cluster.broken.append(f"the region is damaged by a power cut: {found}")
            with closing(sqlite3.connect(self._file.path)) as target:
                source.backup(target)
                self.note_written()


def let_power_fail(cluster: Cluster, nemesis: Nemesis, file: SqliteSite, chance: Chance) -> None:
    """Let the power of the region's machine fail once to three times."""
    power = Power(file, cluster, chance)

    def play() -> None:
        for _ in range(chance.choice((1, 2, 3))):
            cluster.scheduler.sleep(int(chance.random() * LATER_MS_MAX * NS_PER_MS))
            if not nemesis.is_over:
                power.cut(nemesis)

    cluster.scheduler.spawn(cluster.server, "power", play)


def _read(path: str) -> bytes:
    if not os.path.exists(path):
        return b""
    with open(path, "rb") as file:
        return file.read()
