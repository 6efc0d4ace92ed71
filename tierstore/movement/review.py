"""Looking at rows that are due: which tier each belongs to, and in which packs they travel."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError
from tierstore.frozen import as_dict
from tierstore.placement.facts import Facts
from tierstore.placement.heat import cold_half_life_s, decayed
from tierstore.placement.home import LARGE_VALUE_BYTES, home_of, judge_home, review_in_s
from tierstore.policy.model import barred_tiers
from tierstore.record import ELSEWHERE, hash_payload
from tierstore.region.moves import COLD, REGIONAL, Review, Switch
from tierstore.region.rows import MOVABLE_TYPES
from tierstore.region.waiting import base_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.movement.ground import Ground
    from tierstore.placement.facts import Home
    from tierstore.policy.model import TierName
    from tierstore.record import Record
    from tierstore.region.rows import Row
    from tierstore.region.waiting import Waiting

PACK_BYTES_MAX = 8 * 2**20
PACK_ROWS_MAX = 1000
MS_PER_S = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A row that should be in another tier."""

    row: Row
    wanted: Home
    due_ms: int | None
    """When to look at it again, once it is there."""
    placement: tuple[object, ...] = ()
    """Where its rule lets copies be. A block is read as a whole, so only the like share one."""

    @property
    def is_large(self) -> bool:
        """Whether it gets an object of its own."""
        return self.row.size >= LARGE_VALUE_BYTES

    def wish(self, next_ms: int, error: str | None = None) -> Review:
        """The note that it should move, and why it has not."""
        row = self.row
        return Review(row.key, row.position, row.due_ms, next_ms, self.wanted, error)

    def to_object(self, cold: bytes, payload: bytes) -> Switch:
        """The `payload` of its row lies where `cold` points, from now on."""
        record = self.row.record
        return Switch(
            self.row.key, record.stamp, record.replica, self.row.epoch, self.due_ms, cold,
            digest=hash_payload(payload),
        )  # fmt: skip

    def to_row(self, payload: bytes, refused: Sequence[tuple[Waiting, str]] = ()) -> Switch:
        """Its payload, with what waited for it but for the `refused`, lies in the row again."""
        record = self.row.record
        return Switch(
            self.row.key, record.stamp, record.replica, self.row.epoch, self.due_ms,
            payload=payload, refused=tuple(refused),
        )  # fmt: skip


@dataclass(slots=True)
class Packs:
    """What a review made of the rows that were due."""

    stays: list[Review] = field(default_factory=list)
    to_cold: list[Candidate] = field(default_factory=list)
    to_region: list[Candidate] = field(default_factory=list)

    def moving(self) -> list[Candidate]:
        """All that should move."""
        return [*self.to_cold, *self.to_region]

    def demotions(self) -> Iterator[list[Candidate]]:
        """Small values of one placement together, as many as make a segment; large ones alone."""
        alike: dict[tuple[object, ...], list[Candidate]] = {}
        for candidate in self.to_cold:
            if not candidate.is_large:
                alike.setdefault(candidate.placement, []).append(candidate)
        for candidates in alike.values():
            yield from _packs(candidates)
        yield from ([c] for c in self.to_cold if c.is_large)

    def promotions(self) -> Iterator[list[Candidate]]:
        """As many as are read at once."""
        return _packs(self.to_region)


