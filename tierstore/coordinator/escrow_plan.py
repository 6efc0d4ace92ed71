"""What the coordinator keeps of a bounded counter, and how each step changes it. Pure.

One *ledger* record per key says how much was given, how much of it is in the pool, and how much was
sold. One *grant* record per key and holder says, in totals that only grow, how much the holder got,
returned and sold (O'Neil, "The escrow transactional method", TODS 1986; Balegas et al., "Extending
eventually consistent cloud databases for enforcing numeric invariants", SRDS 2015, section 4.2).
At every moment

    given = pool + closed + the sum of (granted - returned)
    sold  = closed + the sum of spent, and granted - returned >= spent,

where the sums are over the grants, and *closed* is what holders whose grants ended had sold. The
pool can be below zero only after the coordinator was restored from a backup, and lost grants.

A grant is of one *epoch*, which begins when its holder opens its journal: a request of another one
is refused. A grant's *number* counts what was agreed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

UNITS_MAX = 1 << 53
"""Units that may be given or taken by one call."""
GIVEN_MAX = 1 << 62
HUNGER_MS = 10_000
"""For how long holders that need less than they have return it, once a request was not met."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One bounded counter, less its minimum."""

    given: int = 0
    pool: int = 0
    sold: int = 0
    """As far as it was reported."""
    closed: int = 0
    holders: int = 0
    hungry_ms: int = 0
    """When a request could not be met last, by the coordinator's clock."""

    def is_hungry(self, now_ms: int) -> bool:
        """Whether somebody wanted more than there was, not long ago."""
        return self._hunger_ms(now_ms) < HUNGER_MS

    def note_hunger(self, now_ms: int) -> Ledger:
        """With somebody who wants more than there is; that is not told again and again."""
        if self._hunger_ms(now_ms) < HUNGER_MS // 4:
            return self
        return replace(self, hungry_ms=now_ms)

    def _hunger_ms(self, now_ms: int) -> int:
        """How long ago that was; a clock may have been set back meanwhile."""
        return abs(now_ms - self.hungry_ms)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one holder has of one key."""

    key: str
    holder: int
    epoch: int = 0
    number: int = 0
    granted: int = 0
    returned: int = 0
    spent: int = 0
    """As far as it was reported."""
    born: int = 0
    """The epoch in which it began, which no other grant of its holder has; 0: nobody knows."""

    @property
    def held(self) -> int:
        """What the holder may have sold, or may sell."""
        return self.granted - self.returned


@dataclass(frozen=True, slots=True)
class Request:
    """What a holder reports and asks for."""

    key: str
    holder: int
    epoch: int
    """Which the grant has afterwards."""
    epochs: tuple[int, ...]
    """Of which the grant may be now."""
    known: bool
    """The holder was told that it has a grant: if there is none, somebody ended it."""
    spent: int
    """All that the holder has sold of this grant, as its journal has it."""
    borns: tuple[int, ...]
    """In which epoch the grant may have begun; of a new one the first counts. 0: in any."""
    after: int = 0
    """The number of what was agreed last, as far as the holder knows."""
    returned: int = 0
    """All that it has returned, this request included."""
    need: int = 0
    """How much it cannot do without; if that is not there, it gets nothing."""
    wish: int = 0
    """How much it would have, if there is enough for the others."""
    ends: bool = False
    """It returns what is left, and the grant ends."""
    anew: bool = False
    """The coordinator lives another life than that which confirmed the grant, and may lack it.
    Not for a request that `ends` a grant: sent again, it would find nothing, and count again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What becomes of the records."""

    verdict: str
    """"agreed", or else nothing happens: "fenced", the grant is of another epoch, or ended;
    "behind", more was reported sold than the request says; "lost", what was agreed is not there."""
    ledger: Ledger
    grant: Grant | None
    changes: bool = False


def plan_exchange(ledger: Ledger, grant: Grant | None, request: Request, now_ms: int) -> Plan:
    """What a request does to the ledger and to the grant of its holder."""
    verdict = _objection(grant, request)
    if verdict != "agreed":
        return Plan(verdict, ledger, grant)
    before = ledger
    if grant is not None and _is_over(grant, request):
        ledger, grant = _closed(ledger, grant), None
    if grant is None and request.ends:  # a first request that arrives late must find a change
        return Plan(verdict, ledger, None, changes=ledger.given > 0)
    old = grant or Grant(request.key, request.holder, born=request.borns[0] or request.epoch)
    spent = max(old.spent, request.spent)
    owed = max(0, spent - old.held)  # only a coordinator that lost grants has to make them good
    held = old.held + owed
    back = held - spent if request.ends else min(_returned_now(old, request), held - spent)
    pool = ledger.pool - owed + back
    more = 0 if request.ends else _share(pool, ledger.holders + (grant is None), request)
    new = replace(
        old,
        epoch=request.epoch,
        granted=old.granted + owed + more,
        returned=old.returned + back,
        spent=spent,
    )
    left = replace(ledger, pool=pool - more, sold=ledger.sold + spent - old.spent)
    if request.need > max(0, pool):
        left = left.note_hunger(now_ms)
    return _settled(before, grant, request, left, new)


def _is_over(grant: Grant, request: Request) -> bool:
    """Whether the holder has ended `grant`, and the coordinator has lost that: it lives anew."""
    return request.anew and bool(grant.born) and not {0, grant.born} & {*request.borns}


def _closed(ledger: Ledger, grant: Grant) -> Ledger:
    """The ledger without a grant of which nothing more will be heard."""
    return replace(
        ledger,
        pool=ledger.pool + grant.held - grant.spent,
        closed=ledger.closed + grant.spent,
        holders=ledger.holders - 1,
    )


def _settled(
    ledger: Ledger, grant: Grant | None, request: Request, left: Ledger, new: Grant
) -> Plan:
    """The plan that leaves `left` and `new`, if those differ from what there was."""
    if grant is None and not new.granted:
        return Plan("agreed", left, None, changes=left != ledger)
    if grant is None:
        left = replace(left, holders=left.holders + 1)
    if request.ends:
        left = replace(left, holders=left.holders - 1, closed=left.closed + new.spent)
        return Plan("agreed", left, None, changes=True)
    if new == grant:
        return Plan("agreed", left, grant, changes=left != ledger)
    return Plan("agreed", left, replace(new, number=new.number + 1), changes=True)


def _objection(grant: Grant | None, request: Request) -> str:
    if request.anew:
        return "agreed"
    if grant is None:
        return "fenced" if request.known and not request.ends else "agreed"
    if grant.epoch not in request.epochs:
        return "fenced"
    if grant.number < request.after:
        return "lost"
    return "behind" if request.spent < grant.spent else "agreed"


def _returned_now(grant: Grant, request: Request) -> int:
    return max(0, request.returned - grant.returned)


def _share(pool: int, holders: int, request: Request) -> int:
    """How much of the pool a request gets: what it needs, and of the rest a part like others."""
    if pool < request.need or pool <= 0:
        return 0
    fair = pool // (holders + 1) + 1
    return min(pool, max(request.need, min(request.wish, fair)))


def plan_gift(ledger: Ledger, units: int) -> Ledger | None:
    """The ledger after `units` more were given; None if that is more than can be counted."""
    if ledger.given + units > GIVEN_MAX:
        return None
    return replace(ledger, given=ledger.given + units, pool=ledger.pool + units)


def plan_reclaim(ledger: Ledger, grant: Grant, sold: int) -> Ledger | None:
    """The ledger after a holder that is lost had sold `sold`; None if it cannot have."""
    if not grant.spent <= sold <= grant.held:
        return None
    return replace(
        ledger,
        pool=ledger.pool + grant.held - sold,
        sold=ledger.sold + sold - grant.spent,
        closed=ledger.closed + sold,
        holders=ledger.holders - 1,
    )


def value_of(ledger: Ledger) -> int:
    """How much there is at most: what was given less what is reported as sold."""
    return ledger.given - ledger.sold
