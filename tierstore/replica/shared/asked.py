"""One read of several keys of a shared edge."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.errors import TierStoreError
    from tierstore.policy.model import Rule
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.fills import Flight
    from tierstore.replica.reads import Answer

    Found = dict[str, Answer | TierStoreError]
    """Of some keys the answers, or why there is none."""


class Asked:
    """What each key may lag, who waits for it, what was found."""

    __slots__ = (
        "answers", "bound_s", "counts", "deadline", "flights", "pulled_ms", "rules", "tell",
    )  # fmt: skip

    def __init__(
        self,
        rules: dict[str, Rule],
        bound_s: float | None,
        deadline: Deadline,
        *,
        counts: bool = True,
        tell: Callable[[Found], None] = lambda _: None,
    ) -> None:
        """`tell` hears of what is found before the region is asked for the rest."""
        self.rules = rules
        self.bound_s = bound_s
        self.deadline = deadline
        self.counts = counts
        self.tell = tell
        self.answers: dict[str, Answer] = {}
        self.flights: dict[str, Flight] = {}
        self.pulled_ms = 0
        """The last pull that was known before the edge's copies were asked for."""

    def bound_of(self, key: str) -> float | None:
        """How far an answer for `key` may lag, in seconds; None: no bound."""
        return self.bound_s if self.bound_s is not None else self.rules[key].read.max_age_s
