"""Moving and sweeping as one background step of a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.errors import TierStoreError
from tierstore.movement.ground import Ground, observed
from tierstore.movement.mover import Mover
from tierstore.movement.sweeper import Sweeper
from tierstore.runtime import mint_replica_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from tierstore.policy.model import Policy, Rule
    from tierstore.region.moves import Directory
    from tierstore.region.objects import ObjectTier
    from tierstore.region.protocol import Region
    from tierstore.runtime import Runtime

    class Link(Protocol):
        """What notes whether a tier can be reached."""

        def observed(self, call: Callable[[], Any]) -> Any: ...

    class ColdSource(Link, Protocol):
        """The cold tier, made at first use."""

        def get(self) -> ObjectTier: ...


class Moving:
    """The mover and the sweeper of one process; of all in a region, one has the lease."""

    def __init__(
        self,
        policy: Policy,
        runtime: Runtime,
        open_region: Callable[[], Region],
        link: Link,
        cold: ColdSource,
        rule_for: Callable[[str], Rule],
    ) -> None:
        def directory() -> Directory:
            return cast("Directory", observed(open_region(), link.observed))

        def objects() -> ObjectTier:
            return cast("ObjectTier", observed(cold.get(), cold.observed))

        self.ground = Ground(policy, runtime, directory, objects, rule_for)
        self.mover = Mover(self.ground, mint_replica_id(runtime))
        self.sweeper = Sweeper(self.ground)
        self.last_error: str | None = None
        """Why the last step did not come to its end, if it did not."""
        self._swept_at_s = float("-inf")
        self._stepping = runtime.lock()  # steps of the background and of `maintain` take turns

    @property
    def is_mover(self) -> bool:
        """Whether this process has the lease to move the region's keys."""
        lease = self.mover.lease
        return lease is not None and lease.is_held and lease.expires_ms > self.ground.now_ms()

    @property
    def tally(self) -> dict[str, int]:
        """Moves and sweeps since the store was opened."""
        return self.ground.tally.as_dict()

    def step(self) -> None:
        """One slice of moving, and of sweeping once in an interval.

        Raises UnavailableError if a tier does not answer; the next step goes on from there.
        """
        self._run(self._step)

    def next_slice(self) -> Callable[[], None] | None:
        """What is left of the last step and need not wait; None: nothing is."""
        if self.mover.has_more:
            return lambda: self._run(self.mover.step)
        if self.sweeper.has_more and self._may_sweep():
            return lambda: self._run(self._sweep)
        return None

    def release(self, timeout_s: float) -> None:
        """Let another process move keys from now on, if this one did."""
        self.mover.release(timeout_s)

    def pause_s(self) -> float:
        """Seconds until the next step is wanted."""
        return self.mover.pause_s

    def _run(self, work: Callable[[], None]) -> None:
        with self._stepping:
            error: TierStoreError | None = None
            try:
                work()
            except TierStoreError as exc:
                error = exc
            error = self.mover.take_failure() or error  # it came first
            told = error or self.mover.failure
            self.last_error = None if told is None else str(told)
            if error is not None:
                raise error

    def _step(self) -> None:
        ground = self.ground
        if not ground.region:
            if not hasattr(ground.directory, "lease"):
                raise TierStoreError(
                    "this region cannot move keys: declare no rate as hotness.cold, or use a"
                    " region whose adapter can"
                )
            info = ground.directory.connect(ground.regional_s)
            ground.region, ground.incarnation = info.region, info.incarnation
        self.mover.step()
        since_s = ground.runtime.monotonic() - self._swept_at_s
        if self._may_sweep() and since_s >= ground.policy.movement.interval_s:
            self._sweep()

    def _may_sweep(self) -> bool:
        lease = self.mover.lease
        is_held = lease is not None and lease.is_held
        return is_held and self.ground.policy.movement.mode == "apply"

    def _sweep(self) -> None:
        self._swept_at_s = self.ground.runtime.monotonic()
        if self.mover.lease is not None:
            self.sweeper.step(self.mover.lease)
