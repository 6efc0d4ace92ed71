"""Payloads that lie in objects: bringing them to replies of the region that only point at them."""

from __future__ import annotations

from tierstore.errors import UnavailableError
from tierstore.record import ELSEWHERE, with_payload
from tierstore.replica.breaker import PATIENT_S, Breaker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from tierstore.region.objects import ObjectTier
    from tierstore.region.pointer import Pointer
    from tierstore.region.protocol import ReadReply
    from tierstore.region.rows import Row
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.state import ReplicaState
    from tierstore.runtime import Runtime
    from tierstore.tiers.cold import ColdReader, ColdReply

ATTEMPTS_MAX = 3
CACHE_BYTES = 4 << 20


class ColdLink:
    """The cold tier, made when it is first needed, and whether it can be reached."""

    def __init__(
        self,
        make: Callable[[], ObjectTier],
        runtime: Runtime,
        may_cache: Callable[[str], bool] | None = None,
    ) -> None:
        """Blocks with a key of which `may_cache` is false stay in memory for a read only."""
        self._make = make
        self._may_cache = may_cache
        self._runtime = runtime
        self._reader: ColdReader | None = None
        self.made: ObjectTier | None = None
        self.failure: str | None = None
        self.breaker = Breaker(runtime, "the cold tier")

    def read(self, rows: dict[str, Row], timeout_s: float) -> ColdReply:
        """What the objects that `rows` point at hold for them; see `ColdReader.read`.

        Raises UnavailableError at once while the breaker keeps readers away.
        """
        self.breaker.admit(timeout_s)
        if self._reader is None:
            from tierstore.tiers.cold import BlockCache, ColdReader

            cache = BlockCache(self._runtime, CACHE_BYTES)
            self._reader = ColdReader(
                self.get(), runtime=self._runtime, cache=cache, may_cache=self._may_cache
            )
        reader = self._reader
        reply: ColdReply = self.observed(lambda: reader.read(rows, timeout_s), timeout_s)
        return reply

    def get(self) -> ObjectTier:
        """The tier; raises PolicyError or UnavailableError if its adapter cannot be loaded."""
        if self.made is None:
            self.made = self._make()
        return self.made

    def observed(self, call: Callable[[], Any], patience_s: float = PATIENT_S) -> Any:
        """What a call of the tier returns, noting whether it was answered."""
        try:
            answer = call()
        except UnavailableError as exc:
            self._note(str(exc), patience_s)
            raise
        self._note(None)
        return answer

    def forget_inherited(self) -> None:
        """In a forked child: make tier and reader anew, as another thread may have used them."""
        self.made = self._reader = None

    def close(self) -> None:
        """Release what was made. Idempotent."""
        if self.made is not None:
            self.made.close()

    def _note(self, failure: str | None, patience_s: float = PATIENT_S) -> None:
        was, self.failure = self.failure, failure
        if failure is None:
            self.breaker.answered()
        elif patience_s >= PATIENT_S:
            self.breaker.unanswered(failure)
        if was is not failure:
            from tierstore.replica.log import log_reach

            log_reach("the cold tier", was, failure)


def no_cold_tier() -> ObjectTier:
    """Raise UnavailableError: in place of a tier where there is none."""
    raise UnavailableError("this store was wired without a cold tier")


def fetch(
    state: ReplicaState, keys: list[str] | tuple[str, ...], deadline: Deadline, of: int = 0
) -> ReadReply:
    """The region's rows of `keys` in one snapshot, with the payloads that lie in objects.

    What the reply says is applied is that `of` another replica, if one is named.

    An object that is gone was moved meanwhile, so the rows are read again; one that is missing
    though the row still points at it is damage of that key. Raises UnavailableError.
    """
    reply = state.link.read(keys, deadline, of)
    missing: dict[str, Pointer] = {}
    for _ in range(ATTEMPTS_MAX):
        rows = elsewhere(reply.rows.values())
        if not rows:
            return reply
        gone = hydrate(state, reply.rows, reply.corrupt, rows, deadline)
        if not gone:
            return reply
        found = _pointers(rows, gone)
        stuck = [key for key in gone if missing.get(key) == found[key]]
        for key in stuck:
            reply.corrupt[key] = f"its object {found[key].name} is missing"
        if len(stuck) == len(gone):
            return reply
        state.runtime.sometimes("object gone before it was read")
        missing = found
        deadline = deadline.renewed()
        reply = state.link.read(keys, deadline, of)
    raise UnavailableError(f"{len(missing)} keys were moved again and again while they were read")


def _pointers(rows: dict[str, Row], keys: set[str]) -> dict[str, Pointer]:
    """Where the payloads of `keys` lie. What waits on top of them may grow all the time."""
    from tierstore.region.pointer import decode_pointer

    return {key: decode_pointer(rows[key].cold or b"", key=key) for key in keys}


def elsewhere(rows: Iterable[Row]) -> dict[str, Row]:
    """Those of `rows` whose payload lies in an object and was not brought along."""
    return {
        row.key: row for row in rows if row.cold is not None and row.record.payload == ELSEWHERE
    }


def hydrate(
    state: ReplicaState,
    rows: dict[str, Row],
    corrupt: dict[str, str],
    wanted: dict[str, Row],
    deadline: Deadline,
) -> set[str]:
    """Put the payloads of `wanted` into `rows`, and what is damaged into `corrupt`.

    Returns the keys whose object is gone. Raises UnavailableError if the tier does not answer.
    """
    from dataclasses import replace

    reply = state.cold.read(wanted, deadline.cold_s(state.policy.timeouts.cold_s))
    for key, payload in reply.payloads.items():
        row = wanted[key]  # whose `cold` still tells where the payload came from
        rows[key] = replace(row, record=with_payload(row.record, payload))
    corrupt.update(reply.corrupt)
    return reply.missing
