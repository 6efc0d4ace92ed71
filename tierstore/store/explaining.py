"""`explain`: where a key is and why, from what this edge and the region know of it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from tierstore.crdt.changes import version_of
from tierstore.edge.entry import key_size
from tierstore.errors import CorruptionError, TierStoreError, UnavailableError
from tierstore.frozen import replace
from tierstore.movement.review import facts_of
from tierstore.placement.decide import Facts, decide
from tierstore.placement.heat import cold_half_life_s, edge_half_life_s, rate_per_s
from tierstore.policy.model import barred_tiers, is_tiered
from tierstore.record import ELSEWHERE
from tierstore.region.pointer import decode_pointer
from tierstore.stamp import physical_ms
from tierstore.store.receipt import known_age_s, seconds_of
from tierstore.store.results import Explanation
from tierstore.units import MS_PER_S, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from tierstore.placement.decide import Placement
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.moves import Stay
    from tierstore.region.rows import Row
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.engine import Replica
    from tierstore.replica.outbox import Outbox
    from tierstore.store.core import Core

STRONG_READS = (
    "it is strong: reads ask the coordinator, but one that names a `max_age` may be answered by a"
    " copy here"
)
_UNKNOWN = (
    "home object version size_bytes age_s expires_at edge_reads_per_s edge_writes_per_s"
    " accesses_per_s created_at written_at accessed_at entered_at moves wanted last_error"
    " tried_at next_try_at review_at"
).split()


def explain(core: Core, key: str, shown_key: str, timeout_s: float | None) -> Explanation:
    """Where `key` is and why; asks the region, and says so in `reasons` if it does not answer."""
    rule = core.rule_for(key)
    there = _ask(core, core.homes.of(rule), key, core.deadline(timeout_s))
    here = _look_here(core, key, rule, there)
    if core.replica.state.shared is not None:
        here = _look_at_edge(core, key, here, there, core.deadline(timeout_s))
    now_ms = core.replica.state.now_ms()
    if rule.consistency == "strong":
        now_ms -= core.replica.state.link.skew_ms  # by the coordinator's clock
    record = here.copy or here.own or (None if there.row is None else there.row.record)
    tiers = [("edge", here.copy), (there.home, None if there.row is None else there.row.record)]
    told = {
        **dict.fromkeys(_UNKNOWN),
        **_declared(rule),
        "key": shown_key,
        "tiers": tuple(name for name, held in tiers if _is_live(held, now_ms)),
        "found": _is_live(record, now_ms),
        "reads": here.reads,
        "writes": here.writes,
        "unflushed": here.is_unflushed,
        "tries": 0,
    }
    reasons = [f"rule {rule.name!r} is the first that matches", *there.troubles]
    if core.homes.is_elsewhere and rule.consistency == "strong":
        reasons.append("it is in the coordinator's database, not in the region's")
    if record is not None and told["found"]:
        place = _Place(core, key, rule, here, there, record, now_ms)
        told |= place.fields()
        reasons += place.reasons()
    elif record is not None:
        reasons.append("it was deleted" if record.payload is None else "it has expired")
    if rule.type == "bounded_counter":
        from tierstore.store.selling import told as told_of

        reasons += told_of(core, key, timeout_s)
    if here.is_unflushed:
        reasons.append("its last write here waits for the next flush")
    return Explanation(**told, reasons=tuple(reasons))


@dataclass(slots=True)
class _There:
    """What the region says."""

    row: Row | None = None
    applied: int | None = None
    """The last batch of this replica that `row` has; None if the region did not answer."""
    stay: Stay | None = None
    object: str | None = None
    troubles: list[str] = field(default_factory=list)

    @property
    def home(self) -> str:
        return "cold" if self.row is not None and self.row.cold is not None else "regional"


@dataclass(frozen=True, slots=True)
class _Here:
    """What this edge knows."""

    copy: Record | None
    own: Record | None
    """The last write of this replica that the region may not have yet."""
    is_unflushed: bool
    age_s: float | None
    reads: int
    writes: int
    facts: Facts


def _ask(core: Core, home: Replica, key: str, deadline: Deadline) -> _There:
    state, there = home.state, _There()
    try:
        reply = state.link.call(
            lambda left_s: home.region.read([key], state.replica, left_s), deadline
        )
    except UnavailableError as exc:
        there.troubles.append(f"{state.link.name} does not answer: {exc}")
        return there
    if key in reply.corrupt:
        there.troubles.append(f"the region's row is damaged: {reply.corrupt[key]}")
    there.row = row = reply.rows.get(key)
    there.applied = reply.applied
    if row is not None and is_tiered(core.policy):
        there.stay = _ask_stay(home, key, deadline)
    if row is not None and row.cold is not None:
        try:
            there.object = decode_pointer(row.cold, key=key).name
        except CorruptionError as exc:
            there.troubles.append(f"the region's row is damaged: {exc}")
    return there


def _ask_stay(home: Replica, key: str, deadline: Deadline) -> Stay | None:
    """Why the key is not where it should be, if the region keeps account of that."""
    ask = getattr(home.region, "stay", None)
    if ask is None:
        return None
    try:
        stay: Stay | None = home.state.link.observed(lambda: ask(key, deadline.remaining_s()))
    except TierStoreError:
        return None
    return stay


def _look_here(core: Core, key: str, rule: Rule, there: _There) -> _Here:
    state = core.replica.state
    with state.lock:
        entry = state.edge.resident.get(key)
        own = _own(state.outbox, key, rule, there)
        return _Here(
            entry.record() if entry is not None else None,
            own,
            key in state.outbox.unflushed_keys(),
            known_age_s(state.age_s(entry)) if entry is not None else None,
            entry.reads if entry is not None else 0,
            entry.writes if entry is not None else 0,
            state.keep_heat().known(key, rule, entry),
        )


def _own(outbox: Outbox, key: str, rule: Rule, there: _There) -> Record | None:
    """The last write here; of another type than the register, the row with what waits here."""
    if rule.type == "register":
        return outbox.own_state(key)
    if there.applied is None:
        return None  # changes alone are no state
    row = None if there.row is None else there.row.record
    return outbox.overlay(key, row, there.applied)


def _look_at_edge(core: Core, key: str, here: _Here, there: _There, deadline: Deadline) -> _Here:
    """What this worker knows, and the edge that it shares."""
    from tierstore.replica.shared import telling

    shared = core.replica.state.shared
    assert shared is not None
    try:
        copy = telling.look(shared, key, deadline)
    except UnavailableError as exc:
        there.troubles.append(f"the edge server does not answer: {exc}")
        return here
    if copy is None:
        return here
    facts = replace(here.facts, is_resident=True)
    return dataclasses.replace(
        here,
        copy=copy.record,
        age_s=telling.age_s(shared, copy),
        is_unflushed=here.is_unflushed or copy.number > 0,
        facts=facts,
    )


def _declared(rule: Rule) -> dict[str, Any]:
    hotness = rule.hotness
    return {
        "rule": rule.name,
        "type": rule.type,
        "consistency": rule.consistency,
        "durability": rule.durability,
        "hot_per_s": hotness.hot_per_s,
        "cold_per_s": hotness.cold_per_s,
        "hysteresis": hotness.hysteresis,
        "min_residency_edge_s": rule.min_residency_edge_s,
        "min_residency_regional_s": rule.min_residency_regional_s,
        "max_write_ratio": rule.max_write_ratio,
    }


class _Place:
    """Where a key that has a value is, and where `decide` says that it belongs."""

    def __init__(
        self,
        core: Core,
        key: str,
        rule: Rule,
        here: _Here,
        there: _There,
        record: Record,
        now_ms: int,
    ) -> None:
        self._rule, self._here, self._there = rule, here, there
        self._record, self._now_ms = record, now_ms
        row = there.row
        self._row = row if row is not None and _is_live(row.record, now_ms) else None
        self._size_bytes = self._size_of(key, record)
        self._facts = self._all_facts(barred_tiers(core.policy, rule))
        self._placement: Placement = decide(rule, self._facts)

    def fields(self) -> dict[str, Any]:
        """What `Explanation` tells of it."""
        record = self._record
        half_life_s = edge_half_life_s(self._rule.hotness)
        told = {
            "version": version_of(record),
            "size_bytes": self._size_bytes,
            "age_s": self._here.age_s,
            "expires_at": seconds_of(record.expires_at_ms),
            "written_at": seconds_of(physical_ms(_written(record, self._rule))),
            "edge_reads_per_s": rate_per_s(self._facts.reads, half_life_s),
            "edge_writes_per_s": rate_per_s(self._facts.writes, half_life_s),
        }
        return told if self._row is None else told | self._home_fields(self._row)

    def reasons(self) -> Iterator[str]:
        """Sentences of what decided, the home first."""
        home, copy = self._placement.reasons
        if self._row is not None:
            yield home
        if self._rule.consistency == "strong":
            yield STRONG_READS
            return
        yield copy
        if self._placement.edge and not self._facts.is_resident:
            yield "it is not at the edge: not used here, or evicted for more useful keys"
        yield from _age_bound(self._rule)

    def _size_of(self, key: str, record: Record) -> int:
        if record.payload == ELSEWHERE and self._row is not None:
            return self._row.size
        return key_size(key) + len(record.payload or b"")

    def _all_facts(self, barred: tuple[Any, ...]) -> Facts:
        """Those of the row, if there is one, and of the edge."""
        facts = Facts(self._size_bytes, "regional", 0.0, barred=barred)
        if self._row is not None:
            half_life_s = cold_half_life_s(self._rule.hotness)
            facts = facts_of(self._row, half_life_s, self._now_ms, barred=barred)
        here = self._here.facts
        return replace(
            facts,
            is_resident=here.is_resident,
            edge_age_s=here.edge_age_s,
            reads=here.reads,
            writes=here.writes,
        )

    def _home_fields(self, row: Row) -> dict[str, Any]:
        hotness = self._rule.hotness
        is_counted = not isinstance(hotness.cold_per_s, str)
        rate = rate_per_s(self._facts.home_accesses, cold_half_life_s(hotness))
        return {
            "home": self._facts.home,
            "object": self._there.object,
            "accesses_per_s": rate if is_counted else None,
            "created_at": seconds_of(row.created_ms),
            "accessed_at": seconds_of(row.accessed_ms),
            "entered_at": seconds_of(row.entered_ms),
            "moves": row.epoch,
            **self._wish(row),
        }

    def _wish(self, row: Row) -> dict[str, Any]:
        """The tier where the value should be, if that is another, and what came of it."""
        wanted, stay = self._placement.home, self._there.stay
        if wanted == self._facts.home:
            return {"review_at": self._review_at(row)}
        if stay is None or stay.wanted != wanted:
            return {"wanted": wanted}
        return {
            "wanted": wanted,
            "last_error": stay.error,
            "tries": stay.tries,
            "tried_at": seconds_of(stay.at_ms),
            "next_try_at": seconds_of(stay.next_ms),
        }

    def _review_at(self, row: Row) -> float | None:
        """What the row says, or, as reads seldom bring that along, what a mover would note."""
        if row.due_ms is not None:
            return seconds_of(row.due_ms)
        wait_s = self._placement.review_in_s
        return None if wait_s == inf else self._now_ms / MS_PER_S + wait_s


def _written(record: Record, rule: Rule) -> int:
    """The stamp of the last write: a strong record has its number in place of one."""
    return record.touch if rule.consistency == "strong" else record.stamp


def _age_bound(rule: Rule) -> Iterator[str]:
    bounds = rule.read
    if bounds.max_age_s is not None:
        text = f"copies older than {format_duration(bounds.max_age_s)} are not served"
        if bounds.stale_if_error_s:
            more = format_duration(bounds.stale_if_error_s)
            text += f", but for up to {more} more while the region does not answer"
        yield text


def _is_live(record: Record | None, now_ms: int) -> bool:
    return record is not None and record.is_live(now_ms)
