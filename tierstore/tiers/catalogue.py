"""What adapters there are, whether they are installed, and what they say they can do."""

from __future__ import annotations

from importlib.metadata import entry_points

from tierstore.errors import TierStoreError
from tierstore.frozen import frozen
from tierstore.region.capabilities import Capabilities
from tierstore.tiers import registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "tierstore.adapters"
_SHIPPED = {
    "edge": registry.SHARED_EDGES,
    "regional": registry.REGIONS,
    "cold": registry.OBJECTS,
}
_LOADERS = {
    "edge": registry.load_shared_edge,
    "regional": registry.load_region,
    "cold": registry.load_objects,
}


@frozen
class Adapter:
    """One adapter, for one scheme of urls of one tier."""

    tier: str
    scheme: str
    name: str
    """`module:class`; "built in" for what needs none."""
    missing: str | None
    """What has to be done before it can be used, None if nothing has."""
    capabilities: Capabilities | None
    """What it declares; None while it cannot be imported."""
    client: str | None = None
    """What a policy has to name as `tiers.cold.client` to get it; None for the default."""


def adapters() -> Iterator[Adapter]:
    """Every adapter that is known here, by tier and scheme; importing those that are installed."""
    own = Capabilities(durable=False, shared=False, ordered_scan=True)
    yield Adapter("edge", "memory", "built in", None, own)
    for tier, known in _SHIPPED.items():
        for scheme, target in known.items():
            yield _examined(tier, scheme, target)
    for scheme, clients in registry.CLIENTS.items():
        for client, target in clients.items():
            if target != registry.OBJECTS[scheme]:
                yield _examined("cold", scheme, target, client)
    shipped = {scheme for known in _SHIPPED.values() for scheme in known}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if point.name not in shipped:
            yield _examined("by entry point", point.name, point.value)


def describe(tier: str, scheme: str, client: str | None = None) -> Adapter:
    """The adapter that serves urls of `scheme` in `tier`. Raises PolicyError if none does.

    `client` is the one that the policy names for its cold tier.
    """
    if (tier, scheme) == ("edge", "memory"):
        return next(adapters())
    kind = _LOADERS[tier](scheme) if client is None else registry.load_objects(scheme, client)
    name = f"{kind.__module__}:{kind.__name__}"
    return Adapter(tier, scheme, name, None, kind.capabilities, client)


def _examined(tier: str, scheme: str, target: str, client: str | None = None) -> Adapter:
    try:
        kind = registry.load(target)
    except TierStoreError as exc:
        return Adapter(tier, scheme, target, str(exc), None, client)
    return Adapter(tier, scheme, target, None, kind.capabilities, client)
