"""What a mover and a sweeper stand on: the tiers of one region, the policy, the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.runtime import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tierstore.policy.model import Policy, Rule
    from tierstore.region.moves import Directory
    from tierstore.region.objects import ObjectTier
    from tierstore.runtime import Runtime


class Tally:
    """Counts since the store was opened."""

    __slots__ = ("demoted", "failed", "promoted", "raced", "swept")

    demoted: int  # keys that went cold
    failed: int  # keys whose move failed; it is tried again
    promoted: int  # keys that came back to the region
    raced: int  # keys that were written while they were being moved, and stayed
    swept: int  # objects deleted

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def as_dict(self) -> dict[str, int]:
        """All counts."""
        return {name: getattr(self, name) for name in self.__slots__}


class Ground:
    """The tiers, opened when they are first needed; `region` and `incarnation` name the region."""

    def __init__(
        self,
        policy: Policy,
        runtime: Runtime,
        open_directory: Callable[[], Directory],
        open_objects: Callable[[], ObjectTier],
        rule_for: Callable[[str], Rule],
    ) -> None:
        self.policy = policy
        self.runtime = runtime
        self.rule_for = rule_for
        self.regional_s = policy.timeouts.regional_s
        self.cold_s = policy.timeouts.cold_s
        self.tally = Tally()
        self.region = ""
        self.incarnation = 0
        self._open_directory = open_directory
        self._open_objects = open_objects

    @property
    def directory(self) -> Directory:
        """The region's part for movers."""
        return self._open_directory()

    @property
    def objects(self) -> ObjectTier:
        """The cold tier."""
        return self._open_objects()

    def now_ms(self) -> int:
        """The wall clock."""
        return now_ms(self.runtime)

    def next_ms(self) -> int:
        """When the next pass is."""
        return self.now_ms() + int(self.policy.movement.interval_s * 1000)


def observed(directory: Any, observe: Callable[[Callable[[], Any]], Any]) -> Any:
    """`directory` with every call made through `observe`, which notes whether it was answered."""
    return _Observed(directory, observe)


class _Observed:
    def __init__(self, inner: Any, observe: Callable[[Callable[[], Any]], Any]) -> None:
        self._inner = inner
        self._observe = observe

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return lambda *arguments: self._observe(lambda: method(*arguments))
