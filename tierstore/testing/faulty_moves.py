"""The part of `FaultyRegion` that movers use."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.errors import OutcomeUnknownError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    from tierstore.region.moves import (
        Directory,
        Lease,
        Overview,
        Review,
        Stay,
        StoredObject,
        Switch,
    )
    from tierstore.region.protocol import Region
    from tierstore.region.rows import Row
    from tierstore.testing.plan import FaultPlan

    T = TypeVar("T")


class FaultyCalls:
    """Calls of `inner` that go wrong as `plan` says."""

    def __init__(self, inner: Region, plan: FaultPlan) -> None:
        self._inner = inner
        self._plan = plan

    def _read(self, name: str, call: Callable[[], T]) -> T:
        return self._plan.run(f"region.{name}", call, UnavailableError)

    def _write(self, name: str, call: Callable[[], T]) -> T:
        return self._plan.run(f"region.{name}", call, OutcomeUnknownError)


class FaultyMoves(FaultyCalls):
    """The calls of `tierstore.region.moves.Directory`, for an inner region that has them."""

    @property
    def _moves(self) -> Directory:
        return cast("Directory", self._inner)

    def lease(self, holder: int, ttl_ms: int, note: str | None, timeout_s: float) -> Lease:
        """Take or renew the lease."""
        return self._write("lease", lambda: self._moves.lease(holder, ttl_ms, note, timeout_s))

    def due(self, limit: int, timeout_s: float) -> list[Row]:
        """Rows whose time of review has come."""
        return self._read("due", lambda: self._moves.due(limit, timeout_s))

    def review_all(self, epoch: int, after: int, limit: int, timeout_s: float) -> int | None:
        """Make rows due."""
        return self._write(
            "review_all", lambda: self._moves.review_all(epoch, after, limit, timeout_s)
        )

    def settle_reviews(self, epoch: int, reviews: Sequence[Review], timeout_s: float) -> None:
        """Note what became of rows."""
        self._write("settle_reviews", lambda: self._moves.settle_reviews(epoch, reviews, timeout_s))

    def begin_move(self, epoch: int, name: str, timeout_s: float) -> None:
        """Log an intent."""
        self._write("begin_move", lambda: self._moves.begin_move(epoch, name, timeout_s))

    def switch(
        self, epoch: int, made: StoredObject | None, switches: Sequence[Switch], timeout_s: float
    ) -> list[str]:
        """The keys that moved."""
        return self._write("switch", lambda: self._moves.switch(epoch, made, switches, timeout_s))

    def abandon(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """End intents."""
        self._write("abandon", lambda: self._moves.abandon(epoch, names, timeout_s))

    def stale_intents(self, epoch: int, limit: int, timeout_s: float) -> list[str]:
        """Intents of earlier leases."""
        return self._read(
            "stale_intents", lambda: self._moves.stale_intents(epoch, limit, timeout_s)
        )

    def garbage(self, dead_before_ms: int, limit: int, timeout_s: float) -> list[str]:
        """Objects that no row points at."""
        return self._read("garbage", lambda: self._moves.garbage(dead_before_ms, limit, timeout_s))

    def forget_objects(self, epoch: int, names: Sequence[str], timeout_s: float) -> None:
        """Forget deleted objects."""
        self._write("forget_objects", lambda: self._moves.forget_objects(epoch, names, timeout_s))

    def known_objects(self, names: Sequence[str], timeout_s: float) -> set[str]:
        """Those of `names` that are known."""
        return self._read("known_objects", lambda: self._moves.known_objects(names, timeout_s))

    def marker(self, timeout_s: float) -> str | None:
        """The object by which the cold tier is recognized."""
        return self._read("marker", lambda: self._moves.marker(timeout_s))

    def put_marker(self, epoch: int, name: str, timeout_s: float) -> None:
        """Note that object."""
        self._write("put_marker", lambda: self._moves.put_marker(epoch, name, timeout_s))

    def stay(self, key: str, timeout_s: float) -> Stay | None:
        """Why a key is not where it should be."""
        return self._read("stay", lambda: self._moves.stay(key, timeout_s))

    def objects(self, limit: int, timeout_s: float) -> list[StoredObject]:
        """Objects of the cold tier."""
        return self._read("objects", lambda: self._moves.objects(limit, timeout_s))

    def overview(self, failures: int, timeout_s: float) -> Overview:
        """Figures of the cold tier."""
        return self._read("overview", lambda: self._moves.overview(failures, timeout_s))
