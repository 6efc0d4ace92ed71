"""The spelling of a policy: every field, the attribute it sets, and what it takes.

This table is the specification. Defaults are those of `tierstore/policy/model.py`;
docs/policies.md explains each field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tierstore.policy import fields as f
from tierstore.policy import model
from tierstore.policy.match import parse_pattern


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value."""

    attribute: str
    parse: f.Parser


@dataclass(frozen=True, slots=True)
class Items:
    """A list of values; a single value stands for a list of one."""

    attribute: str
    parse: f.Parser


@dataclass(frozen=True, slots=True)
class Group:
    """A mapping whose fields are attributes of the record around it."""

    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping that makes an object of its own."""

    attribute: str
    make: type[Any]
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose names are data, too: `item` gives the field of each."""

    attribute: str
    name: f.Parser
    item: Callable[[str], Field]


Field = Leaf | Items | Group | Record | Table


def pattern(value: object) -> str:
    """A pattern of keys."""
    found = f.text(value)
    parse_pattern(found)
    return found


TIER = f.one_of(*model.TIERS)
ABOVE_ZERO = f.duration(at_least_s=0.001)
INTEGER_MAX = 2**63 - 1
PRICE = f.number(0, 1e12)

RULE: Mapping[str, Field] = {
    "name": Leaf("name", f.text),
    "match": Items("match", pattern),
    "type": Leaf("type", f.one_of("register", "counter", "set", "document", "bounded_counter")),
    "consistency": Leaf("consistency", f.one_of("eventual", "strong")),
    "durability": Leaf("durability", f.one_of("memory", "journal", "regional")),
    "hotness": Record(
        "hotness",
        model.Hotness,
        {
            "hot": Leaf("hot_per_s", f.or_word(f.rate, "auto")),
            "cold": Leaf("cold_per_s", f.or_word(f.rate, "auto", "never")),
            "half_life": Leaf("half_life_s", ABOVE_ZERO),
            "hysteresis": Leaf("hysteresis", f.number(1, 1000)),
        },
    ),
    "min_residency": Group(
        {
            "edge": Leaf("min_residency_edge_s", f.duration()),
            "regional": Leaf("min_residency_regional_s", f.duration()),
        }
    ),
    "max_write_ratio": Leaf("max_write_ratio", f.number(0, 1, percent=True)),
    "place": Record(
        "place",
        model.Place,
        {
            "only": Items("only", TIER),
            "never": Items("never", TIER),
            "residency": Items("residency", f.text),
        },
    ),
    "edge": Group({"max_value": Leaf("edge_max_value_bytes", f.size())}),
    "ttl": Leaf("ttl_s", f.or_none(ABOVE_ZERO)),
    "ttl_jitter": Leaf("ttl_jitter", f.number(0, 1, percent=True)),
    "ttl_renew": Leaf("ttl_renew", f.one_of("never", "write")),
    "read": Record(
        "read",
        model.ReadBounds,
        {
            "max_age": Leaf("max_age_s", f.or_none(f.duration())),
            "stale_if_error": Leaf("stale_if_error_s", f.or_none(f.duration())),
            "negative_ttl": Leaf("negative_ttl_s", f.duration()),
        },
    ),
    "minimum": Leaf("minimum", f.integer(-INTEGER_MAX, INTEGER_MAX)),
}


def PEER(name: str) -> Field:  # noqa: N802
    """The fields of one peer."""
    return Record(
        name,
        model.Peer,
        {
            "url": Leaf("url", f.url("postgresql+psycopg://host/name")),
            "cold": Leaf("cold", f.url("s3://bucket/prefix")),
            "location": Leaf("location", f.text),
        },
    )


POLICY: Mapping[str, Field] = {
    "version": Leaf("version", f.version),
    "tiers": Group(
        {
            "edge": Record(
                "edge",
                model.EdgeTier,
                {
                    "url": Leaf("url", f.url("memory://")),
                    "capacity": Leaf("capacity_bytes", f.size()),
                    "journal": Leaf("journal", f.path_or_none),
                    "journal_sync": Leaf("journal_sync", f.one_of("normal", "full")),
                    "location": Leaf("location", f.text),
                },
            ),
            "regional": Record(
                "regional",
                model.RegionalTier,
                {
                    "url": Leaf("url", f.url("sqlite:///data/region.db")),
                    "location": Leaf("location", f.text),
                },
            ),
            "cold": Record(
                "cold",
                model.ColdTier,
                {
                    "url": Leaf("url", f.url("file:data/cold")),
                    "client": Leaf("client", f.one_of("boto3", "obstore")),
                    "location": Leaf("location", f.text),
                },
            ),
        }
    ),
    "cold": Group({"retain": Leaf("retain_s", f.duration())}),
    "replication": Record(
        "replication",
        model.Replication,
        {
            "flush": Leaf("flush_s", ABOVE_ZERO),
            "pull": Leaf("pull_s", ABOVE_ZERO),
            "batch": Leaf("batch", f.integer(1, 10_000)),
            "horizon": Leaf("horizon_s", ABOVE_ZERO),
            "max_drift": Leaf("max_drift_s", ABOVE_ZERO),
            "peers": Table("peers", f.text, lambda name: PEER(name)),
            "links": Leaf("links", f.one_of("direct", "relay")),
            "repair": Leaf("repair_s", ABOVE_ZERO),
        },
    ),
    "movement": Record(
        "movement",
        model.Movement,
        {
            "interval": Leaf("interval_s", ABOVE_ZERO),
            "budget": Group(
                {
                    "operations": Leaf("operations_per_s", f.rate),
                    "bytes": Leaf("bytes_per_s", f.byte_rate),
                }
            ),
            "mode": Leaf("mode", f.one_of("apply", "plan")),
        },
    ),
    "coordinator": Record(
        "coordinator",
        model.Coordinator,
        {
            "url": Leaf("url", f.url("postgresql+psycopg://host/name", "regional")),
            "location": Leaf("location", f.text),
        },
    ),
    "timeouts": Record(
        "timeouts",
        model.Timeouts,
        {
            "edge": Leaf("edge_s", ABOVE_ZERO),
            "regional": Leaf("regional_s", ABOVE_ZERO),
            "cold": Leaf("cold_s", ABOVE_ZERO),
        },
    ),
    "limits": Record(
        "limits",
        model.Limits,
        {
            "value": Leaf("value_bytes", f.size(1)),
            "unflushed": Leaf("unflushed_bytes", f.size(1)),
            "retained": Leaf("retained_bytes", f.size()),
        },
    ),
    "strict_keys": Leaf("strict_keys", f.boolean),
    "prices": Table(
        "prices", TIER, lambda tier: Table(tier, f.text, lambda name: Leaf(name, PRICE))
    ),
    "security": Record("security", model.Security, {"session_key": Items("session_key", f.secret)}),
}

Declared = Mapping[str, object]
"""The fields of one rule as written, before defaults."""

# What a rule may not even say because of another field of it. The verifier cannot see it: defaults
# look as if they were said.
CONTRADICTIONS: tuple[tuple[str, str, Callable[[Declared], bool], str], ...] = (
    (
        "consistency",
        "type",
        lambda rule: rule.get("type") == "bounded_counter",
        "a bounded_counter takes none: escrow decides it; remove the line",
    ),
    (
        "durability",
        "consistency",
        lambda rule: rule.get("consistency") == "strong",
        "does not apply to strong keys: the coordinator's database holds them; remove the line",
    ),
    (
        "minimum",
        "type",
        lambda rule: rule.get("type") != "bounded_counter",
        "only a bounded_counter has one; remove the line, or declare type: bounded_counter",
    ),
)
