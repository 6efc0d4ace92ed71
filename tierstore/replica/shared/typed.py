"""Reads of keys that are no registers: the region's row, and all that waits at this edge.

A row counts what the region has applied of the tag's identity; a change that waits counts beyond
that. Both are seen in one step at the edge, or the queue before the region: so each change counts
once, whoever drains meanwhile. No worker keeps such a key in its own memory.
"""

from __future__ import annotations

from tierstore.edge.entry import GONE, key_size
from tierstore.edge.making import fold_record
from tierstore.errors import OverloadedError, UnavailableError
from tierstore.region.damage import damage
from tierstore.region.shared import tag_of
from tierstore.replica.cold import fetch
from tierstore.replica.reads import READ_KEYS_MAX, Answer
from tierstore.replica.shared.composing import shown
from tierstore.runtime import mint_replica_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.record import Record
    from tierstore.region.protocol import ReadReply
    from tierstore.region.shared import TypedCopy
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.asked import Asked
    from tierstore.replica.shared.state import SharedState

    Copies = dict[str, TypedCopy]

ATTEMPTS_MAX = 4


class TypedReader:
    """The part of `SharedReader` for counters, sets and documents whose changes wait here."""

    def __init__(
        self,
        shared: SharedState,
        start: Callable[[], None],
        drain: Callable[[int, Deadline], object],
    ) -> None:
        self._shared = shared
        self._state = shared.state
        self._start = start
        self._drain = drain

    def answer(self, keys: list[str], asked: Asked) -> None:
        """Answer `keys` of `asked`. Raises UnavailableError, CorruptionError."""
        try:
            for start in range(0, len(keys), READ_KEYS_MAX):
                self._answer(keys[start : start + READ_KEYS_MAX], asked)
        except UnavailableError:
            self._state.tally.unavailable += len(keys)
            raise

    def _answer(self, keys: list[str], asked: Asked) -> None:
        pulled_ms = self._shared.known_pulled_ms
        copies = self._look(keys, asked.deadline)
        asked.pulled_ms = min(pulled_ms, self._shared.known_pulled_ms)
        self._start()
        tags: dict[int, list[str]] = {}
        for key in keys:
            self._heat(key, asked)
            if not self._answer_by(copies[key], key, asked):
                tags.setdefault(tag_of(key), []).append(key)
        for tag, some in tags.items():
            self._ask_region(tag, some, copies, asked)

    def _look(self, keys: list[str], deadline: Deadline) -> Copies:
        link = self._shared.link
        reply = link.call(lambda edge, timeout_s: edge.read_typed(keys, timeout_s), deadline)
        if reply.damaged:
            self._clear_away(reply.damaged, deadline)
            reply = link.call(
                lambda edge, timeout_s: edge.read_typed(keys, timeout_s), deadline.renewed()
            )
        if reply.damaged:
            raise UnavailableError(f"copies of the edge are damaged again: {reply.damaged}")
        return reply.copies

    def _clear_away(self, damaged: dict[str, str], deadline: Deadline) -> None:
        """Drop what cannot be understood: the queues have what waits a second time."""
        from tierstore.replica.log import log

        log("warning", "%d typed copies of the edge are damaged: %s", len(damaged), damaged)
        for tag in sorted({tag_of(key) for key in damaged}):
            self._drain(tag, deadline.renewed())
        keys = sorted(damaged)
        self._shared.link.call(
            lambda edge, timeout_s: edge.withdraw(keys, timeout_s), deadline.renewed()
        )

    def _heat(self, key: str, asked: Asked) -> None:
        heat = self._state.heat
        if asked.counts and heat is not None:
            with self._state.lock:
                heat.miss(key, asked.rules[key])

    def _age_s(self, copy: TypedCopy, asked: Asked) -> float:
        if not copy.fetched_ms:
            return float("inf")
        seen_ms = max(copy.fetched_ms, asked.pulled_ms)
        return self._state.runtime.monotonic() - self._shared.link.clock.here_s(seen_ms)

    def _answer_by(self, copy: TypedCopy, key: str, asked: Asked, *, late_s: float = 0.0) -> bool:
        """Answer by a copy of the edge, if there is one that is young enough, or `late_s` over."""
        if copy.record is None:
            return False
        age_s, bound_s = self._age_s(copy, asked), asked.bound_of(key)
        if bound_s is not None and age_s > bound_s + late_s:
            return False
        of, applied = copy.base
        record = shown(copy.record, applied, of, copy.waiting, copy.origin)
        is_stale = bound_s is not None and age_s > bound_s
        self._answer_with(key, record, "edge", age_s, asked, is_stale=is_stale)
        return True

    def _ask_region(self, tag: int, keys: list[str], copies: Copies, asked: Asked) -> None:
        """Answer keys of one tag by the region, and show its rows at the edge."""
        try:
            copies, reply, sent_at_s = self._fetch(tag, keys, copies, asked)
        except UnavailableError:
            for key in keys:
                late_s = asked.rules[key].read.stale_if_error_s or 0.0
                if not self._answer_by(copies[key], key, asked, late_s=late_s):
                    raise
                self._state.tally.stale += 1
            return
        age_s = self._state.runtime.monotonic() - sent_at_s
        for key in keys:
            row, copy = reply.rows.get(key), copies[key]
            if key in reply.corrupt:
                raise damage(key, reply.corrupt[key], row)
            record = None if row is None else row.record
            tier = "cold" if row is not None and row.cold is not None else "regional"
            record = shown(record, reply.applied, copy.current, copy.waiting, copy.origin)
            self._answer_with(key, record, tier, age_s, asked)

    def _fetch(
        self, tag: int, keys: list[str], copies: Copies, asked: Asked
    ) -> tuple[Copies, ReadReply, float]:
        """What waits, the rows as of a number of the identity under which that is, and when."""
        state, link = self._state, self._shared.link
        token = mint_replica_id(state.runtime)
        for _ in range(ATTEMPTS_MAX):
            copies = self._without_earlier(tag, keys, copies, asked)
            current, sent_at_s = copies[keys[0]].current, state.runtime.monotonic()
            fetched_ms = self.lease(keys, token, asked.deadline.renewed())
            if not self._shared.is_of_another(sent_at_s):
                link.clock.heard(fetched_ms, sent_at_s)
            reply = fetch(state, keys, asked.deadline.renewed(), current)
            base = current, reply.applied if current else 0
            unsure = set(reply.rows) - self._fill(reply, base, token, fetched_ms, asked)
            if not unsure or not any(copies[key].waiting for key in unsure):
                return copies, reply, sent_at_s
            again = self._look(keys, asked.deadline.renewed())
            if again[keys[0]].current == current:
                return copies, reply, sent_at_s
            copies = again  # what waited may have been sent under yet another identity
        raise UnavailableError("a queue of the edge keeps changing its identity: try later")

    def _without_earlier(self, tag: int, keys: list[str], copies: Copies, asked: Asked) -> Copies:
        """`copies`, once nothing waits for `keys` under an identity that is not the current one."""
        for _ in range(ATTEMPTS_MAX):
            current = copies[keys[0]].current
            if all(one.replica == current for key in keys for one in copies[key].waiting):
                return copies
            self._state.runtime.sometimes("typed read drained an earlier life")
            self._drain(tag, asked.deadline.renewed())
            copies = self._look(keys, asked.deadline.renewed())
        raise UnavailableError("a queue of the edge keeps changing its identity: try later")

    def lease(self, keys: list[str], token: int, deadline: Deadline) -> int:
        """Put placeholders; the edge's time then, or an earlier one."""
        link = self._shared.link
        try:
            return link.call(lambda edge, timeout_s: edge.lease(keys, token, timeout_s), deadline)
        except OverloadedError:  # nothing will be stored, but it can be read
            return link.clock.there_ms(self._state.runtime.monotonic())

    def _fill(
        self, reply: ReadReply, base: tuple[int, int], token: int, fetched_ms: int, asked: Asked
    ) -> set[str]:
        """Show rows at the edge, for all workers, where there is room; the keys that do now."""
        records = {
            key: row.record
            for key, row in reply.rows.items()
            if key not in reply.corrupt and self._is_kept(key, row.record, asked)
        }
        if not records:
            return set()
        return self._shared.fill(
            (asked.rules[key] for key in records),
            lambda edge, ttl_ms, timeout_s: edge.fill_typed(
                records, base, token, fetched_ms, ttl_ms, timeout_s
            ),
            asked.deadline,
        )

    def _is_kept(self, key: str, record: Record, asked: Asked) -> bool:
        size_bytes = key_size(key) + len(record.payload or b"")
        return self._shared.may_share(asked.rules[key], size_bytes)

    def _answer_with(
        self,
        key: str,
        record: Record | None,
        tier: str,
        age_s: float,
        asked: Asked,
        *,
        is_stale: bool = False,
    ) -> None:
        state = self._state
        if record is None:
            state.tally.absent += 1
            asked.answers[key] = Answer(None, GONE, None, age_s)
            return
        with state.lock:
            state.clock.merge_admitted(max(record.stamp, record.touch))
        value = fold_record(record)
        if not record.is_live(state.now_ms()):
            state.tally.absent += 1
        elif tier != "edge":
            setattr(state.tally, tier, getattr(state.tally, tier) + 1)
        asked.answers[key] = Answer(record, value, tier, age_s, stale=is_stale)
