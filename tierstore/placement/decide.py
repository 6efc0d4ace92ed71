"""Where a key belongs: pure, without a clock.

Two questions, answered apart: where does the payload stand (`home`), which the mover asks of the
directory; and does a copy stand at this edge (`copies`), which a replica asks of what it has.
What keeps keys from going to and fro: two thresholds with `hysteresis` between them, never closer
than one access; half-lives long enough for the rate that they measure (`heat`); and a residency
that binds what was decided, though not hard limits.
"""

from __future__ import annotations

from tierstore.frozen import frozen
from tierstore.placement.copies import copy_reason, is_copy_wanted, judge_copy
from tierstore.placement.facts import Facts
from tierstore.placement.home import (
    LARGE_VALUE_BYTES,
    home_of,
    home_reason,
    judge_home,
    review_in_s,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.placement.facts import Home
    from tierstore.policy.model import Rule

__all__ = ["Facts", "LARGE_VALUE_BYTES", "Placement", "decide", "wants_edge_copy"]


@frozen
class Placement:
    """Where a key belongs, and why."""

    home: Home
    """Where the payload should stand."""
    edge: bool
    """Whether a copy at the edge should be kept, or made when there is occasion."""
    reasons: tuple[str, ...]
    """Sentences for people: of the home, then of the edge."""
    review_in_s: float
    """Seconds until `home` changes if nobody uses the key any more; inf if it never does."""


def decide(rule: Rule, facts: Facts) -> Placement:
    """Where a key with these facts belongs under `rule`.

    Under a constant load, decisions that are carried out move a key at most once each way, and
    none twice within its residency. More use never asks for a colder home, nor do more reads take
    an edge copy away once the share of writes is judged.
    """
    home, copy = judge_home(rule, facts), judge_copy(rule, facts)
    return Placement(
        home_of(home, facts),
        is_copy_wanted(copy, rule, facts),
        (home_reason(home, rule, facts), copy_reason(copy, rule, facts)),
        review_in_s(home, rule, facts),
    )


def wants_edge_copy(rule: Rule, facts: Facts) -> bool:
    """`decide(rule, facts).edge`, without the cost of sentences."""
    return is_copy_wanted(judge_copy(rule, facts), rule, facts)
