"""Keys that the directory was asked for in vain: absent for a short while, bounded in number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import TLRUCache

if TYPE_CHECKING:
    from tierstore.policy.model import Rule
    from tierstore.runtime import Runtime

COUNT_MAX = 65_536


class Negatives:
    """When each absent key was last asked for. A write or a row of the feed removes it."""

    def __init__(self, runtime: Runtime) -> None:
        self._fetched_at_s: TLRUCache[str, tuple[float, float]] = TLRUCache(
            COUNT_MAX, ttu=lambda _key, entry, _now: entry[1], timer=runtime.monotonic
        )

    def add(self, key: str, rule: Rule, fetched_at_s: float) -> None:
        """Remember that `key` was absent, for the rule's `negative_ttl`, `max_age` at most."""
        ttl_s = rule.read.negative_ttl_s
        if rule.read.max_age_s is not None:
            ttl_s = min(ttl_s, rule.read.max_age_s)
        if ttl_s > 0:
            self._fetched_at_s[key] = (fetched_at_s, fetched_at_s + ttl_s)

    def fetched_at_s(self, key: str) -> float | None:
        """When `key` was found absent, if that still counts."""
        if key not in self._fetched_at_s:  # several times faster than `get` for what is not there
            return None
        entry = self._fetched_at_s.get(key)
        return None if entry is None else entry[0]

    def discard(self, key: str) -> bool:
        """The key may exist now. Whether it was taken for absent."""
        if key not in self._fetched_at_s:
            return False
        self._fetched_at_s.pop(key, None)
        return True

    def clear(self) -> None:
        """Every key may exist now."""
        self._fetched_at_s.clear()

    def __len__(self) -> int:
        return len(self._fetched_at_s)
