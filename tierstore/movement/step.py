"""Moving and sweeping as one background step of a replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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
        self._swept_at_s = float("-inf")

    @property
    def tally(self) -> dict[str, int]:
        """Moves and sweeps since the store was opened."""
        return self.ground.tally.as_dict()

    def step(self) -> None:
        """One slice of moving, and of sweeping once in an interval.

        Raises UnavailableError if a tier does not answer; the next step goes on from there.
        """
        ground = self.ground
        if not ground.region:
            info = ground.directory.connect(ground.regional_s)
            ground.region, ground.incarnation = info.region, info.incarnation
        self.mover.step()
        now_s = ground.runtime.monotonic()
        lease = self.mover.lease
        if lease is None or not lease.is_held or ground.policy.movement.mode == "plan":
            return
        if now_s - self._swept_at_s >= ground.policy.movement.interval_s:
            self._swept_at_s = now_s
            self.sweeper.step(lease)

    def release(self) -> None:
        """Let another process move keys from now on, if this one did."""
        self.mover.release()

    def pause_s(self) -> float:
        """Seconds until the next step is wanted."""
        return self.mover.pause_s
