"""What a conformance suite asks for besides the adapter: ways around it, and ways to harm it.

A *harness* makes handles of one tier, as several processes would, and goes to the backend by its
driver alone. What it cannot do it says in `cannot`, with the reason: the tests that need it are
skipped with that reason, and one test checks that nothing is missing that is not declared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.runtime import Runtime
from tierstore.testing.plan import FaultPlan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from tierstore.region.objects import ObjectTier
    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.observed import ObservedRegion

TIMEOUT_S = 5.0
"""What the suite gives every call, by the clock of its runtime."""


class CannotError(Exception):
    """A harness was asked for what it cannot do."""


class Harness:
    """One tier, seen from outside. Made anew for each test; `close` removes all of it."""

    clock: ManualRuntime
    """The time of the tier and of its handles."""
    plan: FaultPlan
    """Decides which I/O of the handles, a statement or a request of the driver, goes wrong."""
    cannot: Mapping[str, str] = {}
    """What this harness does not offer, and why: names of `ABILITIES`."""

    def restart(self) -> None:
        """End every process that uses the tier, without a word, and the tier's own, too.

        What is open is released as the system does it. The clock and durable content stay.
        """
        raise CannotError("restart")

    def open_secret(self) -> tuple[object, str]:
        """(A handle whose url holds a secret, that secret). The backend need not answer."""
        raise CannotError("open_secret")

    def unreachable(self) -> AbstractContextManager[None]:
        """While entered, the backend answers nothing."""
        raise CannotError("unreachable")

    def open_resources(self) -> int:
        """Connections, files and the like that handles of this tier hold open now."""
        raise CannotError("open_resources")

    def close(self) -> None:
        """Remove the tier and everything that was opened."""


class RegionHarness(Harness):
    """A regional tier, empty and not yet connected to."""

    ABILITIES = (
        "blocked", "closing", "corrupt", "faults", "fork", "open_resources", "open_secret",
        "restart", "unreachable",
    )  # fmt: skip

    def open(self, runtime: Runtime | None = None) -> Region:
        """A handle of the region, on `runtime` or on `clock`.

        Handles of a region that is not `shared` may be one and the same. Limits are the defaults
        of `tierstore.region.apply.Limits`, with `is_tiered`.
        """
        raise CannotError("open")

    def raw_payload(self, key: bytes) -> bytes | None:
        """The stored payload of the row of exactly this key, by the driver; None for no row.

        Raises KeyError if there is no row.
        """
        raise CannotError("raw_payload")

    def raw_keys(self) -> list[bytes]:
        """The keys of all rows, by the driver, in any order."""
        raise CannotError("raw_keys")

    def corrupt(self, key: bytes) -> None:
        """Change a byte of the stored payload of `key`, by the driver."""
        raise CannotError("corrupt")

    def blocked(self) -> AbstractContextManager[None]:
        """While entered, another client holds a lock that every write has to wait for."""
        raise CannotError("blocked")


class ObjectHarness(Harness):
    """A cold tier, empty."""

    ABILITIES = (
        "cut", "faults", "fork", "full", "open_resources", "open_secret", "plant",
        "plant_leftover", "restart", "unreachable",
    )  # fmt: skip

    def open(self, runtime: Runtime | None = None) -> ObjectTier:
        """A handle of the tier, on `runtime` or on `clock`.

        Handles of a tier that is not `shared` may be one and the same.
        """
        raise CannotError("open")

    def raw_object(self, name: str) -> bytes | None:
        """The stored bytes under exactly this name, by the driver; None if there is nothing."""
        raise CannotError("raw_object")

    def raw_names(self) -> set[str]:
        """Every name that is there, by the driver, however it looks."""
        raise CannotError("raw_names")

    def plant(self, name: str, content: bytes) -> None:
        """Store any bytes under any name that the backend takes, by the driver."""
        raise CannotError("plant")

    def plant_many(self, names: Sequence[str], content: bytes) -> None:
        """Store the same bytes under many names, by the driver; override it where that is slow."""
        for name in names:
            self.plant(name, content)

    def plant_leftover(self, name: str) -> str:
        """Leave what a put of `name` that was cut off leaves; the name by which it is listed."""
        raise CannotError("plant_leftover")

    def cut(self, name: str, size_bytes: int) -> None:
        """Shorten a stored object to its first `size_bytes`, by the driver."""
        raise CannotError("cut")

    def full(self) -> AbstractContextManager[None]:
        """While entered, the backend has no room for another object."""
        raise CannotError("full")


class EdgeHarness(Harness):
    """An edge, empty, in front of a region in memory that observes it.

    There is no protocol for edges: a store over one is what can be checked.
    """

    ABILITIES = ("faults", "fork", "journal", "open_resources", "open_secret")

    region: ObservedRegion
    """The region of every store that the harness opens."""

    def policy(self, **fields: Any) -> dict[str, Any]:
        """The policy of this edge's stores; `fields` replace or add top-level ones.

        `tiers.edge` names this edge. Where there is no journal, what would be journaled is
        declared `memory`.
        """
        return edge_policy({"url": "memory://"}, has_journal="journal" not in self.cannot) | fields

    def open(self, runtime: Runtime | None = None, **fields: Any) -> Store:
        """A store over this edge, as a process has it, on `runtime` or on `clock`."""
        raise CannotError("open")

    def open_elsewhere(self, **fields: Any) -> Store:
        """A store over another edge of the same region."""
        raise CannotError("open_elsewhere")

    def kill(self, store: Store) -> None:
        """End the process of a store as `kill -9` does: nothing is flushed or said."""
        raise CannotError("kill")


def edge_policy(edge: dict[str, Any], *, has_journal: bool) -> dict[str, Any]:
    """What the suite declares: one prefix of keys for each promise, and a quiet background."""
    usual = "journal" if has_journal else "memory"
    rules: list[dict[str, Any]] = [
        {"match": "mem/**", "durability": "memory"},
        {"match": "reg/**", "durability": "regional"},
        {"match": "far/**", "durability": "regional", "place": {"never": ["edge"]}},
        {"match": "age/**", "read": {"max_age": "2s", "stale_if_error": "5s"}},
        {"match": "neg/**", "read": {"negative_ttl": "10s"}},
        {"match": "now/**", "read": {"negative_ttl": "10s", "max_age": "1s"}},
        {"match": "ttl/**", "ttl": "1min"},
        {"match": "renew/**", "ttl": "1min", "ttl_renew": "write"},
        {"match": "small/**", "edge": {"max_value": "1KiB"}},
        {"match": "**"},
    ]
    return {
        "version": 1,
        "tiers": {"edge": edge},
        "replication": {"flush": "1h", "pull": "1h"},
        "rules": [{"durability": usual, **rule} for rule in rules],
    }


def need(harness: RegionHarness | ObjectHarness | EdgeHarness, ability: str) -> None:
    """Skip the test if `harness` says that it has not this ability, for the reason it gives."""
    if ability in harness.cannot:
        pytest.skip(f"{type(harness).__name__} cannot {ability}: {harness.cannot[ability]}")


def undeclared(harness: RegionHarness | ObjectHarness | EdgeHarness) -> Iterator[str]:
    """What is wrong with the declarations of a harness, in words."""
    abilities = type(harness).ABILITIES
    for name in harness.cannot:
        if name not in abilities:
            yield f"`cannot` names {name!r}, which is none of {', '.join(abilities)}"
    for name in abilities:
        if name in harness.cannot:
            continue
        if name == "faults" and not hasattr(harness, "plan"):
            yield "it has no `plan`; declare in `cannot` why it cannot do faults"
        bases = (base for base in type(harness).__mro__ if base.__module__ == __name__)
        base = next(bases)
        if hasattr(base, name) and getattr(type(harness), name) is getattr(base, name):
            yield f"it has no `{name}`; write it or declare in `cannot` why not"


class Waiting(Runtime):
    """The real runtime with the wall clock of another: for threads that wait for each other."""

    def __init__(self, clock: ManualRuntime) -> None:
        self._clock = clock

    def time_ns(self) -> int:
        """The wall clock of the harness."""
        return self._clock.time_ns()
