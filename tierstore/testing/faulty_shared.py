"""A shared edge whose calls go wrong on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import OutcomeUnknownError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.capabilities import Capabilities
    from tierstore.region.shared import (
        CopiesReply,
        EdgeInfo,
        Identity,
        Queued,
        Settled,
        SharedEdge,
        Standing,
        TypedReply,
        WriteReply,
    )
    from tierstore.testing.plan import FaultPlan

    T = TypeVar("T")


class FaultyShared:
    """A shared edge whose calls go wrong as `plan` says; otherwise `inner`."""

    def __init__(self, inner: SharedEdge, plan: FaultPlan) -> None:
        self._inner = inner
        self._plan = plan

    @property
    def capabilities(self) -> Capabilities:
        """Those of the inner edge."""
        return self._inner.capabilities

    def connect(self, timeout_s: float) -> EdgeInfo:
        """Connect and probe."""
        return self._plan.run("edge.connect", lambda: self._inner.connect(timeout_s), None)

    def read(self, keys: Sequence[str], timeout_s: float) -> CopiesReply:
        """The copies of `keys`."""
        return self._plan.run("edge.read", lambda: self._inner.read(keys, timeout_s), None)

    def lease(self, keys: Sequence[str], token: int, timeout_s: float) -> int:
        """Put placeholders of `token` where nothing is, of another token, too."""
        return self._plan.run(
            "edge.lease", lambda: self._inner.lease(keys, token, timeout_s), UnavailableError
        )

    def fill(
        self,
        records: Mapping[str, Record],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """Show rows that were read under `token` from `fetched_ms` on; the keys that do now."""
        return self._plan.run(
            "edge.fill",
            lambda: self._inner.fill(records, token, fetched_ms, ttl_ms, timeout_s),
            UnavailableError,
        )

    def show(
        self, records: Mapping[str, Record], fetched_ms: int, ttl_ms: int, timeout_s: float
    ) -> set[str]:
        """`fill` for what was not read under a placeholder."""
        return self._plan.run(
            "edge.show",
            lambda: self._inner.show(records, fetched_ms, ttl_ms, timeout_s),
            UnavailableError,
        )

    def withdraw(self, keys: Sequence[str], timeout_s: float) -> None:
        """Drop clean copies and placeholders of `keys`, so that the next read asks the region."""
        return self._plan.run(
            "edge.withdraw", lambda: self._inner.withdraw(keys, timeout_s), UnavailableError
        )

    def notice(self, changes: Mapping[str, tuple[int, int, int]], timeout_s: float) -> set[str]:
        """Be told of the region's versions (stamp, replica, touch) of keys that changed."""
        return self._plan.run(
            "edge.notice", lambda: self._inner.notice(changes, timeout_s), UnavailableError
        )

    def clear_clean(self, timeout_s: float) -> None:
        """Drop every clean copy and placeholder."""
        return self._plan.run(
            "edge.clear_clean", lambda: self._inner.clear_clean(timeout_s), UnavailableError
        )

    def read_typed(self, keys: Sequence[str], timeout_s: float) -> TypedReply:
        """What is here of `keys` that are no registers."""
        return self._plan.run(
            "edge.read_typed", lambda: self._inner.read_typed(keys, timeout_s), None
        )

    def fill_typed(
        self,
        records: Mapping[str, Record],
        base: tuple[int, int],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """`fill` of rows of one tag that contain what `base` says."""
        return self._plan.run(
            "edge.fill_typed",
            lambda: self._inner.fill_typed(records, base, token, fetched_ms, ttl_ms, timeout_s),
            UnavailableError,
        )

    def write(
        self, deltas: Sequence[Delta], run: str, bytes_max: int, timeout_s: float
    ) -> WriteReply:
        """Queue `deltas`, all of one tag and of different keys, and show them, atomically."""
        return self._plan.run(
            "edge.write",
            lambda: self._inner.write(deltas, run, bytes_max, timeout_s),
            OutcomeUnknownError,
        )

    def bind(self, tag: int, run: str, replica: int, timeout_s: float, instead_of: int = 0) -> int:
        """Give the tag the identity `replica` for this `run`, unless it has one; which it has."""
        return self._plan.run(
            "edge.bind",
            lambda: self._inner.bind(tag, run, replica, timeout_s, instead_of),
            UnavailableError,
        )

    def identities(self, tag: int, timeout_s: float) -> list[Identity]:
        """All identities of a tag, oldest first."""
        return self._plan.run(
            "edge.identities", lambda: self._inner.identities(tag, timeout_s), None
        )

    def introduce(self, tag: int, replica: int, timeout_s: float) -> None:
        """Note that the region is told of an identity from now on."""
        return self._plan.run(
            "edge.introduce",
            lambda: self._inner.introduce(tag, replica, timeout_s),
            UnavailableError,
        )

    def queue(self, tag: int, replica: int, limit: int, timeout_s: float) -> list[Queued]:
        """The first `limit` entries that wait under an identity, in order."""
        return self._plan.run(
            "edge.queue", lambda: self._inner.queue(tag, replica, limit, timeout_s), None
        )

    def settle(
        self,
        tag: int,
        replica: int,
        number: int,
        settled: Sequence[Settled],
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> None:
        """Forget entries up to `number`, which the region has, and settle the copies they wrote."""
        return self._plan.run(
            "edge.settle",
            lambda: self._inner.settle(
                tag, replica, number, settled, fetched_ms, ttl_ms, timeout_s
            ),
            UnavailableError,
        )

    def expel(self, tag: int, replica: int, number: int, timeout_s: float) -> bytes | None:
        """Remove the first entry of a queue, if it cannot be understood; what it was."""
        return self._plan.run(
            "edge.expel",
            lambda: self._inner.expel(tag, replica, number, timeout_s),
            OutcomeUnknownError,
        )

    def dismiss(self, tag: int, replica: int, timeout_s: float) -> None:
        """Forget an identity, with what waits under it; a current one is replaced at `bind`."""
        return self._plan.run(
            "edge.dismiss", lambda: self._inner.dismiss(tag, replica, timeout_s), UnavailableError
        )

    def lead(self, work: str, holder: int, ttl_ms: int, timeout_s: float) -> bool:
        """Take or renew the lease on a kind of work; whether `holder` has it now."""
        return self._plan.run(
            "edge.lead", lambda: self._inner.lead(work, holder, ttl_ms, timeout_s), UnavailableError
        )

    def standing(self, timeout_s: float) -> Standing:
        """What the workers know together."""
        return self._plan.run("edge.standing", lambda: self._inner.standing(timeout_s), None)

    def advance(self, standing: Standing, was_cursor: int, timeout_s: float) -> bool:
        """Replace the standing, unless the cursor is not `was_cursor` any more."""
        return self._plan.run(
            "edge.advance",
            lambda: self._inner.advance(standing, was_cursor, timeout_s),
            UnavailableError,
        )

    def listen(
        self,
        on_ready: Callable[[], None],
        on_gone: Callable[[Sequence[str] | None], None],
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Listen to the inner edge."""
        self._inner.listen(on_ready, on_gone, wait_s, is_stopped)

    def close(self) -> None:
        """Release connections: never fails."""
        self._inner.close()
