"""Mutants of bounded counters: of the coordinator's books, and of those who sell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tierstore.coordinator import escrow, escrow_ledgers, escrow_plan
from tierstore.coordinator.escrow import Escrow
from tierstore.coordinator.escrow_ledgers import Ledgers
from tierstore.coordinator.escrow_plan import Plan
from tierstore.coordinator.escrow_purse import Holding, Purse
from tierstore.errors import InvalidArgumentError
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants
from tierstore.testing.simulation.strong_escrow import play_escrow
from tierstore.testing.simulation.strong_escrow_clients import DEEDS

if TYPE_CHECKING:
    from tierstore.coordinator.escrow_plan import Grant, Ledger, Request


@dataclass(frozen=True, slots=True)
class SellingWorld:
    """A simulated cluster whose clients do these deeds."""

    name: str
    deeds: tuple[str, ...]
    is_restored: bool = False

    def run(self, seed: int) -> list[str]:
        """What was violated in the world of `seed`."""
        run = play_escrow(seed, deeds=self.deeds, operations=90, is_restored=self.is_restored)
        return run.violations


SELLING = SellingWorld("bounded counters", DEEDS)
BRIEF = SellingWorld("sellers who do not stay", ("hasty",))
DOZING = SellingWorld("sellers who doze", ("doze",))
RESTORED = SellingWorld("bounded counters restored", DEEDS, is_restored=True)


@plants(Ledgers, "exchange")
def grants_expire(right: Any) -> Any:
    def exchange(self: Any, key: str, holder: int, ask: Any, life: int, deadline: Any) -> Any:
        for grant in list(self.grants(deadline, key)):
            if grant.holder != holder and grant.number > 2:
                try:
                    self.reclaim(key, grant.holder, grant.spent, deadline)
                except InvalidArgumentError:
                    continue
        return right(self, key, holder, ask, life, deadline)

    return exchange


@plants(escrow_ledgers, "Commit", is_local=True)
def life_not_named(right: Any) -> Any:
    return lambda *what, life=0: right(*what)


@plants(escrow_plan, "_is_over")
def former_grant_goes_on(right: Any) -> Any:
    return lambda grant, request: False


@plants(escrow_plan, "plan_exchange")
def report_applied_twice(right: Any) -> Any:
    def plan(ledger: Ledger, grant: Grant | None, request: Request, now_ms: int) -> Plan:
        made: Plan = right(ledger, grant, request, now_ms)
        if grant is None or made.grant is None or request.after == grant.number:
            return made
        again = min(request.spent - grant.spent or 1, made.grant.held - made.grant.spent)
        counted = replace(made.grant, spent=made.grant.spent + again)
        left = replace(made.ledger, sold=made.ledger.sold + again)
        return Plan(made.verdict, left, counted, changes=True)

    return plan


@plants(escrow_plan, "plan_exchange")
def late_request_survives_the_end(right: Any) -> Any:
    def plan(ledger: Ledger, grant: Grant | None, request: Request, now_ms: int) -> Plan:
        if grant is None and request.ends:
            return Plan("agreed", ledger, None)
        made: Plan = right(ledger, grant, request, now_ms)
        return made

    return plan


@plants(escrow_plan, "_share")
def more_than_there_is(right: Any) -> Any:
    return lambda pool, holders, request: max(request.need, right(pool, holders, request))


@plants(escrow_ledgers, "_checks")
def books_not_checked(right: Any) -> Any:
    return lambda cells, rows: ()


@plants(escrow_ledgers, "Commit", is_local=True)
def gift_without_its_id(right: Any) -> Any:
    return lambda checks, writes, *named: right(checks, writes)


@plants(Purse, "keep")
def sold_before_it_is_kept(right: Any) -> Any:
    return lambda self, holding, units, sale: None


@plants(Purse, "_write")
def sold_meanwhile_taken_for_kept(right: Any) -> Any:
    def write(self: Any) -> None:
        right(self)
        self._kept = self._asked

    return write


@plants(Purse, "intend")
def epoch_not_noted(right: Any) -> Any:
    def intend(self: Any, holding: Any, region: str, incarnation: int, epoch: int) -> None:
        put, self._notes.put = self._notes.put, lambda notes: None
        try:
            right(self, holding, region, incarnation, epoch)
        finally:
            self._notes.put = put

    return intend


@plants(Holding, "rights")
def returned_and_sold(right: Any) -> Any:
    def rights(self: Any) -> int:
        return max(0, self.held - self.spent) if self.is_confirmed else 0

    return property(rights)


@plants(Escrow, "_finish")
def dead_forgotten_unreported(right: Any) -> Any:
    def finish(self: Any, purse: Any, holding: Any, deadline: Any) -> None:
        purse.forget([holding], self._ground.holder)

    return finish


@plants(escrow, "_last_request")
def end_reports_what_was_known(right: Any) -> Any:
    def request(holding: Any, grant: Any, **how: Any) -> Any:
        made = right(holding, grant, **how)
        return made if grant is None else replace(made, spent=grant.spent)

    return request


@plants(escrow_plan, "plan_reclaim")
def lost_sales_not_counted(right: Any) -> Any:
    return lambda ledger, grant, sold: right(ledger, grant, grant.spent)


@plants(escrow_plan, "_objection")
def taken_back_and_reported(right: Any) -> Any:
    return lambda grant, request: "agreed" if grant is None else right(grant, request)


@plants(Purse, "_pause")
def sold_while_it_ends(right: Any) -> Any:
    def pause(self: Any, holdings: Any) -> None:
        if self._dirty:
            self._write()

    return pause


MUTANTS = (
    Mutant(
        "grants-expire",
        "takes back what a replica was granted as it has not been heard of.",
        "a ticket that was sold by an edge which was cut off, and sold again",
        grants_expire, (SELLING,), 0,
    ),
    Mutant(
        "report-applied-twice",
        "counts sales again that are reported again as the answer was lost.",
        "stock that nobody has, and nobody can sell",
        report_applied_twice, (SELLING,), 0,
    ),
    Mutant(
        "late-request-survives-the-end",
        "lets a first request that is under way be granted after its replica has gone.",
        "rights of a replica that nobody knows of",
        late_request_survives_the_end, (BRIEF,), 1,
    ),
    Mutant(
        "more-granted-than-there-is",
        "grants what is needed, whatever is in the pool.",
        "the ticket that is one too many",
        more_than_there_is, (SELLING,), 0,
    ),
    Mutant(
        "books-not-checked",
        "writes ledgers and grants without a check that they still are as they were read.",
        "rights that two replicas were granted at once",
        books_not_checked, (SELLING,), 0,
    ),
    Mutant(
        "gift-without-its-id",
        "gives again what is given again under the same operation id.",
        "a delivery that is booked twice",
        gift_without_its_id, (SELLING,), 0,
    ),
    Mutant(
        "sold-before-it-is-kept",
        "acknowledges a sale before it is on the disk.",
        "a ticket that is sold again after a crash",
        sold_before_it_is_kept, (SELLING,), 0,
    ),
    Mutant(
        "sold-meanwhile-taken-for-kept",
        "takes sales that came during a write for written.",
        "the same, where many buy at once",
        sold_meanwhile_taken_for_kept, (SELLING,), 6,
    ),
    Mutant(
        "epoch-not-noted",
        "asks for rights before it has noted that it does.",
        "rights that are lost when a process ends too soon",
        epoch_not_noted, (SELLING,), 0,
    ),
    Mutant(
        "returned-and-sold",
        "sells what it is returning, as long as no answer has come.",
        "a ticket that two edges sell",
        returned_and_sold, (SELLING,), 0,
    ),
    Mutant(
        "dead-forgotten-unreported",
        "forgets the notes of rights that end without telling the coordinator.",
        "stock that is gone with each process that ends",
        dead_forgotten_unreported, (SELLING,), 0,
    ),
    Mutant(
        "end-reports-what-was-known",
        "leaves the last sales out when rights end.",
        "tickets that are sold again by the next edge",
        end_reports_what_was_known, (SELLING,), 8,
    ),
    Mutant(
        "lost-sales-not-counted",
        "takes back all rights of a lost disk, whatever the operator says was sold.",
        "what the lost edge sold is sold again",
        lost_sales_not_counted, (SELLING,), 4,
    ),
    Mutant(
        "taken-back-and-reported",
        "counts what a replica reports whose rights an operator took back, with what it had sold.",
        "stock that is gone with each disk that turns up again",
        taken_back_and_reported, (SELLING,), 8,
    ),
    Mutant(
        "sold-while-it-ends",
        "sells of rights that are being given back.",
        "a ticket that two edges sell, as one of them rests",
        sold_while_it_ends, (DOZING,), 3,
    ),
    Mutant(
        "former-grant-goes-on",
        "takes a grant that had ended since the backup for the one that came after it.",
        "an edge that can sell no more, or whose sales are not charged, after a restore",
        former_grant_goes_on, (RESTORED,), 20,
    ),
    Mutant(
        "life-not-named",
        "lets an end that was asked for before a restore happen after it.",
        "sales that are charged twice after a restore",
        life_not_named, (RESTORED,), 19,
    ),
)  # fmt: skip