class Reviewer:
    """Applies `decide` to rows, and loads what is to be packed."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._barred: dict[int, tuple[TierName, ...]] = {}
        self.fingerprint = _fingerprint(ground)
        """Of all in the policy that decides where keys belong."""

    def review(self, rows: Sequence[Row]) -> Packs:
        """Where each of `rows` belongs."""
        packs = Packs()
        now_ms = self._ground.now_ms()
        for row in rows:
            wanted, next_ms = self._place(row, now_ms)
            home = COLD if row.cold is not None else REGIONAL
            is_folded = wanted == home == COLD and self._has_to_fold(row)
            if row.record.payload is None or (wanted == home and not is_folded):
                packs.stays.append(Review(row.key, row.position, row.due_ms, next_ms))
                continue
            if is_folded:
                wanted = REGIONAL
            later, next_ms = self._place(row, now_ms, home=wanted)
            if later != wanted:  # it only came home for what waited
                next_ms = now_ms
            place = self._ground.rule_for(row.key).place
            placement = place.allows("edge"), tuple(sorted(place.residency))
            candidate = Candidate(row, wanted, next_ms, placement)
            (packs.to_cold if wanted == COLD else packs.to_region).append(candidate)
        return packs

    def _place(self, row: Row, now_ms: int, *, home: Home | None = None) -> tuple[Home, int | None]:
        """(The tier of a row, when to look again); with `home`, as if it had just come there.

        `decide` without the sentences, which take longer than all the rest.
        """
        rule = self._ground.rule_for(row.key)
        barred = self._barred.get(rule.index)
        if barred is None:
            barred = self._barred[rule.index] = barred_tiers(self._ground.policy, rule)
        if row.record.type not in MOVABLE_TYPES:  # the rule may have been another's
            barred = (*barred, COLD)
        half_life_s = cold_half_life_s(rule.hotness)
        facts = facts_of(row, half_life_s, now_ms, home=home, barred=barred)
        verdict = judge_home(rule, facts)
        wait_s = review_in_s(verdict, rule, facts)
        next_ms = None if wait_s == inf else now_ms + max(1, int(wait_s * MS_PER_S) + 1)
        return home_of(verdict, facts), next_ms

    def _has_to_fold(self, row: Row) -> bool:
        """Whether a cold row has to come home for what waits on it. A damaged one stays as it is.

        What may not stand in the region does not wait there, either.
        """
        try:
            base = base_of(row)
        except CorruptionError:
            return False
        is_barred = not self._ground.rule_for(row.key).place.allows("regional")
        return base.is_due or (is_barred and bool(base.waiting))

    def whole(self, pack: Sequence[Candidate]) -> tuple[list[Candidate], dict[str, str]]:
        """Those candidates whose rows are still as they were reviewed, with their rows as a whole.

        And why those whose rows are damaged cannot be read.
        """
        reply = self._ground.directory.read([c.row.key for c in pack], 0, self._ground.regional_s)
        whole = [
            replace(candidate, row=row)
            for candidate in pack
            if (row := reply.rows.get(candidate.row.key)) is not None
            and (row.position, row.epoch) == (candidate.row.position, candidate.row.epoch)
        ]
        return whole, reply.corrupt

    def load(self, pack: Sequence[Candidate]) -> tuple[list[tuple[str, Record]], dict[str, str]]:
        """The records of those candidates whose rows are still as they were reviewed.

        And why those whose rows are damaged cannot be read.
        """
        wanted = {candidate.row.key: candidate for candidate in pack}
        reply = self._ground.directory.read(list(wanted), 0, self._ground.regional_s)
        records = [
            (key, row.record)
            for key, row in reply.rows.items()
            if row.cold is None
            and row.record.payload not in (None, ELSEWHERE)
            and row.position == wanted[key].row.position
        ]
        return records, reply.corrupt


def facts_of(
    row: Row,
    half_life_s: float,
    now_ms: int,
    *,
    home: Home | None = None,
    barred: tuple[TierName, ...] = (),
) -> Facts:
    """What decides where a row belongs; with `home`, as if it had just come there."""
    elapsed_s = max(0, now_ms - row.accessed_ms) / MS_PER_S
    expires_ms = row.record.expires_at_ms
    return Facts(
        size_bytes=row.size,
        home=home or (COLD if row.cold is not None else REGIONAL),
        home_age_s=0.0 if home else max(0, now_ms - row.entered_ms) / MS_PER_S,
        has_moved=row.epoch > 0 or home is not None,
        is_dead=row.record.payload is None or (expires_ms is not None and expires_ms <= now_ms),
        home_accesses=decayed(row.heat, elapsed_s, half_life_s),
        barred=barred,
    )


def _packs(candidates: Sequence[Candidate]) -> Iterator[list[Candidate]]:
    pack: list[Candidate] = []
    size_bytes = 0
    for candidate in candidates:
        size = candidate.row.size
        if pack and (len(pack) >= PACK_ROWS_MAX or size_bytes + size > PACK_BYTES_MAX):
            yield pack
            pack, size_bytes = [], 0
        pack.append(candidate)
        size_bytes += size
    if pack:
        yield pack


def _fingerprint(ground: Ground) -> str:
    policy = ground.policy
    parts = [
        (
            rule.match, as_dict(rule.hotness), rule.min_residency_regional_s, as_dict(rule.place),
            barred_tiers(policy, rule),
        )
        for rule in policy.rules
    ]  # fmt: skip
    return blake2b(repr((LARGE_VALUE_BYTES, parts)).encode(), digest_size=8).hexdigest()
