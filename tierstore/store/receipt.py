"""From what a read found to the receipt that users get."""

from __future__ import annotations

from tierstore.record import format_version
from tierstore.store.results import Reading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.policy.model import Rule
    from tierstore.replica.reads import Answer
    from tierstore.replica.state import ReplicaState

MS_PER_S = 1000
AGE_S_MAX = 1e17
"""Beyond it, an age says that the copy was never compared with the region's row."""


def make_reading(
    state: ReplicaState, rule: Rule, answer: Answer, value: Any, is_live: bool
) -> Reading:
    """The receipt of `answer`, whose decoded value is `value`, if it `is_live`."""
    record = answer.record
    replica = f"{state.replica:x}"
    age_s = answer.age_s if answer.age_s < AGE_S_MAX else None
    if record is None or not is_live:
        return Reading(None, False, None, None, age_s, None, {}, rule.name, replica, answer.stale)
    return Reading(
        value,
        True,
        format_version(record.stamp, record.replica),
        answer.tier,
        age_s,
        None if record.expires_at_ms is None else record.expires_at_ms / MS_PER_S,
        dict(record.metadata or {}),
        rule.name,
        replica,
        answer.stale,
    )
