"""Whether a history of counters and sets kept what is promised of them.

An item (an increment, an element) that was added shows to whoever must know of it, unless something
may have ended it: a discard that may have seen it, a delete or an expiry that may have come after
it. One that was surely ended, and by something that whoever looks knows of, does not show.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tierstore.testing.simulation.knowledge import TICK_NS, Knowledge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.simulation.deeds import Deed, Item, Sight, Typed
    from tierstore.testing.simulation.knowledge import Asked, Facts, Looked

NEVER_NS = 1 << 62


def check(facts: Facts, typed: Typed, reached: Counter[str]) -> list[str]:
    """What was seen that must not be, each told with the deeds that show it.

    Situations that came up are counted in `reached`.
    """
    violations = list(typed.oddities)
    for key, sights in typed.sights.items():
        judge = TypedJudge(facts, typed, key)
        for sight in sorted(sights, key=lambda sight: sight.completed):
            violations += judge.judge(sight)
        reached.update(judge.reached)
    return violations


class TypedJudge(Knowledge):
    """Judges the sights of one key, in the order of their answers."""

    def __init__(self, facts: Facts, typed: Typed, key: str) -> None:
        super().__init__(facts, typed.families[key])
        deeds = [deed for deed in typed.deeds.get(key, []) if deed.outcome != "fail"]
        self._failed = [d for d in typed.deeds.get(key, []) if d.outcome == "fail"]
        self._deletes = [deed for deed in deeds if deed.verb == "delete"]
        self._changes = [deed for deed in deeds if deed.verb in ("add", "discard")]
        self._touches = [deed for deed in deeds if deed.verb == "touch"]
        self._adds: dict[Item, list[Deed]] = {}
        self._discards: dict[Item, list[Deed]] = {}
        for deed in self._changes:
            into = self._adds if deed.verb == "add" else self._discards
            for item in deed.items:
                into.setdefault(item, []).append(deed)
        self._is_mortal = self._family.ttl_ms is not None or bool(self._touches)
        self._seen: dict[tuple[str, Item], tuple[Sight, Deed | None]] = {}
        """By life and item, when it was last shown there, and by which add if that is known."""
        self._known: dict[tuple[str, int], int] = {}
        """By life and add, the event since which it knows of it."""
        self.reached: Counter[str] = Counter()
        self._gone: dict[tuple[str, int, Item], Sight] = {}
        """By life, add and item, a sight that lacked what it knew of."""

    @property
    def is_everlasting(self) -> bool:
        """Whether nothing deletes the key, and no lifetime ends."""
        return not self._is_mortal and not self._deletes

    def lost(self) -> frozenset[int]:
        """Of adds that were acknowledged and may be lost all the same, the events they began at."""
        return frozenset(
            deed.invoked
            for deed in self._changes
            if deed.outcome != "ok" or self._may_be_lost(deed)
        )

    def judge(self, sight: Sight) -> Iterator[str]:
        """What is wrong with one sight."""
        asked = sight.asked
        items = asked if asked is not None else self._adds.keys() | sight.items
        for item in sorted(items, key=repr):
            if item in sight.items:
                yield from self._judge_presence(sight, item)
            else:
                yield from self._judge_absence(sight, item)

    # What is shown

    def _judge_presence(self, sight: Sight, item: Item) -> Iterator[str]:
        begun = [add for add in self._adds.get(item, []) if add.invoked < sight.completed]
        if not begun:
            had = any(item in deed.items and deed.verb == "add" for deed in self._failed)
            what = "whose add had failed" if had else "that was not added until then"
            yield f"{sight} shows {item!r}, {what}"
            return
        reasons = [self._why_gone(add, sight, item) for add in begun]
        if None not in reasons:
            yield f"{sight} shows {item!r}, though of {begun[-1]} {reasons[-1]}"
            return
        alive = [add for add, why in zip(begun, reasons, strict=True) if why is None]
        self._note_shown(sight, item, alive[0] if len(alive) == 1 else None)
        self._note_raced(sight, item, alive)

    def _note_raced(self, sight: Sight, item: Item, alive: list[Deed]) -> None:
        """Count what shows though its process had removed the item: an add it had not seen."""
        if sight.verb != "final":
            return
        for end in self._discards.get(item, []):
            if end.life == sight.life and all(self._overlap(add, end) for add in alive):
                self.reached["add outlived a concurrent discard"] += 1
        for end in self._deletes:
            if end.life == sight.life and all(self._overlap(add, end) for add in alive):
                self.reached["add outlived a concurrent delete"] += 1

    def _overlap(self, add: Deed, end: Deed) -> bool:
        """Whether neither was in the region when the other began, as far as is known."""
        if add.life == end.life:
            return False
        return not self._is_applied_before(add, end) and not self._is_applied_before(end, add)

    def _note_shown(self, sight: Sight, item: Item, add: Deed | None) -> None:
        self._seen[sight.life, item] = sight, add
        if add is not None:
            self._note_arrived(add, sight)
            self._known.setdefault((sight.life, id(add)), sight.completed)
            if sight.session and not self._may_be_lost(add):
                self._known.setdefault((sight.session, id(add)), sight.completed)

    def _why_gone(self, add: Deed, sight: Sight, item: Item) -> str | None:
        """Why `add` cannot be what `sight` shows, if anything ended it for sure."""
        for end in self._deletes:
            if self._is_known(end, sight) and self._is_applied_before(add, end):
                return f"{end} is known"
        if self._is_mortal:
            died_ns = self._latest_end_ns(add)
            return f"nothing is left since {died_ns}" if died_ns < sight.invoked_ns else None
        for end in self._discards.get(item, []):
            if self._is_known(end, sight) and self._surely_discards(end, add):
                return f"{end} is known"
        gone = self._gone.get((sight.life, id(add), item))
        return f"nothing was left in {gone}" if gone and gone.completed < sight.invoked else None

    def _surely_discards(self, end: Deed, add: Deed) -> bool:
        return self._is_before_in_session(add, end) or self._has_heard(add, end)

    def _latest_end_ns(self, add: Deed) -> int:
        """Until when an add shows at most: it may have joined a generation, and others may that.

        What waits joins whatever generation there is then: only what is in the region ends.
        """
        in_region_ns, ttl_ns = self._in_region_ns(add, add.life), self._family.ttl_ms
        if in_region_ns is None or ttl_ns is None:
            return NEVER_NS
        margin_ns = 2 * self._facts.skew_ns + TICK_NS
        end_ns = in_region_ns + self._longest_ns(add) + margin_ns
        moving = [*self._touches, *(self._changes if self._family.is_renewed else ())]
        for deed in sorted(moving, key=lambda deed: deed.invoked_ns):
            if deed.invoked_ns <= end_ns:
                if deed.completed_ns is None:
                    return NEVER_NS
                end_ns = max(end_ns, deed.completed_ns + self._longest_ns(deed) + margin_ns)
        return end_ns

    # What is not shown

    def _judge_absence(self, sight: Sight, item: Item) -> Iterator[str]:
        for add in self._adds.get(item, []):
            if add.invoked > sight.completed or not self._has_heard(add, sight):
                continue
            if not self._may_be_over(add, sight, item):
                yield f"{sight} lacks {item!r}, and nothing explains the end of {add}"
                return
            if not self._is_mortal and self._was_in_region(add, sight):
                self._gone.setdefault((sight.life, id(add), item), sight)
        yield from self._judge_end(sight, item)

    def _judge_end(self, sight: Sight, item: Item) -> Iterator[str]:
        """What was shown before, by whichever add, has been ended by what came since.

        Not where keys expire: in the region one may have before, and been shown as renewed here.
        """
        before, add = self._seen.get((sight.life, item), (None, None))
        if self._is_mortal or before is None or before.completed > sight.invoked or add is not None:
            return
        ends = [*self._deletes, *self._discards.get(item, [])]
        for end in ends:
            if end.invoked < sight.completed and not self._is_known(end, before):
                return
        yield f"{sight} lacks {item!r}, and nothing explains its end since {before}"

    def _may_be_over(self, add: Deed, sight: Sight, item: Item) -> bool:
        for end in self._discards.get(item, []):
            if end.invoked < sight.completed and not self._precedes(end, add):
                return True
        for end in self._deletes:
            if end.invoked < sight.completed and not self._is_applied_before(end, add):
                return True
        return self._may_expire(sight, add)

    def _precedes(self, end: Deed, add: Deed) -> bool:
        """Whether a discard was over before the add began: then it has not seen that."""
        return end.completed is not None and end.completed < add.invoked

    def _may_expire(self, sight: Sight, add: Deed) -> bool:
        """Whether a lifetime may have ended since `add`, by the time of `sight`.

        Not one that was renewed before it ended, after `add`, as far as the process knows.
        """
        if not self._is_mortal:
            return False
        for deed in [*self._changes, *self._touches]:
            if deed.ttl_ns is None or deed.invoked > sight.completed:
                continue
            earliest_ns, latest_ns = self._ends_ns(deed)
            if earliest_ns > sight.completed_ns or latest_ns < add.invoked_ns:
                continue
            if not self._is_renewed_before(earliest_ns, deed, add, sight):
                return True
        return False

    def _ends_ns(self, deed: Deed) -> tuple[int, int]:
        """Between which moments the lifetime that `deed` gave ends."""
        margin_ns = 2 * self._facts.skew_ns + TICK_NS
        shortest_ns = int((deed.ttl_ns or 0) * (1 - self._family.ttl_jitter))
        last_ns = NEVER_NS if deed.completed_ns is None else deed.completed_ns
        return deed.invoked_ns + shortest_ns - margin_ns, last_ns + self._longest_ns(
            deed
        ) + margin_ns

    def _is_renewed_before(self, end_ns: int, deed: Deed, add: Deed, sight: Sight) -> bool:
        """Whether a later change than `deed` moved the end of the generation that `add` is in."""
        if not self._family.is_renewed:
            return False
        margin_ns = 2 * self._facts.skew_ns + TICK_NS
        for change in self._changes:
            if change.verb != "add":
                continue  # a discard of what is not seen does nothing
            in_region_ns = self._in_region_ns(change, change.life)
            if in_region_ns is None or in_region_ns + margin_ns >= end_ns:
                continue
            is_later = deed.completed_ns is not None and (
                deed.completed_ns + margin_ns < change.invoked_ns
                or self._is_before_in_session(deed, change)
            )
            if not is_later or not self._has_heard(change, sight):
                continue
            if change is add or self._is_applied_before(add, change):
                return True
        return False

    def _is_applied_before(self, deed: Deed, later: Deed) -> bool:
        """Whether the region of `later` surely applied `deed` before."""
        if self._is_before_in_session(deed, later):
            return True
        in_region_ns = self._in_region_ns(deed, later.life)
        return in_region_ns is not None and in_region_ns < later.invoked_ns

    # What is known

    def _in_region_ns(self, put: Asked, life: str) -> int | None:
        is_here = self._facts.region_of(put.life) == self._facts.region_of(life)
        if is_here and self._may_rest_on_another(put):
            return self._facts.observed.flushed_ns(put.life, put.completed)
        return super()._in_region_ns(put, life)

    def _may_be_lost(self, put: Asked) -> bool:
        if self._may_rest_on_another(put):
            return self._facts.observed.flushed_ns(put.life, put.completed) is None
        return super()._may_be_lost(put)

    def _may_rest_on_another(self, put: Asked) -> bool:
        """Whether a `regional` discard may have had nothing to do, as another one was under way.

        Of what does not show any more nothing is discarded, and nobody is asked to confirm that.
        """
        if self._family.durability != "regional" or getattr(put, "verb", "") != "discard":
            return False
        return any(
            end is not put
            and end.verb != "add"
            and end.life == put.life
            and put.completed is not None
            and end.invoked < put.completed
            and (end.completed is None or end.completed > put.invoked)
            for end in [*self._changes, *self._deletes]
        )

    def _longest_ns(self, deed: Deed) -> int:
        return int((deed.ttl_ns or 0) * (1 + self._family.ttl_jitter))

    def _has_heard(self, add: Deed, asked: Looked) -> bool:
        """Whether the process that asks knows of `add`, however it came to."""
        known = self._known.get((asked.life, id(add)))
        if known is not None and known < asked.invoked:
            return True
        shown = self._known.get((asked.session, id(add))) if asked.session else None
        if shown is not None and shown < asked.invoked:
            return True
        if not self._is_known(add, asked):
            return False
        if asked.completed is not None:
            self._known.setdefault((asked.life, id(add)), asked.completed)
        return True

    def _is_before_in_session(self, deed: Deed, later: Deed) -> bool:
        if deed.completed is None or deed.completed > later.invoked:
            return False
        return self._is_in_session(deed, later.life)

    def _was_in_region(self, add: Deed, sight: Sight) -> bool:
        in_region_ns = self._in_region_ns(add, sight.life)
        return in_region_ns is not None and in_region_ns < sight.invoked_ns
