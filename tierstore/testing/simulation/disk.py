"""Journals on a simulated disk: slow, full, failing, and losing what was not synced.

The files are real ones, in memory-backed storage where there is some; what is simulated is when
calls come to their end, and what a power cut leaves.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, TypeVar

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.testing.plan import Crash
from tierstore.testing.simulation.scheduler import NS_PER_MS
from tierstore.tiers.journal.directory import SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Process, Scheduler
    from tierstore.testing.simulation.telling import Teller
    from tierstore.tiers.journal.escrow import Note

    T = TypeVar("T")

LOG = f"{SUFFIX}-wal"
_SYNCED = frozenset(("journal.freeze", "journal.bind"))


class Disk:
    """The disk of one machine, with the journals of its processes."""

    def __init__(self, path: str, chance: Chance, error: float) -> None:
        self.path = path
        self.error = error
        """How often a call fails by chance."""
        self._chance = chance
        self.is_full = 0
        """How many faults under way fill it."""
        self.slow_ms = 0.0
        self.lost_bytes = 0
        """How much power cuts have taken away that was written and not synced."""
        self.on_noted: Callable[[str, Sequence[Note], Sequence[str]], None] | None = None
        """Is told of each change of the notes of rights in a file."""
        self._synced_bytes: dict[str, int] = {}

    def heal(self) -> None:
        """There is room again, and it is fast."""
        self.is_full, self.slow_ms, self.error = 0, 0.0, 0.0

    def note_synced(self) -> None:
        """Everything written so far survives a power cut."""
        for name in self._logs():
            self._synced_bytes[name] = os.path.getsize(os.path.join(self.path, name))

    def after_power_cut(self) -> dict[str, bytes]:
        """What a power cut now would leave: each log may end, torn, where it was last synced."""
        image: dict[str, bytes] = {}
        for name in self._names(""):
            with open(os.path.join(self.path, name), "rb") as file:
                image[name] = file.read()
            if name.endswith(LOG):
                size = len(image[name])
                synced = min(self._synced_bytes.get(name, 0), size)
                image[name] = image[name][: self._chance.randint(synced, size)]
                self.lost_bytes += size - len(image[name])
            elif name.endswith("-lock"):
                image[name] = b""  # marks of the last boot mean nothing in the next
        return image

    def become(self, image: dict[str, bytes]) -> None:
        """Hold this and nothing else. No process may have anything open."""
        for name in self._names(""):
            if name not in image:
                os.remove(os.path.join(self.path, name))
        for name, content in image.items():
            with open(os.path.join(self.path, name), "wb") as file:
                file.write(content)

    def clone(self, path: str) -> None:
        """Copy everything as it is now to `path`, as a snapshot of a running machine does."""
        shutil.copytree(self.path, path)

    def _logs(self) -> list[str]:
        return self._names(LOG)

    def _names(self, ending: str) -> list[str]:
        if not os.path.isdir(self.path):
            return []
        return sorted(name for name in os.listdir(self.path) if name.endswith(ending))


class DiskPlan:
    """What `FaultyJournalDirectory` asks at each call of one process's journal."""

    def __init__(self, scheduler: Scheduler, process: Process, disk: Disk, teller: Teller) -> None:
        self._scheduler = scheduler
        self._process = process
        self._disk = disk
        self._teller = teller
        self._chance: Chance = disk._chance

    @property
    def crashed(self) -> bool:
        """Whether the process has ended."""
        return self._process.is_dead

    def run(self, name: str, call: Callable[[], T], lost: type[TierStoreError] | None) -> T:
        """What `call` returns, after the time that the disk takes."""
        self._process.begin_io(name)
        self._pause(name)
        if self._disk.is_full and name != "journal.close":
            raise UnavailableError(f"{name}: no space is left on the disk")
        if self._chance.happens(self._disk.error):
            raise UnavailableError(f"{name}: the disk reports an error")
        reply = call()
        if name in _SYNCED:
            self._disk.note_synced()
        self._teller.call(self._process.name, name, reply)
        if name != "journal.append" or self._disk.slow_ms:
            self._pause(name)
        return reply

    def note(self, path: str, notes: Sequence[Note], gone: Sequence[str]) -> None:
        """What `FaultPlan.note` is told."""
        if self._disk.on_noted is not None:
            self._disk.on_noted(path, notes, gone)

    def _pause(self, name: str) -> None:
        if self._process.is_dead:
            raise Crash(name)
        if self._scheduler.current is not None:
            slow_ns = self._chance.random() * self._disk.slow_ms * NS_PER_MS
            self._scheduler.sleep(int(slow_ns))


def as_plan(plan: DiskPlan) -> Any:
    """`plan`, where a `FaultPlan` is asked for: it has the part that a journal uses."""
    return plan
