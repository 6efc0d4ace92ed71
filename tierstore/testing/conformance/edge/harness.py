"""What the suite for edges asks for besides the edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.conformance.harness import CannotError, Harness

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierstore.runtime import Runtime
    from tierstore.store.store import Store
    from tierstore.testing.conformance.edge.observed import ObservedRegion


class EdgeHarness(Harness):
    """An edge, empty, in front of a region in memory that observes it.

    There is no protocol for edges: a store over one is what can be checked.
    """

    ABILITIES: Mapping[str, str] = {
        "faults": "every I/O of the edge and of its region asks `plan` whether it goes wrong",
        "fork": "a store may be used in a forked child",
        "journal": "what is acknowledged as `journal` survives the end of its process",
        "open_resources": "what stores hold open is counted",
        "open_secret": "a store is opened whose policy has a secret",
    }

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
        {"match": "small/**", "edge": {"max_value": "1KiB"}},
        {"match": "**"},
    ]
    return {
        "version": 1,
        "tiers": {"edge": edge},
        "replication": {"flush": "1h", "pull": "1h"},
        "rules": [{"durability": usual, **rule} for rule in rules],
    }
