"""Which harness checks the tiers of which URL scheme, as strings: none is imported before use.

Other distributions name theirs by entry points in the group `tierstore.conformance`.
"""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeVar

    from tierstore.testing.conformance.harness import Harness

    H = TypeVar("H", bound=Harness)

HARNESSES = {
    "file": "tierstore.testing.conformance.files:FileHarness",
    "postgresql": "tierstore.testing.conformance.postgres:PostgresHarness",
    "postgresql+psycopg": "tierstore.testing.conformance.postgres:PostgresHarness",
    "redis": "tierstore.testing.conformance.redis:RedisHarness",
    "rediss": "tierstore.testing.conformance.redis:RedisHarness",
    "s3": "tierstore.testing.conformance.s3:S3Harness",
    "gs": "tierstore.testing.conformance.obstore:ObstoreHarness",
    "az": "tierstore.testing.conformance.obstore:ObstoreHarness",
    "memory": "tierstore.testing.conformance.models:MemoryEdgeHarness",
    "sqlite": "tierstore.testing.conformance.sqlite:SqliteHarness",
}
"""Each is made with a folder of its own, that of an edge with `has_journal` too, and raises
CannotError where what it needs is not there, such as a server."""
CLIENT_HARNESSES = {"obstore": "tierstore.testing.conformance.obstore:ObstoreHarness"}
"""For cold tiers whose policy names a client that is not the default of its scheme."""
URL_VARIABLE = "TIERSTORE_CONFORMANCE_URL"
"""Names the server of those that need one; not an argument, which all users of a machine can read.
They make a place of their own there, and remove it."""
GROUP = "tierstore.conformance"


def find_harness(kind: type[H], scheme: str, client: str | None = None) -> type[H] | None:
    """The harness of this kind for tiers of this scheme; None if nobody has named one.

    `client` is the one that a policy names for its cold tier.

    Raises ImportError if the one that is named cannot be imported.
    """
    for target in _targets(scheme, client):
        module, _, name = target.partition(":")
        found = getattr(importlib.import_module(module), name)
        if isinstance(found, type) and issubclass(found, kind):
            return found
    return None


def _targets(scheme: str, client: str | None) -> Iterator[str]:
    if client in CLIENT_HARNESSES:
        yield CLIENT_HARNESSES[client]
    elif scheme in HARNESSES:
        yield HARNESSES[scheme]
    for point in entry_points(group=GROUP, name=scheme):
        yield point.value
