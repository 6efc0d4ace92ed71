"""Whether a history of eventual registers kept what is promised of them.

Every write writes a value of its own, so a read tells which write it saw. Last writer wins by
stamps, which clients do not see; but some writes *surely precede* others: by real time beyond the
skew of clocks, by order within one process, or because the later one's process had seen the
earlier. A read must not show a write if its process knows of one that it surely precedes.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from tierstore.testing.simulation.knowledge import TICK_NS, Knowledge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.simulation.knowledge import Facts
    from tierstore.testing.simulation.observed import Look, Put, Touch


def check(facts: Facts) -> list[str]:
    """What was seen that must not be, each told with the operations that show it."""
    violations = list(facts.observed.oddities)
    for key, looks in facts.observed.looks.items():
        judge = Judge(facts, key)
        for look in looks:
            violations += judge.judge(look)
        violations += judge.converged(looks)
    return violations


class Judge(Knowledge):
    """Judges the looks at one key."""

    def __init__(self, facts: Facts, key: str) -> None:
        super().__init__(facts, facts.observed.families[key])
        self._key = key
        self._puts = [put for put in facts.observed.puts.get(key, []) if put.outcome != "fail"]
        self._sure = [put for put in self._puts if put.outcome == "ok"]
        self._invoked = [put.invoked for put in self._sure]
        failed = [p for p in facts.observed.puts.get(key, []) if p.outcome == "fail"]
        self._failed = {put.value for put in failed if put.value is not None}
        self._by_value = {put.value: put for put in self._puts if put.value is not None}
        self._seen: dict[str, list[tuple[int, Put]]] = {}
        self._shown: dict[str, list[tuple[int, Put]]] = {}
        """By session, what it has seen, wherever that was."""
        self._first_seen: dict[tuple[str, int], int] = {}
        for look in facts.observed.looks.get(key, []):
            if look.value is not None and (put := self._by_value.get(look.value)):
                self._note_seen(look, put)

    def _note_seen(self, look: Look, put: Put) -> None:
        self._seen.setdefault(look.life, []).append((look.completed, put))
        if look.session and not self._may_be_lost(put):
            self._shown.setdefault(look.session, []).append((look.completed, put))
        known = self._first_seen.get((look.life, id(put)), look.completed)
        self._first_seen[look.life, id(put)] = min(known, look.completed)
        self._note_arrived(put, look)

    def judge(self, look: Look) -> Iterator[str]:
        """What is wrong with one look."""
        if look.value in self._failed:
            yield f"{look} shows a write that had failed"
        elif look.value is None:
            yield from self._judge_absence(look)
        elif look.value not in self._by_value:
            yield f"{look} shows what was never written"
        else:
            yield from self._judge_value(look, self._by_value[look.value])

    def converged(self, looks: list[Look]) -> Iterator[str]:
        """Whether all last looks agree."""
        last = [look for look in looks if look.verb in ("final", "copy")]
        for look in last[1:]:
            if look.value == last[0].value:
                continue
            values = [value for value in (look.value, last[0].value) if value is not None]
            at_ns = max(look.completed_ns, last[0].completed_ns)
            dying = [v for v in values if v in self._by_value and self._may_be_dead(v, at_ns)]
            if len(values) == 2 or not dying:
                yield f"replicas differ after everything settled: {last[0]} but {look}"

    def _judge_value(self, look: Look, put: Put) -> Iterator[str]:
        if put.invoked > look.completed:
            yield f"{look} shows what was written only later: {put}"
        if self._latest_death(put) < look.invoked_ns:
            yield f"{look} shows what had expired: {put}"
        for newer in self._known(look):
            if newer is not put and self._precedes(put, newer):
                yield f"{look} shows {put}, which {newer} had surely replaced"
                return

    def _judge_absence(self, look: Look) -> Iterator[str]:
        """Absence is explained by nothing written yet, a delete, or an expiry."""
        alive = [
            put
            for put in self._known(look)
            if put.value is not None and not self._may_be_dead(put.value, look.completed_ns)
        ]
        if not alive:
            return
        for put in self._puts:
            if put.invoked > look.completed:
                continue
            is_gone = put.value is None or self._may_be_dead(put.value, look.completed_ns)
            if is_gone and not any(self._precedes(put, newer) for newer in alive):
                return
        yield f"{look} shows nothing, though {alive[-1]} was there and nothing explains its end"

    # What a process knows when it looks

    def _known(self, look: Look) -> list[Put]:
        """Writes that a look must not be behind of."""
        seen = [put for at, put in self._seen.get(look.life, []) if at < look.invoked]
        seen += [put for at, put in self._shown.get(look.session, []) if at < look.invoked]
        earlier = self._sure[: bisect_left(self._invoked, look.invoked)]
        return seen + [put for put in earlier if self._is_known(put, look)]

    # Order and ends of writes

    def _precedes(self, put: Put, newer: Put) -> bool:
        """Whether the stamp of `put` is surely the lower one."""
        if put.completed is None or put.completed_ns is None:
            return False
        margin_ns = 2 * self._facts.skew_ns + TICK_NS
        if put.completed_ns + margin_ns < newer.invoked_ns:
            return True
        if put.completed < newer.invoked and self._is_in_session(put, newer.life):
            return True
        seen_at = self._first_seen.get((newer.life, id(put)))
        return seen_at is not None and seen_at < newer.invoked

    def _may_be_dead(self, value: str, at_ns: int) -> bool:
        """Whether the put of `value` may have expired by then."""
        put = self._by_value[value]
        ends = [touch.invoked_ns + touch.ttl_ns for touch in self._touches_of(put)]
        if put.ttl_ns is not None:
            ends.append(put.invoked_ns + int(put.ttl_ns * (1 - self._family.ttl_jitter)))
        return any(end - 2 * self._facts.skew_ns - TICK_NS <= at_ns for end in ends)

    def _latest_death(self, put: Put) -> int:
        """Until when a put can be read at most."""
        if put.ttl_ns is None or put.completed_ns is None:
            return 1 << 62
        longest_ns = int(put.ttl_ns * (1 + self._family.ttl_jitter))
        deaths = [put.completed_ns + longest_ns]
        for touch in self._touches_of(put):
            if touch.completed_ns is None:
                return 1 << 62  # nobody knows when it was stamped
            deaths.append(touch.completed_ns + touch.ttl_ns)
        return max(deaths) + 2 * self._facts.skew_ns + TICK_NS

    def _touches_of(self, put: Put) -> list[Touch]:
        """Touches that may have moved the end of `put`."""
        touches = self._facts.observed.touches.get(self._key, [])
        return [touch for touch in touches if touch.may_move(put)]
