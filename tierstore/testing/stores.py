"""Stores without files, servers or threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.frozen import replace
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.policy.model import EdgeTier, is_tiered, without_peers
from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.memory_objects import MemoryObjects
from tierstore.testing.memory_region import MemoryRegion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierstore.policy import Policy, PolicyLike
    from tierstore.region.objects import ObjectTier
    from tierstore.region.protocol import Region
    from tierstore.runtime import Runtime
    from tierstore.store.store import Store


def memory_store(
    policy: PolicyLike | Mapping[str, Any] = None,
    *,
    region: Region | None = None,
    objects: ObjectTier | None = None,
    runtime: Runtime | None = None,
    coordinator: Region | None = None,
) -> Store:
    """A store with the rules of `policy` and tiers in this process's memory.

    Nothing is written to disk: rules that ask for a journal keep their writes in memory until
    they are flushed. Give two stores the same `region`, and the same `objects` if keys may go
    cold, for two replicas that share them. Strong keys are decided in `coordinator`, if that is
    given. Time is virtual unless a `runtime` is given:
    `runtime.advance(s)` lets it pass and runs background steps. Raises PolicyError.
    """
    runtime = runtime or ManualRuntime()
    loaded = without_peers(load(policy))
    edge = replace(loaded.edge, url=EdgeTier().url, journal=None)
    unjournaled = replace(loaded, edge=edge)
    return wire(
        unjournaled,
        runtime,
        region=region or _make_region(loaded, runtime),
        objects=objects or MemoryObjects(),
        coordinator=coordinator,
    )


def _make_region(policy: Policy, runtime: Runtime) -> MemoryRegion:
    return MemoryRegion(runtime, Limits(is_tiered=is_tiered(policy)))
