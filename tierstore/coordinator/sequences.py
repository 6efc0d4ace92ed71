"""Sequences: numbers that are given once, ascending for whoever asks, with gaps.

A process reserves a block by one commit and gives its numbers without further ones; blocks grow
while they are used up quickly. What a process does not use is never given.
"""

from __future__ import annotations

from tierstore.errors import (
    ConflictError,
    CorruptionError,
    DeadlineExceededError,
    DecodingError,
)
from tierstore.region.commits import PRIVATE, Cell, Check, Commit, Write, version_of
from tierstore.runtime import jitter
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.coordinator.central import Central
    from tierstore.region.deadline import Deadline
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime

RECORD_FORMAT = 1
PREFIX = "sequence/"
BLOCK_MAX = 1024
QUICK_S = 1.0
ATTEMPTS = 32
PAUSE_S_MAX = 0.1


class Block:
    """What is left of the numbers that were reserved for one sequence."""

    __slots__ = ("life", "numbers", "size", "taken_s", "turn")

    def __init__(self, runtime: Runtime) -> None:
        self.turn = runtime.turn()
        self.numbers = iter(range(0))
        self.life = 0  # of the coordinator, in which they were reserved; the next gives them again
        self.size = 0
        self.taken_s = float("-inf")


class Sequences:
    """The sequences of one process. Thread-safe."""

    def __init__(self, central: Central, runtime: Runtime) -> None:
        self._central = central
        self._runtime = runtime
        self._lock = runtime.lock()
        self._blocks: dict[str, Block] = {}

    def next(self, key: str, deadline: Deadline) -> int:
        """A number that nobody else gets, above all that this process got of this sequence.

        Raises UnavailableError; OutcomeUnknownError, after which some numbers are never given.
        """
        with self._lock:
            block = self._blocks.setdefault(key, Block(self._runtime))
        if not block.turn.acquire(True, deadline.remaining_s()):
            raise DeadlineExceededError(f"others wait for numbers of the sequence {key!r}, too")
        try:
            is_over = block.life != self._central.life(deadline)
            number = None if is_over else next(block.numbers, None)
            return self._reserve(key, block, deadline) if number is None else number
        finally:
            block.turn.release()

    def _reserve(self, key: str, block: Block, deadline: Deadline) -> int:
        """The first of the numbers of another block; the rest of them is kept."""
        now_s = self._runtime.monotonic()
        is_quick = now_s - block.taken_s < QUICK_S
        block.size = min(BLOCK_MAX, block.size * 2 if is_quick and block.size else 1)
        block.taken_s = now_s
        for attempt in range(ATTEMPTS):
            life = self._central.life(deadline)
            first = self._try(key, block.size, deadline)
            if first is not None:
                block.numbers = iter(range(first + 1, first + block.size))
                block.life = life
                return first
            self._runtime.sometimes("a block of a sequence went to another")
            longest_s = min(PAUSE_S_MAX, 0.001 * 2.0**attempt)
            self._runtime.sleep(longest_s * jitter(self._runtime))
        raise ConflictError(f"the sequence {key!r} went to others {ATTEMPTS} times: try again")

    def _try(self, key: str, size: int, deadline: Deadline) -> int | None:
        """The first of `size` numbers that are reserved by this, None if another was faster."""
        cell = Cell(PRIVATE, PREFIX + key)
        row = self._central.peek([cell.key], deadline).rows.get(cell.key)
        first = 1 if row is None else _read(key, row)
        put = Write(cell, payload=pack([RECORD_FORMAT, first + size]))
        check = Check(cell, None if row is None else version_of(row))
        commit = Commit((check,), (put,), self._central.mint(deadline))
        return first if self._central.commit(commit, deadline).verdict == "committed" else None


def _read(key: str, row: Row) -> int:
    """The first number that was not given yet."""
    try:
        format_, following = unpack(row.record.payload or b"")
    except (DecodingError, TypeError, ValueError):
        format_, following = None, None
    if format_ != RECORD_FORMAT or type(following) is not int:
        raise CorruptionError(
            f"the record of the sequence {key!r} is not of a format that this version reads",
            key=key,
            tier="regional",
        )
    return following
