"""Mutants of copies on their way to the edge, of absences, and of ages."""

from __future__ import annotations

from typing import Any

from tierstore.replica import scan
from tierstore.replica.fills import Fills, Flight
from tierstore.replica.negatives import Negatives
from tierstore.replica.pull import Puller
from tierstore.replica.reads import Arrival, Reader
from tierstore.replica.writes import Writer
from tierstore.testing.mutants.laws_of_replicas import AGES
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.schedules import FILLS
from tierstore.testing.mutants.worlds import AGEING, AWAY, CALM, MANY_KEYS, OVERLAPPING, UNSTEADY


@plants(Fills, "land")
def voided_fill_installed(right: Any) -> Any:
    def land(self: Fills, flight: Flight, error: Any = None) -> bool:
        return flight.voided or right(self, flight, error)

    return land


@plants(Arrival, "__init__")
def old_fill_installed(right: Any) -> Any:
    def init(self: Arrival, state: Any, reply: Any, sent_at_s: float) -> None:
        right(self, state, reply, sent_at_s)
        self.is_current = True

    return init


unconditional_fill = both(voided_fill_installed, old_fill_installed)


@plants(Fills, "fail")
def failed_fill_kept(right: Any) -> Any:
    return lambda self, flights, error, lock: None


@plants(Reader, "_local")
def age_not_bounded(right: Any) -> Any:
    def local(self: Reader, key: str, rule: Any, bound_s: Any, *, counts: bool) -> Any:
        return right(self, key, rule, None, counts=counts)

    return local


@plants(Arrival, "__init__")
def _filled_when_answered(right: Any) -> Any:
    def init(self: Arrival, state: Any, reply: Any, sent_at_s: float) -> None:
        right(self, state, reply, state.runtime.monotonic())

    return init


@plants(Puller, "pull")
def _pulled_when_answered(right: Any) -> Any:
    def pull(self: Puller, deadline: Any) -> int:
        refreshed: int = right(self, deadline)
        self._state.pulled_at_s = self._state.runtime.monotonic()
        return refreshed

    return pull


age_from_arrival = both(_filled_when_answered, _pulled_when_answered)


@plants(Reader, "_fall_back")
def any_copy_if_away(right: Any) -> Any:
    def fall_back(self: Reader, key: str, rule: Any, bound_s: Any, error: Any) -> Any:
        return right(self, key, rule, 1e9, error)

    return fall_back


@plants(Negatives, "discard")
def absence_outlives_write(right: Any) -> Any:
    return lambda self, key: None


@plants(Writer, "_forget_reads")
def write_voids_nothing(right: Any) -> Any:
    return lambda self, key: None


@plants(scan, "_keep_up")
def scan_ahead_of_copies(right: Any) -> Any:
    return lambda state, page, merged, sent_at_s: None


@plants(scan, "_overlaid")
def scan_without_own_writes(right: Any) -> Any:
    return lambda state, page, is_inside: {row.key: row.record for row in page.rows}


@plants(scan, "_bounds")
def own_writes_on_every_page(right: Any) -> Any:
    def bounds(page: Any, start: str, end: Any, *, reverse: bool) -> Any:
        return lambda key: start <= key and (end is None or key < end)

    return bounds


MUTANTS = (
    Mutant(
        "unconditional fill",
        "A fill is installed whatever happened since it was asked for.",
        "the stale refill race",
        unconditional_fill,
        (FILLS,),
        0,
    ),
    Mutant(
        "failed fill kept",
        "A fill whose leader failed is never ended.",
        "followers that wait for ever",
        failed_fill_kept,
        (UNSTEADY,),
        1,
    ),
    Mutant(
        "age not bounded",
        "`max_age` is not looked at.",
        "reads older than their bound",
        age_not_bounded,
        (AGEING,),
        1,
    ),
    Mutant(
        "age from arrival",
        "The age of a copy counts from the arrival of the answer, not from the question.",
        "reads older than their bound",
        age_from_arrival,
        (AGES,),
        1,
    ),
    Mutant(
        "any copy if away",
        "Any copy is served while the region is away.",
        "reads older than their bound",
        any_copy_if_away,
        (AWAY,),
        5,
    ),
    Mutant(
        "absence outlives write",
        "An absence stays known after the key was written.",
        "negative caching hides a create",
        absence_outlives_write,
        (OVERLAPPING,),
        2,
    ),
    Mutant(
        "write voids nothing",
        "A write leaves fills and absences of its key as they are.",
        "negative caching hides a create",
        write_voids_nothing,
        (OVERLAPPING,),
        3,
    ),
    Mutant(
        "scan ahead of copies",
        "A scan leaves older copies in place.",
        "reads that go back",
        scan_ahead_of_copies,
        (CALM,),
        0,
    ),
    Mutant(
        "scan without own writes",
        "A scan shows the region only.",
        "own writes not scanned",
        scan_without_own_writes,
        (CALM,),
        0,
    ),
    Mutant(
        "own writes on every page",
        "Every page of a scan shows all own writes.",
        "keys scanned twice",
        own_writes_on_every_page,
        (MANY_KEYS,),
        0,
    ),
)
