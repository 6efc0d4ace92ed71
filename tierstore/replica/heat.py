"""How warm keys are at this edge: which copies are worth keeping, and what the region is told.

The counters in resident entries are all that a read pays for. Here they are looked at now and
then: decayed, told to the region (each access once, with the batches), and judged by `decide`.
Keys that are not resident, because their copy was given up or never kept, are remembered by a
sketch, so that a key does not have to prove again and again what it is.
"""

from __future__ import annotations

from tierstore.edge.entry import CLEAN
from tierstore.placement.decide import Facts, wants_edge_copy
from tierstore.placement.heat import Heat, cold_half_life_s, edge_half_life_s
from tierstore.region.batch import Heat as HeatNews

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.edge.entry import Entry
    from tierstore.edge.table import EdgeTable
    from tierstore.placement.sketch import Sketch
    from tierstore.policy.model import Policy, Rule
    from tierstore.runtime import Runtime

NEWS_KEYS_MAX = 65_536
WRITES_TO_JUDGE = 8
TELLS_PER_HALF_LIFE = 8
"""How often the region is told of keys that are not written: what it does not know yet of a key
that is used steadily is a twelfth of its heat at most."""
COUNT_MAX = (1 << 32) - 1


class HeatKeeper:
    """Of one replica. All methods need the replica's lock."""

    def __init__(
        self, policy: Policy, runtime: Runtime, edge: EdgeTable, never_edge: frozenset[int]
    ) -> None:
        self._runtime = runtime
        self._edge = edge
        rules = policy.rules
        self.tiered = frozenset(r.index for r in rules if _is_number(r.hotness.cold_per_s))
        """Rules whose keys may go cold, so that the region has to know how warm they are."""
        self._measured = frozenset(r.index for r in rules if _is_number(r.hotness.hot_per_s))
        self._unjournaled = never_edge
        self._judged = self.tiered | self._measured
        # Key -> reads, writes, half-life; apart from keys whose very names no journal may have.
        self._news: dict[str, list[int]] = {}
        self._unjournaled_news: dict[str, list[int]] = {}
        self._sketches: dict[float, Sketch] = {}  # by half-life, as counts of others mean others
        half_lives_s = [cold_half_life_s(r.hotness) for r in rules if r.index in self.tiered]
        self._tell_s = min(half_lives_s, default=0.0) / TELLS_PER_HALF_LIFE
        self._told_at_s = float("-inf")
        self.is_curious = bool(self._judged)
        """Whether anything is to be known of copies that come and go."""
        if self._judged:
            edge.on_evicted = self.leave

    @property
    def has_news(self) -> bool:
        """Whether there are accesses that the region was not told of."""
        return bool(self._news or self._unjournaled_news)

    @property
    def is_full(self) -> bool:
        """Whether there will soon be no room for news of further keys."""
        return max(len(self._news), len(self._unjournaled_news)) > NEWS_KEYS_MAX // 2

    def may_tell(self) -> bool:
        """Whether it is time to tell the region of accesses that it was not told of."""
        now_s = self._runtime.monotonic()
        is_early = now_s - self._told_at_s < self._tell_s and not self.is_full
        if is_early or not self.has_news:
            return False
        self._told_at_s = now_s
        return True

    def miss(self, key: str, rule: Rule) -> None:
        """A read of a key that was not resident was answered."""
        if rule.index in self.tiered:
            self._tell(key, rule, 1, 0)
        if rule.index in self._measured:
            self._sketch(rule).add(key)

    def admits(self, key: str, rule: Rule, size_bytes: int) -> bool:
        """Whether a copy of a key that is not resident is worth keeping."""
        reads, writes = self._recall(key, rule)
        return wants_edge_copy(rule, _facts(size_bytes, reads, writes))

    def enter(self, entry: Entry) -> None:
        """A copy was made here: it goes on from what is remembered of its key."""
        entry.entered_at = self._runtime.monotonic()
        reads, writes = self._recall(entry.key, entry.rule)
        if reads or writes:
            entry.heat = Heat(entry.entered_at, reads, writes)

    def leave(self, entry: Entry) -> None:
        """A copy was evicted or given up."""
        rule = entry.rule
        if rule.index in self.tiered or entry.heat is not None:
            heat = self._note(entry)
            if rule.index in self.tiered:
                self._tell(entry.key, rule, *heat.take_news())
            self._remember(entry.key, rule, heat)

    def should_leave(self, entry: Entry) -> bool:
        """Whether an entry that is no longer dirty is not worth keeping."""
        if entry.heat is None:
            return False
        self._note(entry)
        return not self.is_worth_keeping(entry)

    def walk(self, keys: Sequence[str]) -> None:
        """Look at copies: note what is new for the region, and give up what is not worth it.

        A slice of all: a `memory` write waits for the lock meanwhile.
        """
        resident = self._edge.resident
        for entry in filter(None, map(resident.get, keys)):
            is_judged = entry.rule.index in self._judged
            if is_judged or entry.heat is not None or entry.writes >= WRITES_TO_JUDGE:
                self._look(entry)

    def is_worth_keeping(self, entry: Entry) -> bool:
        """Whether `decide` keeps a resident entry, by what was last noted of it."""
        return wants_edge_copy(entry.rule, self.facts(entry))

    def facts(self, entry: Entry) -> Facts:
        """What is known here of a resident entry, as of the last note."""
        heat = entry.heat
        reads, writes = (heat.reads, heat.writes) if heat is not None else (0.0, 0.0)
        age_s = max(0.0, self._runtime.monotonic() - entry.entered_at)
        return _facts(entry.size, reads, writes, is_resident=True, edge_age_s=age_s)

    def known(self, key: str, rule: Rule, entry: Entry | None) -> Facts:
        """What is known here of a key as of now; of one without an `entry`, what a sketch knows."""
        if entry is None:
            return _facts(0, *self._recall(key, rule))
        self._note(entry)
        return self.facts(entry)

    def take(self, entries: list[Entry]) -> list[HeatNews]:
        """What the region is told of entries that it gets in the same batch, once each."""
        told: list[HeatNews] = []
        for entry in entries:
            if entry.rule.index in self.tiered:
                self._tell(entry.key, entry.rule, *self._note(entry).take_news())
            news = self._news_of(entry.rule)
            if entry.key in news:
                told.append(HeatNews(entry.key, *news.pop(entry.key)))
        return told

    def take_rest(self, count_max: int, *, journaled: bool) -> list[HeatNews]:
        """What the region is told of other keys, once each; at most `count_max` at a time."""
        news = self._news if journaled else self._unjournaled_news
        told: list[HeatNews] = []
        while news and len(told) < count_max:
            key, counts = news.popitem()
            told.append(HeatNews(key, *counts))
        return told

    def _news_of(self, rule: Rule) -> dict[str, list[int]]:
        return self._unjournaled_news if rule.index in self._unjournaled else self._news

    def _look(self, entry: Entry) -> None:
        heat = self._note(entry)
        if entry.rule.index in self.tiered and self._has_room(entry):
            self._tell(entry.key, entry.rule, *heat.take_news())
        if entry.dirty == CLEAN and not self.is_worth_keeping(entry):
            self._runtime.sometimes("copy given up")
            self._remember(entry.key, entry.rule, heat)
            self._edge.drop(entry)

    def _has_room(self, entry: Entry) -> bool:
        """Whether news of an entry can be kept; else the entry keeps them."""
        news = self._news_of(entry.rule)
        return len(news) < NEWS_KEYS_MAX or entry.key in news

    def _note(self, entry: Entry) -> Heat:
        now_s = self._runtime.monotonic()
        if entry.heat is None:
            entry.heat = Heat(now_s)
            entry.entered_at = entry.entered_at or now_s
        half_life_s = edge_half_life_s(entry.rule.hotness)
        entry.heat.note(entry.reads, entry.writes, now_s, half_life_s)
        return entry.heat

    def _tell(self, key: str, rule: Rule, reads: int, writes: int) -> None:
        if not (reads or writes):
            return
        news = self._news_of(rule)
        counts = news.get(key)
        if counts is None:
            if len(news) >= NEWS_KEYS_MAX:
                return  # the region is away for long; heat may be lost, values never
            half_life_s = min(COUNT_MAX, max(1, round(cold_half_life_s(rule.hotness))))
            counts = news[key] = [0, 0, half_life_s]
        counts[0] = min(COUNT_MAX, counts[0] + reads)
        counts[1] = min(COUNT_MAX, counts[1] + writes)

    def _remember(self, key: str, rule: Rule, heat: Heat) -> None:
        """Let the sketch know of a key at least what is known of its copy, which began with that.

        Without a rate to reach, only what is written much is worth it.
        """
        if rule.index in self._measured or heat.writes >= WRITES_TO_JUDGE:
            sketch = self._sketch(rule)
            reads, writes = sketch.estimate(key)
            sketch.add(key, max(0.0, heat.reads - reads), max(0.0, heat.writes - writes))

    def _sketch(self, rule: Rule) -> Sketch:
        """What remembers keys whose counts decay as fast as those of `rule`, as of now."""
        half_life_s = edge_half_life_s(rule.hotness)
        sketch = self._sketches.get(half_life_s)
        if sketch is None:
            from tierstore.placement.sketch import Sketch

            sketch = Sketch(half_life_s, self._runtime.monotonic())
            self._sketches[half_life_s] = sketch
            self.is_curious = True
        sketch.advance(self._runtime.monotonic())
        return sketch

    def _recall(self, key: str, rule: Rule) -> tuple[float, float]:
        """What the sketch knows of a key: decayed reads and writes."""
        if edge_half_life_s(rule.hotness) not in self._sketches:
            return 0.0, 0.0
        return self._sketch(rule).estimate(key)


def _facts(
    size_bytes: int,
    reads: float,
    writes: float,
    *,
    is_resident: bool = False,
    edge_age_s: float = 0.0,
) -> Facts:
    return Facts(
        size_bytes, "regional", 0.0, is_resident=is_resident, edge_age_s=edge_age_s, reads=reads,
        writes=writes,
    )  # fmt: skip


def _is_number(rate: object) -> bool:
    return isinstance(rate, (int, float))
