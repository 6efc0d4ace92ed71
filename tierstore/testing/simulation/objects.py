"""A cold tier on a simulated disk: slow, full, and rotting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError
from tierstore.testing.memory_objects import MemoryObjects
from tierstore.testing.simulation.scheduler import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Scheduler


class ColdDisk(MemoryObjects):
    """Objects in memory, on a disk that can be full, slow, or damage what it holds."""

    def __init__(self, scheduler: Scheduler, chance: Chance) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._chance = chance
        self.is_full = 0
        """How many faults under way fill it."""
        self.is_torn = 0
        """How many faults under way let it keep the beginning of an object and say that all is
        well."""
        self.slow_ms = 0.0
        self.flipped: list[str] = []
        """Names of objects in which a bit was flipped."""

    def heal(self) -> None:
        """There is room again, and it is fast. Damage stays."""
        self.is_full = self.is_torn = 0
        self.slow_ms = 0.0

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Keep a new object of these parts."""
        whole = b"".join(parts)
        self._take_time()
        if self.is_full:
            raise UnavailableError("no space is left in the cold tier")
        if self.is_torn:
            whole = whole[: self._chance.randrange(len(whole))]
        super().put(name, [whole], timeout_s)

    def flip_bit(self) -> bool:
        """Flip one bit of one object, if there is any that has one."""
        names = sorted(name for name, blob in self.blobs.items() if blob)  # a torn one may be empty
        if not names:
            return False
        name = self._chance.choice(names)
        blob = bytearray(self.blobs[name])
        at = self._chance.randrange(len(blob) * 8)
        blob[at // 8] ^= 1 << at % 8
        self.blobs[name] = bytes(blob)
        self.flipped.append(name)
        return True

    def _take_time(self) -> None:
        if self.slow_ms and self._scheduler.current is not None:
            self._scheduler.sleep(int(self._chance.random() * self.slow_ms * NS_PER_MS))
