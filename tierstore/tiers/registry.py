"""Which adapter serves which URL scheme, as strings, so that no driver is imported before use."""

from __future__ import annotations

from tierstore.errors import PolicyError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REGIONS = {
    "sqlite": "tierstore_sql.region:SqlRegion",
    "postgresql+psycopg": "tierstore_sql.postgres:PostgresRegion",
    "postgresql": "tierstore_sql.postgres:PostgresRegion",
}
OBJECTS = {
    "file": "tierstore.tiers.files:FileObjects",
    "s3": "tierstore_s3.objects:S3Objects",
    "gs": "tierstore_obstore.objects:ObstoreObjects",
    "az": "tierstore_obstore.objects:ObstoreObjects",
}
CLIENTS = {
    "s3": {
        "boto3": "tierstore_s3.objects:S3Objects",
        "obstore": "tierstore_obstore.objects:ObstoreObjects",
    },
    "gs": {"obstore": "tierstore_obstore.objects:ObstoreObjects"},
    "az": {"obstore": "tierstore_obstore.objects:ObstoreObjects"},
}
"""Which clients of a cold tier a policy may choose from, by scheme; the first one is the default.
"""

SHARED_EDGES = {
    "redis": "tierstore_redis.edge:RedisEdge",
    "rediss": "tierstore_redis.edge:RedisEdge",
    "redis+cluster": "tierstore_redis.edge:RedisEdge",
    "rediss+cluster": "tierstore_redis.edge:RedisEdge",
}
"""Edges that the workers of a point of presence share; `memory:` is each process's own."""

EXTRAS = {
    "tierstore_sql.postgres": "postgres",
    "tierstore_s3.objects": "s3",
    "tierstore_obstore.objects": "obstore",
    "tierstore_redis.edge": "redis",
}
"""The extra that installs the driver that a module imports; others need none."""


def load_region(scheme: str) -> type[Any]:
    """The adapter class of a regional tier with this URL scheme.

    Raises PolicyError for a scheme that nothing serves, UnavailableError naming the package to
    install if the driver is missing.
    """
    return _load_as("regional", REGIONS, scheme)


def load_shared_edge(scheme: str) -> type[Any]:
    """The adapter class of a shared edge with this URL scheme: a `SharedEdge`.

    Its constructor takes `(url, *, runtime, base_dir)` and touches nothing. Raises PolicyError for
    a scheme that nothing serves, UnavailableError naming the package to install if the driver is
    missing.
    """
    return _load_as("edge", SHARED_EDGES, scheme)


def load_objects(scheme: str, client: str | None = None) -> type[Any]:
    """The adapter class of a cold tier with this URL scheme, by this client: an `ObjectTier`.

    Its constructor takes `(url, *, runtime, base_dir)` and touches nothing. Raises PolicyError for
    a scheme that nothing serves and for a client that does not serve it, UnavailableError naming
    the package to install if the driver is missing.
    """
    if client is None:
        return _load_as("cold", OBJECTS, scheme)
    fault = client_fault(scheme, client)
    if fault is not None:
        raise PolicyError(f"tiers.cold.client: {fault}")
    return load(CLIENTS[scheme][client])


def client_fault(scheme: str, client: str) -> str | None:
    """What is wrong with this client for urls of `scheme`; None if nothing is."""
    known = CLIENTS.get(scheme)
    if known is None:
        served = ", ".join(f"{each}:" for each in CLIENTS)
        return f"{scheme}: has no clients to choose from, {served} have; remove the line"
    if client in known:
        return None
    return f"{client} does not serve {scheme}:, {' and '.join(known)} does; remove the line"


def _load_as(tier: str, known: dict[str, str], scheme: str) -> type[Any]:
    target = known.get(scheme) or _from_entry_points(scheme)
    if target is None:
        named = f"{scheme}:" if scheme else "a url without a scheme"
        schemes = ", ".join(sorted(known))
        raise PolicyError(f"no adapter serves {named} as a {tier} tier (known: {schemes})")
    return load(target)


def load(target: str) -> type[Any]:
    """The class that `module:class` names.

    Raises UnavailableError naming the package to install if the module or its driver is missing.
    """
    import importlib

    module, _, name = target.partition(":")
    try:
        adapter: type[Any] = getattr(importlib.import_module(module), name)
    except ImportError as exc:
        extra = EXTRAS.get(module, "")
        package = f"tierstore[{extra}]" if extra else "tierstore"
        raise UnavailableError(
            f"{exc.name or module} is not installed: pip install '{package}'"
        ) from exc
    return adapter


def _from_entry_points(scheme: str) -> str | None:
    """Adapters of other distributions; looked up last, since the look-up takes 18 ms."""
    from importlib.metadata import entry_points

    for point in entry_points(group="tierstore.adapters"):
        if point.name == scheme:
            return point.value
    return None
