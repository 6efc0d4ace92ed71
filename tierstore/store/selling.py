"""The books of bounded counters, for their operator: what is where, and what was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.coordinator.escrow_plan import value_of
from tierstore.errors import InvalidArgumentError, TierStoreError
from tierstore.frozen import frozen
from tierstore.store.roster import roster
from tierstore.store.typed import require_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.coordinator.escrow_ledgers import Ledgers
    from tierstore.coordinator.escrow_plan import Grant, Ledger
    from tierstore.policy.model import Rule
    from tierstore.store.core import Core

SILENT_S = 180
"""A replica that runs and reaches its region is never silent for so long: it acknowledges what it
has seen once a minute."""


@frozen
class Holder:
    """A replica that has rights to a key."""

    replica: str
    granted: int
    """Less what it has returned. It has sold no more, and may have sold all of it."""
    sold: int
    """As far as it has reported."""


@frozen
class Book:
    """A bounded counter at its coordinator: `given` = `pool` + `closed` + what is granted."""

    key: str
    value: int
    """The minimum and what was given, less what is reported as sold."""
    given: int
    pool: int
    sold: int
    closed: int
    """What replicas sold that have no rights any more."""
    holders: tuple[Holder, ...]


def books(core: Core, timeout: float | None, key: str | None = None) -> list[Book]:
    """Every key that was ever given something, or the one. Raises UnavailableError."""
    deadline = core.deadline(timeout)
    ledgers: Ledgers = core.replica.state.keeper.ledgers()
    if key is None:
        found = dict(ledgers.ledgers(deadline))
    else:
        require_type(key, core.rule_for(key), "bounded_counter")
        found, _ = ledgers.look([key], deadline)
    grants: dict[str, list[Grant]] = {}
    for grant in ledgers.grants(deadline.renewed(), key):
        grants.setdefault(grant.key, []).append(grant)
    return [
        _book(core.rule_for(name), name, ledger, grants.get(name, []))
        for name, ledger in found.items()
    ]


def reclaim(
    core: Core, key: str, replica: int, sold: int, timeout: float | None, *, force: bool = False
) -> int:
    """End the grant of a replica that is lost and had sold `sold`; how many came back.

    Raises InvalidArgumentError if it has none, or cannot have sold so much, or was heard of
    not long ago, unless `force`; UnavailableError.
    """
    if sold < 0:
        raise InvalidArgumentError("sold: expected how many units it had sold, zero or more")
    if not force:
        _refuse_living(core, replica, timeout)
    deadline = core.deadline(timeout)
    grant, _ = core.replica.state.keeper.ledgers().reclaim(key, replica, sold, deadline)
    return int(grant.held) - sold


def _refuse_living(core: Core, replica: int, timeout: float | None) -> None:
    """A replica that runs goes on selling what is taken back from it, until it asks again."""
    name = f"{replica:x}"
    silent_s = {member.replica: member.silent_s for member in roster(core, timeout)}.get(name)
    if silent_s is not None and silent_s < SILENT_S:
        raise InvalidArgumentError(
            f"the replica {name} was heard of {silent_s:.0f} s ago: if it runs, it goes on selling"
            " what you take back. End it, and wait until it was silent for"
            f" {SILENT_S} s; or force it, if its disk is gone"
        )


def told(core: Core, key: str, timeout: float | None) -> Iterator[str]:
    """What `explain` says of a bounded counter."""
    try:
        (book,) = books(core, timeout, key)
    except TierStoreError as exc:
        yield f"the coordinator does not answer: {exc}"
        return
    held = sum(holder.granted - holder.sold for holder in book.holders)
    yield f"{book.given} units were given, and {book.sold} are reported as sold"
    yield f"{held} may be sold by {len(book.holders)} replicas, {book.pool} are in the pool"
    rights = core.replica.state.keeper.escrow.rights(key)
    yield f"this replica may sell {rights} without asking"


def _book(rule: Rule, key: str, ledger: Ledger, grants: list[Grant]) -> Book:
    holders = tuple(Holder(f"{g.holder:x}", g.held, g.spent) for g in grants)
    value = value_of(ledger) + (rule.minimum if rule.type == "bounded_counter" else 0)
    return Book(key, value, ledger.given, ledger.pool, ledger.sold, ledger.closed, holders)
