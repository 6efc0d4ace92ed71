"""From what a read found to the receipt that users get."""

from __future__ import annotations

from tierstore.crdt.changes import version_of
from tierstore.edge.entry import NEVER_FETCHED
from tierstore.store.results import Reading
from tierstore.units import MS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.policy.model import Rule
    from tierstore.replica.reads import Answer
    from tierstore.replica.state import ReplicaState

AGE_S_MAX = -NEVER_FETCHED / 10
"""Beyond it, an age says that the copy was never compared with the region's row."""


def make_reading(
    state: ReplicaState, rule: Rule, answer: Answer, value: Any, is_live: bool
) -> Reading:
    """The receipt of `answer`, whose decoded value is `value`, if it `is_live`."""
    record = answer.record
    replica = f"{state.replica:x}"
    age_s = known_age_s(answer.age_s)
    if record is None or not is_live:
        return Reading(None, False, None, None, age_s, None, {}, rule.name, replica, answer.stale)
    return Reading(
        value,
        True,
        version_of(record),
        answer.tier,
        age_s,
        seconds_of(record.expires_at_ms),
        dict(record.metadata or {}),
        rule.name,
        replica,
        answer.stale,
    )


def known_age_s(age_s: float) -> float | None:
    """`age_s`, or None if it stands for a copy that was never compared with the region's row."""
    return age_s if age_s < AGE_S_MAX else None


def seconds_of(milliseconds: int | None) -> float | None:
    """A time of the wall clock as users get it: in seconds since the epoch, or None."""
    return None if milliseconds is None else milliseconds / MS_PER_S
