"""Policies that load, for properties: as dicts of what people write."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st

durations = st.integers(1, 500).flatmap(
    lambda n: st.sampled_from(["ms", "s", "min", "h", "d"]).map(lambda unit: f"{n}{unit}")
)
long_durations = st.integers(1, 90).map(lambda n: f"{n}d")
sizes = st.integers(1, 900).flatmap(
    lambda n: st.sampled_from(["B", "KiB", "MiB"]).map(lambda unit: f"{n}{unit}")
)
rates = st.integers(1, 900).flatmap(
    lambda n: st.sampled_from(["s", "min", "h", "d"]).map(lambda unit: f"{n}/{unit}")
)
names = st.text("abcäß .-_", min_size=1, max_size=8)
shares = st.sampled_from(["0", "0.25", "10%", "1"])


def optional(**fields):
    return st.fixed_dictionaries({}, optional=fields)


RULES = optional(
    name=names,
    type=st.just("register"),
    consistency=st.just("eventual"),
    durability=st.just("regional"),
    hotness=optional(
        hot=st.just("auto") | rates, half_life=durations, hysteresis=st.sampled_from(["1", "2.5"])
    ),
    min_residency=optional(edge=durations, regional=st.just("0s") | durations),
    max_write_ratio=shares,
    edge=optional(max_value=sizes),
    ttl=st.just("none") | durations,
    ttl_jitter=shares,
    ttl_renew=st.sampled_from(["never", "write"]),
    read=optional(
        max_age=st.just("none") | durations, stale_if_error=durations, negative_ttl=durations
    ),
)
POLICIES = optional(
    version=st.just(1),
    tiers=optional(
        edge=optional(
            capacity=sizes,
            journal=names,
            journal_sync=st.sampled_from(["normal", "full"]),
            location=names,
        ),
        regional=optional(
            url=st.sampled_from(["sqlite:///x.db", "${env:REGION}", "sqlite:///${env:X}"])
        ),
        cold=optional(url=st.sampled_from(["file:data/cold", "s3://b/${env:P}"]), location=names),
    ),
    cold=optional(retain=durations),
    rules=st.lists(RULES, max_size=4).map(
        lambda rules: [
            {"match": [f"{i}/*", f"{i}/*/**"], **rule, "name": f"{rule.get('name', 'n')}{i}"}
            for i, rule in enumerate(rules)
        ]
    ),
    replication=optional(flush=durations, batch=st.integers(1, 10_000), horizon=st.just("1000d")),
    movement=optional(
        interval=durations,
        budget=optional(operations=rates, bytes=sizes.map(lambda size: f"{size}/s")),
        mode=st.sampled_from(["apply", "plan"]),
    ),
    coordinator=optional(url=st.sampled_from(["regional", "sqlite:///c.db", "${env:C}"])),
    timeouts=optional(edge=durations, regional=durations, cold=durations),
    limits=optional(retained=sizes),
    strict_keys=st.booleans(),
    prices=optional(cold=st.dictionaries(names, st.integers(0, 9), max_size=2)),
)


@pytest.fixture(scope="session")
def policies():
    """A strategy of dicts that load as policies."""
    return POLICIES
