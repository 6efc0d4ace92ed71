"""What this version does not do yet. A later version deletes rows; nothing else changes.

Compiled policies meet this table too, because another version may have compiled them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.policy.model import Policy, Rule

    RuleRow = tuple[str, Callable[[Rule], bool], str]
    PolicyRow = tuple[str, Callable[[Policy], bool], str]

TYPED = ("counter", "set", "document")

_NOT_YET = "not available in this version"

RULES: tuple[RuleRow, ...] = (
    (
        "durability",
        lambda rule: rule.type == "bounded_counter" and rule.durability == "regional",
        f"regional of a bounded_counter is {_NOT_YET}: declare journal",
    ),
    ("hotness.cold", lambda rule: rule.hotness.cold_per_s == "auto", f"auto is {_NOT_YET}"),
)

EDGES = ("", "memory", "redis", "rediss", "redis+cluster", "rediss+cluster")
REGIONS = ("", "sqlite", "postgresql", "postgresql+psycopg")
# An empty scheme means that only the environment knows the url: then opening decides.
POLICY: tuple[PolicyRow, ...] = (
    (
        "tiers.edge.url",
        lambda policy: policy.edge.url.scheme not in EDGES,
        f"an edge other than memory:// or redis://… is {_NOT_YET}",
    ),
    (
        "tiers.regional.url",
        lambda policy: policy.regional.url.scheme not in REGIONS,
        f"a region other than sqlite:///… or postgresql+psycopg://… is {_NOT_YET}",
    ),
    (
        "replication.peers",
        lambda policy: any(
            peer.url.scheme not in REGIONS for peer in policy.replication.peers.values()
        ),
        f"a peer other than sqlite:///… or postgresql+psycopg://… is {_NOT_YET}",
    ),
    (
        "coordinator.url",
        lambda policy: policy.coordinator.url.scheme not in REGIONS,
        f"a coordinator other than regional, sqlite:///… or postgresql+psycopg://… is {_NOT_YET}",
    ),
)


def unavailable(policy: Policy) -> Iterator[tuple[str, str]]:
    """The (path, text) of everything in `policy` that this version lacks."""
    for path, lacks, text in POLICY:
        if lacks(policy):
            yield path, text
    for rule in policy.rules:
        for path, lacks_rule, text in RULES:
            if lacks_rule(rule):
                yield f"rules[{rule.index}].{path}", text
