"""Escrow: selling rights that were granted, without asking anybody for each sale.

A holder asks the coordinator when its rights do not suffice, and in the background: it reports what
it sold, asks for more before it runs out, and returns what it does not need. Nothing is sold before
the coordinator has confirmed, in this opening of the journal, what was granted.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from tierstore.coordinator.escrow_demand import CALM_S, shortage, surplus
from tierstore.coordinator.escrow_plan import Request, value_of
from tierstore.coordinator.escrow_purse import Holding, Purse, blank
from tierstore.errors import (
    DeadlineExceededError,
    FencedError,
    InsufficientRightsError,
    OutcomeUnknownError,
    TierStoreError,
    UnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Protocol

    from tierstore.coordinator.escrow_ledgers import Ledgers
    from tierstore.coordinator.escrow_plan import Grant, Ledger, Plan
    from tierstore.coordinator.escrow_purse import Notes
    from tierstore.region.deadline import Deadline
    from tierstore.runtime import Runtime

    class Ground(Protocol):
        """What this process is, and how it reaches its coordinator."""

        @property
        def holder(self) -> int: ...
        def standing(self, deadline: Deadline) -> tuple[str, int]: ...
        def deadline(self) -> Deadline: ...
        def hasten(self) -> None: ...
        def warn(self, text: str, *arguments: object) -> None: ...


EPOCH_BYTES = 7
REASONS = {
    "fenced": "they were confirmed to another copy of this journal",
    "behind": "more was reported as sold than this journal knows: it is an older copy",
    "lost": "the coordinator does not know of what it confirmed: it was restored from a backup"
    " without being told",
}


class Escrow:
    """The rights of one process. Thread-safe."""

    def __init__(self, ledgers: Ledgers, purse: Purse, ground: Ground, runtime: Runtime) -> None:
        self._ledgers = ledgers
        self._purse = purse
        self._ground = ground
        self._runtime = runtime
        self._loading = runtime.lock()
        self._holdings: dict[str, Holding] | None = None

    # Selling

    def take(self, key: str, units: int, deadline: Callable[[], Deadline]) -> None:
        """Sell `units`: once this returns, that is on disk.

        Raises InsufficientRightsError if neither here nor in the pool is so much; UnavailableError
        if rights do not suffice and the coordinator does not answer: then nothing was sold.
        """
        holding = self._holding(key)
        now_s = self._runtime.monotonic()
        with self._purse.lock:
            sale = self._purse.reserve(holding, units)
            if sale is not None:  # what is refused is no reason to have more
                holding.demand.note(units, now_s)
            is_short = not holding.is_short and self._is_short(holding, now_s)
            holding.is_short |= is_short
        if sale is None:
            holding, sale = self._ask(key, units, deadline())
            with self._purse.lock:
                holding.demand.note(units, self._runtime.monotonic())
        elif is_short:
            self._ground.hasten()
        self._purse.keep(holding, units, sale)

    def rights(self, key: str) -> int:
        """How much this process may sell now, without asking."""
        holding = self._all().get(key)
        return 0 if holding is None else holding.rights

    def _ask(self, key: str, units: int, deadline: Deadline) -> tuple[Holding, int]:
        """Rights to `units`, reserved, of what was granted meanwhile or is now."""
        while True:
            holding = self._holding(key)
            if not holding.asking.acquire(True, deadline.remaining_s()):
                deadline.remaining_s()
                raise UnavailableError("another thread is still asking the coordinator for rights")
            try:
                if self._all().get(key) is holding:  # else it was forgotten meanwhile
                    return holding, self._reserve(holding, units, deadline)
            finally:
                holding.asking.release()

    def _reserve(self, holding: Holding, units: int, deadline: Deadline) -> int:
        """Reserve `units`, if need be of more rights. Its caller has `asking`."""
        with self._purse.lock:
            sale = self._purse.reserve(holding, units)
        if sale is not None:
            return sale
        try:
            ledger, sale = self._exchange(holding, deadline, need=units)
        except OutcomeUnknownError as exc:  # of the grant; the next exchange tells
            raise DeadlineExceededError(
                f"the coordinator did not say in time what it grants of {holding.key!r}:"
                " nothing was sold"
            ) from exc
        if sale is None:
            available = holding.rights + max(0, ledger.pool)
            raise InsufficientRightsError(
                f"{units} of {holding.key!r} were to be taken, and {available} are available",
                available=available,
            )
        return sale

    # The coordinator's side

    def give(self, key: str, units: int, operation_id: str, deadline: Deadline) -> None:
        """Let there be `units` more."""
        self._ledgers.give(key, units, operation_id, deadline)

    def value(self, key: str, deadline: Deadline) -> int:
        """How much there is at most, less what was sold here: what others sold may be unknown."""
        holding = self._all().get(key)
        holder = self._ground.holder if holding is None else holding.note.holder
        ledger, grant = self._ledgers.look_both(key, holder, deadline)
        unknown = 0
        if holding is not None and grant is not None and grant.epoch == holding.epoch:
            unknown = max(0, holding.written - grant.spent)
        return value_of(ledger) - unknown

    def _exchange(
        self, holding: Holding, deadline: Deadline, *, need: int = 0, surplus: int = 0
    ) -> tuple[Ledger, int | None]:
        """Report, ask and return, in one step; reserves `need` if that is there then.

        Its caller has `asking`.
        """
        region, incarnation = self._ground.standing(deadline)
        if holding.note.ends:
            self._finish(self._purse, holding, deadline)
        for _ in range(2):
            is_anew, note = self._begin(holding, region, incarnation), holding.note
            with self._purse.lock:
                holding.returning = max(holding.returning, min(surplus, holding.rights))
            ask = partial(self._request, holding, need, is_anew)
            plan, _ = self._ledgers.exchange(note.key, note.holder, ask, incarnation, deadline)
            if plan.verdict == "agreed":
                break
            self._begin_again(holding, plan)
        with self._purse.lock:
            holding.is_refused = plan.grant is None
            if plan.grant is not None:
                holding.agree(plan.grant, incarnation, self._runtime.monotonic())
            sale = self._purse.reserve(holding, need) if need else None
        return plan.ledger, sale

    def _begin(self, holding: Holding, region: str, incarnation: int) -> bool:
        """Ask for a new epoch from now on, unless this opening has one in this life.

        Returns whether the coordinator may lack what it once confirmed.
        """
        note = holding.note
        if holding.is_confirmed and holding.incarnation == incarnation:
            return False
        if note.region not in ("", region):
            raise UnavailableError(
                f"the rights to {holding.key!r} in this journal are of region {note.region}, this"
                f" is {region}: point the policy at the region that granted them"
            )
        known = holding.incarnation or (note.incarnation if note.epoch else incarnation)
        if holding.intended != incarnation:
            epoch = int.from_bytes(self._runtime.random_bytes(EPOCH_BYTES), "big") | 1
            self._purse.intend(holding, region, incarnation, epoch)
        return known != incarnation or not note.epoch

    def _begin_again(self, holding: Holding, plan: Plan) -> None:
        """Begin another grant where an operator has ended this one. Raises FencedError."""
        if plan.verdict != "fenced" or plan.grant is not None:
            raise FencedError(
                f"the rights to {holding.key!r} cannot be used: {REASONS[plan.verdict]}. If nobody"
                f" uses them, `tierstore escrow reclaim` ends those of"
                f" {holding.note.holder:x}"
            )
        self._ground.warn(
            "the rights to %r were reclaimed by an operator, with %d units sold here",
            holding.key, holding.written,
        )  # fmt: skip
        self._purse.forget([holding], self._ground.holder)

    def _request(self, holding: Holding, need: int, anew: bool, grant: Grant | None) -> Request:
        """What a holding asks for, given its grant as it is."""
        note = holding.note
        with self._purse.lock:
            recent = need + holding.demand.recent(self._runtime.monotonic())
            returned = holding.returned + holding.returning
            held = min(grant.held, grant.granted - returned) if grant is not None else 0
            left = max(0, held - holding.spent)
            missing = max(0, need - left)
            wish = 0 if holding.returning else shortage(recent, left)
            return Request(
                note.key,
                note.holder,
                epoch=holding.epoch or note.intents[-1],
                epochs=holding.candidates,
                known=holding.is_confirmed or note.epoch != 0,
                spent=holding.written,
                borns=holding.borns,
                after=0 if anew else holding.number,
                returned=returned,
                need=missing,
                wish=max(missing, wish),
                anew=anew,
            )

    # Ending grants

    def _finish(self, purse: Purse, holding: Holding, deadline: Deadline) -> None:
        """End a grant that was given up; its holding begins anew."""
        note = holding.note
        if holding.is_kept:
            region, incarnation = self._ground.standing(deadline)
            if note.region not in ("", region):
                raise UnavailableError(
                    f"the rights to {note.key!r} are of region {note.region}, this is {region}"
                )
            if not note.epoch or note.incarnation != incarnation:
                self._report_anew(purse, holding, incarnation, deadline)
            ask = partial(_last_request, holding)
            plan, _ = self._ledgers.exchange(note.key, note.holder, ask, incarnation, deadline)
            if plan.verdict != "agreed":
                self._begin_again(holding, plan)
        purse.forget([holding], self._ground.holder)

    def _report_anew(
        self, purse: Purse, holding: Holding, incarnation: int, deadline: Deadline
    ) -> None:
        """Have another life of the coordinator know what was sold, before the grant ends.

        A grant that has ended leaves nothing by which a report that comes again is told from one
        that the coordinator has lost; one that is there does.
        """
        note, ask = holding.note, partial(_last_request, holding, ends=False)
        plan, _ = self._ledgers.exchange(note.key, note.holder, ask, incarnation, deadline)
        if plan.verdict == "agreed":
            purse.move(holding, incarnation)

    def _end(self, purse: Purse, holdings: Sequence[Holding], deadline: Deadline) -> None:
        """Report and return everything of `holdings`, which nobody else uses."""
        purse.retire(holdings)
        fenced: FencedError | None = None
        for holding in holdings:
            try:
                self._finish(purse, holding, deadline)
            except FencedError as exc:
                fenced = exc
            deadline = deadline.renewed()
        if fenced is not None:
            raise fenced

    def adopt(self, notes: Notes, deadline: Deadline) -> None:
        """Report what a dead process sold and return the rest, by its `notes`."""
        purse = Purse(notes, self._runtime.lock(), self._runtime)
        if holdings := purse.load():
            self._runtime.sometimes("the rights of a dead process returned")
            self._end(purse, holdings, deadline)

    def close(self, deadline: Deadline) -> None:
        """Sell nothing more, and return what is left, as far as the coordinator can be told.

        What cannot be told stays in the journal for the next opening.
        """
        holdings = list((self._holdings or {}).values())
        with ExitStack() as turns:  # who waits for one hears afterwards that the store is closed
            turns.callback(self._purse.close)
            self._purse.settle()
            for holding in holdings:
                if holding.asking.acquire(True, deadline.left_s()):  # else it sells nothing
                    turns.callback(holding.asking.release)
            self._end(self._purse, holdings, deadline)

    # Background

    def step(self) -> None:
        """Confirm, report, ask for more and return, wherever that is wanted.

        Raises what kept it from doing so for the first key that failed, after trying the others.
        """
        failure: TierStoreError | None = None
        holdings = list(self._all().values())
        hungry = self._hungry(holdings)
        for holding in holdings:
            if not holding.asking.acquire(False):
                continue
            try:
                self._tend(holding, holding.key in hungry)
            except UnavailableError:
                raise
            except TierStoreError as exc:
                failure = failure or exc
            finally:
                holding.asking.release()
        if failure is not None:
            raise failure

    def _hungry(self, holdings: Iterable[Holding]) -> set[str]:
        """The keys of which others go short."""
        keys = [holding.key for holding in holdings if holding.rights]
        ledgers, now_ms = self._ledgers.look(keys, self._ground.deadline())
        return {key for key, ledger in ledgers.items() if ledger.is_hungry(now_ms)}

    def _tend(self, holding: Holding, is_hungry: bool) -> None:
        deadline = self._ground.deadline()
        if holding.note.ends:
            self._finish(self._purse, holding, deadline)
            return
        if self._is_to_be_confirmed(holding, deadline):
            self._exchange(holding, deadline)
            return
        now_s = self._runtime.monotonic()
        recent, calm_s = holding.demand.recent(now_s), now_s - holding.agreed_s
        if not recent and not holding.is_kept:
            self._all().pop(holding.key, None)  # who still has it asks, and finds another
            return
        if not recent and calm_s >= CALM_S and holding.is_kept:
            self._runtime.sometimes("a grant ended as nothing was sold of it")
            self._end(self._purse, [holding], deadline)
            return
        excess = surplus(recent, holding.rights, calm_s, is_hungry=is_hungry)
        is_short = self._is_short(holding, now_s) and not is_hungry
        if excess or holding.written > holding.reported or is_short:
            self._exchange(holding, deadline, surplus=excess)

    def _is_to_be_confirmed(self, holding: Holding, deadline: Deadline) -> bool:
        """Whether an earlier process left it, or the coordinator has begun another life."""
        if not holding.is_confirmed:
            return holding.is_kept and not holding.is_refused
        return holding.incarnation != self._ground.standing(deadline)[1]

    def _is_short(self, holding: Holding, now_s: float) -> bool:
        return holding.is_confirmed and bool(shortage(holding.demand.recent(now_s), holding.rights))

    # What is held

    def figures(self) -> dict[str, int]:
        """Counts for `stats`."""
        holdings = list((self._holdings or {}).values())
        return {
            "keys": sum(holding.is_kept for holding in holdings),
            "rights": sum(holding.rights for holding in holdings),
            "unconfirmed": sum(h.is_kept and not h.is_confirmed for h in holdings),
            "unreported": sum(max(0, h.written - h.reported) for h in holdings),
        }

    def _all(self) -> dict[str, Holding]:
        if self._holdings is None:
            with self._loading:
                if self._holdings is None:
                    self._holdings = {holding.key: holding for holding in self._purse.load()}
        return self._holdings

    def _holding(self, key: str) -> Holding:
        holdings = self._all()
        found = holdings.get(key)
        if found is None:
            fresh = Holding(blank(key, self._ground.holder), self._runtime, is_kept=False)
            found = holdings.setdefault(key, fresh)
        return found


def _last_request(holding: Holding, _: Grant | None, *, ends: bool = True) -> Request:
    """The one that ends a grant; or, before that, what reports it to another life."""
    note = holding.note
    candidates = holding.candidates
    return Request(
        note.key,
        note.holder,
        epoch=max(candidates, default=0),
        epochs=candidates,
        known=note.epoch != 0,
        spent=holding.written,
        borns=holding.borns,
        ends=ends,
        anew=not ends,
    )
