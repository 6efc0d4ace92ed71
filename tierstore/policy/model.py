"""What a policy says, with every default: durations in seconds, sizes in bytes, rates per second.

docs/policies.md explains each field; `tierstore/policy/schema.py` gives its spelling in YAML.
"""

from __future__ import annotations

import os

from tierstore.frozen import frozen, replace
from tierstore.policy.deciding import is_decided_elsewhere
from tierstore.policy.url import Secret, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    TypeName = Literal["register", "counter", "set", "document", "bounded_counter"]
    Consistency = Literal["eventual", "strong"]
    Durability = Literal["memory", "journal", "regional"]
    TierName = Literal["edge", "regional", "cold"]

DAY_S = 86400.0
DEFAULT_RULE_NAME = "default"
TIERS: tuple[TierName, ...] = ("edge", "regional", "cold")


@frozen
class Hotness:
    """How hot is hot and how cold is cold; rates in accesses per second."""

    hot_per_s: float | Literal["auto"] = "auto"
    cold_per_s: float | Literal["auto", "never"] = "never"
    half_life_s: float = 3600.0
    hysteresis: float = 2.0


@frozen
class Place:
    """Hard limits of placement. `only` None: every tier; `residency` empty: every location."""

    only: tuple[TierName, ...] | None = None
    never: tuple[TierName, ...] = ()
    residency: tuple[str, ...] = ()

    def allows(self, tier: TierName) -> bool:
        """Whether `only` and `never` let a value stand in `tier`."""
        return (self.only is None or tier in self.only) and tier not in self.never


@frozen
class ReadBounds:
    """How old an answer may be. `max_age_s` None: any age."""

    max_age_s: float | None = None
    stale_if_error_s: float | None = None
    negative_ttl_s: float = 2.0


@frozen
class Rule:
    """What is declared for the keys that one of the patterns in `match` describes."""

    index: int
    name: str
    match: tuple[str, ...]
    type: TypeName = "register"
    consistency: Consistency = "eventual"
    durability: Durability = "journal"
    hotness: Hotness = Hotness()
    min_residency_edge_s: float = 60.0
    min_residency_regional_s: float = DAY_S
    max_write_ratio: float = 0.9
    place: Place = Place()
    edge_max_value_bytes: int = 256 * 1024
    ttl_s: float | None = None
    ttl_jitter: float = 0.0
    ttl_renew: Literal["never", "write"] = "never"
    read: ReadBounds = ReadBounds()
    minimum: int = 0


@frozen
class EdgeTier:
    """The replica next to the handler. `journal` None: no journal."""

    url: Url = Url("memory://")
    capacity_bytes: int = 64 * 2**20
    journal: str | None = "tierstore-data/journal"
    journal_sync: Literal["normal", "full"] = "normal"
    location: str | None = None


@frozen
class RegionalTier:
    """The SQL database that holds warm values and the directory of every key."""

    url: Url = Url("sqlite:///tierstore-data/region.db")
    location: str | None = None


@frozen
class ColdTier:
    """The object store. Objects no longer referred to are kept for `retain_s`.

    `client` None: the default one of the url's scheme.
    """

    url: Url = Url("file:tierstore-data/cold")
    location: str | None = None
    retain_s: float = 7 * DAY_S
    client: str | None = None


@frozen
class Peer:
    """Another region, whose rows this one takes over.

    `cold` None: rows whose payload lies in its cold tier cannot be.
    """

    url: Url = Url("")
    cold: Url | None = None
    location: str | None = None


_NO_PEERS: Mapping[str, Peer] = {}


@frozen
class Replication:
    """The traffic between an edge and its region, and between regions."""

    flush_s: float = 0.2
    pull_s: float = 1.0
    batch: int = 1000
    horizon_s: float = 7 * DAY_S
    max_drift_s: float = 60.0
    peers: Mapping[str, Peer] = _NO_PEERS
    links: Literal["direct", "relay"] = "direct"
    repair_s: float = 3600.0


@frozen
class Movement:
    """How often and how fast keys move between tiers."""

    interval_s: float = 30.0
    operations_per_s: float = 500.0
    bytes_per_s: float = 32.0 * 2**20
    mode: Literal["apply", "plan"] = "apply"


@frozen
class Timeouts:
    """How long a verb waits for each tier, unless it is told otherwise."""

    edge_s: float = 0.1
    regional_s: float = 2.0
    cold_s: float = 10.0


@frozen
class Limits:
    """Bounds on one value and on what waits for the region or is kept for its recovery."""

    value_bytes: int = 25 * 2**20
    unflushed_bytes: int = 64 * 2**20
    retained_bytes: int = 256 * 2**20


@frozen
class Coordinator:
    """Where strong keys are decided; `regional` is the regional tier's database.

    `location` is of another database, and takes the place of the regional tier's for strong keys.
    """

    url: Url = Url("regional")
    location: str | None = None


@frozen
class Security:
    """Keys that only this policy's stores have. The first signs, all verify; none: no signature."""

    session_key: tuple[Secret, ...] = ()


def default_rule(index: int) -> Rule:
    """The implicit last rule: `**` with all defaults."""
    return Rule(index=index, name=DEFAULT_RULE_NAME, match=("**",))


_EMPTY: Mapping[str, Any] = {}


@frozen
class Policy:
    """A whole policy. The last of `rules` is always the implicit default rule.

    `source` names where it came from, in messages; relative paths start at `base_dir`.
    """

    version: int = 1
    edge: EdgeTier = EdgeTier()
    regional: RegionalTier = RegionalTier()
    cold: ColdTier = ColdTier()
    rules: tuple[Rule, ...] = (default_rule(0),)
    replication: Replication = Replication()
    movement: Movement = Movement()
    coordinator: Coordinator = Coordinator()
    timeouts: Timeouts = Timeouts()
    limits: Limits = Limits()
    strict_keys: bool = False
    prices: Mapping[str, Any] = _EMPTY
    security: Security = Security()
    source: str = "default policy"
    base_dir: str = ""


def barred_tiers(policy: Policy, rule: Rule) -> tuple[TierName, ...]:
    """The tiers whose location `rule.place.residency` does not list."""
    return tuple(tier for tier in TIERS if not is_located(policy, rule, tier))


def is_located(policy: Policy, rule: Rule, tier: TierName) -> bool:
    """Whether `tier` is where `rule.place.residency` lets values stand."""
    if not rule.place.residency:
        return True
    described: EdgeTier | RegionalTier | ColdTier | Coordinator = getattr(policy, tier)
    if tier == "regional" and is_decided_elsewhere(policy, rule):
        described = policy.coordinator
    return described.location in rule.place.residency


def is_tiered(policy: Policy) -> bool:
    """Whether keys of any rule may go cold."""
    return any(map(_may_go_cold, policy.rules))


def is_strong_tiered(policy: Policy) -> bool:
    """Whether strong keys may go cold."""
    return any(rule.consistency == "strong" and _may_go_cold(rule) for rule in policy.rules)


def _may_go_cold(rule: Rule) -> bool:
    return not isinstance(rule.hotness.cold_per_s, str) or not rule.place.allows("regional")


def without_peers(policy: Policy) -> Policy:
    """`policy` for stores that must reach for no other region: of tests, replays, simulations.

    Nor for a coordinator elsewhere.
    """
    alone = replace(policy.replication, peers=_NO_PEERS)
    return replace(policy, replication=alone, coordinator=Coordinator())


def resolve_path(policy: Policy, text: str) -> str:
    """The absolute path that the path `text` of a policy means."""
    return os.path.join(policy.base_dir or os.getcwd(), text)
