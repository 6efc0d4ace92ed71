"""A region that remembers what an edge sends it, and lets something happen before it replies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import OutcomeUnknownError
from tierstore.region.apply import Limits
from tierstore.runtime import Runtime
from tierstore.testing.faults import FaultyRegion
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tierstore.region.batch import Batch
    from tierstore.region.protocol import BatchReply

    T = TypeVar("T")


class Lagging(Runtime):
    """The clock of a region, which may be behind that of its edges."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.behind_s = 0

    def time_ns(self) -> int:
        """The wall clock, as this machine sees it."""
        return self._runtime.time_ns() - self.behind_s * 1_000_000_000

    def random_bytes(self, count: int) -> bytes:
        """Those of the runtime."""
        return self._runtime.random_bytes(count)


@dataclass(frozen=True, slots=True)
class Applied:
    """A batch that the region applied or repeated."""

    replica: int
    number: int
    predecessor: bytes
    digest: bytes
    keys: tuple[str, ...]
    repeated: bool


class ObservedRegion(FaultyRegion):
    """A region in memory behind a plan of faults; `plan.is_region_down` is an outage."""

    def __init__(self, runtime: Runtime) -> None:
        self.clock = Lagging(runtime)
        self.memory = MemoryRegion(self.clock, Limits(is_tiered=True))
        super().__init__(self.memory, FaultPlan())
        self.calls: Counter[str] = Counter()
        """How often each call was made."""
        self.batches: list[Applied] = []
        """What was applied, in order."""
        self._meanwhile: dict[str, Callable[[], object]] = {}

    @property
    def plan(self) -> FaultPlan:
        """Which call goes wrong, and how."""
        return self._plan

    def meanwhile(self, name: str, action: Callable[[], object]) -> None:
        """Run `action` once, when the next call `name` has its answer and has not replied."""
        self._meanwhile[name] = action

    def lose_reply(self) -> None:
        """Apply the next batch, and let its sender not hear of it."""

        def lose() -> None:
            raise OutcomeUnknownError("the reply of the region was made to get lost")

        self.meanwhile("apply", lose)

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch and remember it."""
        return self._write("apply", lambda: self._applied(batch, timeout_s))

    def payload(self, key: str) -> bytes | None:
        """The payload of the row of `key`; None if it has none or no row."""
        row = self.memory.rows.get(key)
        return None if row is None else row.record.payload

    def _applied(self, batch: Batch, timeout_s: float) -> BatchReply:
        reply = self.memory.apply(batch, timeout_s)
        if reply.verdict == "applied":
            keys = tuple(delta.key for delta in batch.deltas)
            self.batches.append(
                Applied(
                    batch.replica, batch.number, batch.predecessor, batch.digest, keys,
                    reply.repeated,
                )
            )  # fmt: skip
        return reply

    def _read(self, name: str, call: Callable[[], T]) -> T:
        return super()._read(name, lambda: self._observed(name, call))

    def _write(self, name: str, call: Callable[[], T]) -> T:
        return super()._write(name, lambda: self._observed(name, call))

    def _observed(self, name: str, call: Callable[[], T]) -> T:
        self.calls[name] += 1
        answer = call()
        if (action := self._meanwhile.pop(name, None)) is not None:
            action()
        return answer
