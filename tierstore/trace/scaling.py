"""The policy that a replay runs: of a directory of its own, and scaled if values are capped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tierstore.frozen import replace
from tierstore.policy.model import without_peers
from tierstore.policy.url import Url
from tierstore.trace.reader import TraceError

if TYPE_CHECKING:
    from tierstore.policy.model import Policy

REGION_FILE = "region.db"
COLD_FOLDER = "cold"


def scale_for(size_bytes_max: int, value_cap: int | None) -> float:
    """The factor for every size and capacity: it brings the largest size down to `value_cap`.

    1 if no size is above the cap, or there is none.
    """
    return 1.0 if value_cap is None else min(1.0, value_cap / max(1, size_bytes_max))


def scaled(size_bytes: int, scale: float) -> int:
    """A size in bytes, times `scale`, at least one."""
    return size_bytes if scale == 1.0 else max(1, round(size_bytes * scale))


def scale_policy(policy: Policy, scale: float) -> Policy:
    """`policy` with the capacity of its edge and `edge.max_value` of its rules times `scale`."""
    if scale == 1.0:
        return policy
    rules = tuple(
        replace(rule, edge_max_value_bytes=scaled(rule.edge_max_value_bytes, scale))
        for rule in policy.rules
    )
    edge = replace(policy.edge, capacity_bytes=scaled(policy.edge.capacity_bytes, scale))
    return replace(policy, edge=edge, rules=rules)


def relocate(policy: Policy, directory: str) -> Policy:
    """`policy` with a SQLite region and cold files in `directory`; servers are used as they are.

    Raises TraceError if an earlier replay left its region there.
    """
    policy = replace(without_peers(policy), base_dir=directory)
    if policy.cold.url.scheme == "file":
        policy = replace(policy, cold=replace(policy.cold, url=Url(f"file:{COLD_FOLDER}")))
    if policy.regional.url.scheme != "sqlite":
        return policy
    path = os.path.join(directory, REGION_FILE)
    if os.path.lexists(path):
        raise TraceError(f"{path} exists: a replay needs a directory without one")
    return replace(policy, regional=replace(policy.regional, url=Url(f"sqlite:///{REGION_FILE}")))


def with_journal(policy: Policy, name: str | None) -> Policy:
    """`policy` with the journal directory `name`; without one if it has none anyway."""
    if policy.edge.journal is None:
        return policy
    return replace(policy, edge=replace(policy.edge, journal=name))
