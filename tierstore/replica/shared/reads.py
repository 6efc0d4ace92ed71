"""Reads of a worker: its own memory, then the shared edge, then the region.

A copy of the edge is young enough by what was known of the edge's last pull *before* it was asked
for: a pull that ends later may have replaced it meanwhile. What the edge does not have is read at
the region under a placeholder, and shown at the edge for all workers.
"""

from __future__ import annotations

from tierstore.crdt import register
from tierstore.edge.entry import GONE, fold, key_size
from tierstore.errors import (
    TierStoreError,
    UnavailableError,
)
from tierstore.region.damage import damage
from tierstore.region.shared import tag_of
from tierstore.replica.cold import fetch
from tierstore.replica.install import _note_absent
from tierstore.replica.reads import READ_KEYS_MAX, Answer, Reader, _wait
from tierstore.replica.shared.asked import Asked
from tierstore.replica.shared.near import install_near
from tierstore.replica.shared.typed import TypedReader
from tierstore.runtime import mint_replica_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.protocol import ReadReply
    from tierstore.region.shared import Copy
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.asked import Found
    from tierstore.replica.shared.state import SharedState


class SharedReader:
    """Takes the place of a private replica's `Reader`."""

    def __init__(
        self,
        shared: SharedState,
        private: Reader,
        start: Callable[[], None],
        drain: Callable[[int, Deadline], object],
    ) -> None:
        """`start` starts what keeps copies up: who reads the edge's must share that work.

        `drain` brings what waits in a tag's queue to the region.
        """
        self._start = start
        self._drain = drain
        self._shared = shared
        self._state = shared.state
        self._private = private
        self._typed = TypedReader(shared, start, drain)
        shared.resolve_typed = self._resolve_typed

    def resolve(
        self,
        key: str,
        rule: Rule,
        max_age_s: float | None,
        deadline: Deadline,
        *,
        counts: bool = True,
    ) -> Answer:
        """The state of `key`; see `Reader.resolve`.

        Raises UnavailableError, too, if the edge does not answer and may hold what only it knows.
        """
        if rule.index in self._shared.typed:
            asked = Asked({key: rule}, max_age_s, deadline, counts=counts)
            self._typed.answer([key], asked)
            return asked.answers[key]
        state = self._state
        bound_s = max_age_s if max_age_s is not None else rule.read.max_age_s
        while True:
            with state.lock:
                if self._shared.is_private(key, rule):
                    break
                answer = self._private._local(key, rule, bound_s, counts=counts)
                if answer is not None:
                    return answer
                flight = state.fills.lead(key, counts=counts)
                following = None if flight else state.fills.follow(key)
            if flight is not None:
                asked = Asked({key: rule}, max_age_s, deadline, counts=counts)
                asked.flights[key] = flight
                return self._lead(asked)[key]
            assert following is not None
            error = _wait(following, deadline, state.policy.timeouts.cold_s)
            if error is not None:
                raise error
            deadline = deadline.renewed()
        return self._private.resolve(key, rule, max_age_s, deadline, counts=counts)

    def _resolve_typed(self, keys: list[str], deadline: Deadline) -> dict[str, Record | None]:
        asked = Asked({k: self._shared.rule_for(k) for k in keys}, None, deadline, counts=False)
        self._typed.answer(keys, asked)
        return {key: answer.record for key, answer in asked.answers.items()}

    def resolve_local(
        self, key: str, rule: Rule, max_age_s: float | None, *, counts: bool = True
    ) -> Answer | None:
        """What this process's memory answers, else None. Never waits."""
        return self._private.resolve_local(key, rule, max_age_s, counts=counts)

    def resolve_many(
        self, rules: dict[str, Rule], max_age_s: float | None, deadline: Deadline
    ) -> dict[str, Answer]:
        """`resolve` for several keys, with one request a thousand keys to each tier."""
        return self._resolve_all(Asked(rules, max_age_s, deadline))

    def resolve_each(
        self, rules: dict[str, Rule], deadline: Deadline, tell: Callable[[Found], None]
    ) -> None:
        """Tell of several keys what `resolve` returns or raises, as soon as that is known.

        They share requests, but neither the failure of a tier that one of them needs nor, where
        the edge has them, the time that it takes.
        """
        keys = list(rules)
        for start in range(0, len(keys), READ_KEYS_MAX):
            some = {key: rules[key] for key in keys[start : start + READ_KEYS_MAX]}
            with self._state.lock:
                private = {k: r for k, r in some.items() if self._shared.is_private(k, r)}
            shared = {key: rule for key, rule in some.items() if key not in private}
            self._tell_each(Asked(shared, None, deadline.renewed(), tell=tell))
            self._tell_each(Asked(private, None, deadline.renewed(), tell=tell))

    def _tell_each(self, asked: Asked) -> None:
        """Answer together, and what failed once more alone, unless its tier is away as a whole."""
        try:
            asked.tell({**self._resolve_all(asked)})
        except TierStoreError as error:
            asked.tell({**asked.answers})
            again = asked.deadline.again()
            for key in [key for key in asked.rules if key not in asked.answers]:
                is_vain = self._is_away() or again.has_passed()
                asked.tell({key: error if is_vain else self._resolve_alone(key, asked)})

    def _resolve_alone(self, key: str, asked: Asked) -> Answer | TierStoreError:
        try:
            return self.resolve(key, asked.rules[key], asked.bound_s, asked.deadline.again())
        except TierStoreError as error:
            return error

    def _is_away(self) -> bool:
        """Whether all of the edge, or the region, did not answer when it was last asked."""
        link = self._shared.link
        is_edge_away = link.failure is not None and not link.has_lost_part
        return is_edge_away or not self._state.link.reachable

    def _resolve_all(self, asked: Asked) -> dict[str, Answer]:
        state, shared = self._state, self._shared
        rules, deadline = asked.rules, asked.deadline
        private: dict[str, Rule] = {}
        typed: list[str] = []
        with state.lock:
            for key, rule in rules.items():
                if shared.is_private(key, rule):
                    private[key] = rule
                elif rule.index in shared.typed:
                    typed.append(key)
                elif answer := self._private._local(key, rule, asked.bound_of(key), counts=True):
                    asked.answers[key] = answer
                elif (flight := state.fills.lead(key)) is not None:
                    asked.flights[key] = flight
        answers = self._lead(asked)
        self._typed.answer(typed, asked)
        if private:
            answers.update(self._private.resolve_many(private, asked.bound_s, deadline.renewed()))
        for key, rule in rules.items():
            if key not in answers:  # another reader's flight
                answers[key] = self.resolve(key, rule, asked.bound_s, deadline.renewed())
        return answers

    def _lead(self, asked: Asked) -> dict[str, Answer]:
        """Answer the keys of the flights, and end these."""
        flights = asked.flights
        try:
            keys = list(flights)
            for start in range(0, len(keys), READ_KEYS_MAX):
                self._read(keys[start : start + READ_KEYS_MAX], asked)
        except BaseException as exc:
            self._state.fills.fail(list(flights.values()), exc, self._state.lock)
            if isinstance(exc, UnavailableError):
                self._state.tally.unavailable += len(flights)
            raise
        return asked.answers

    def _read(self, keys: list[str], asked: Asked) -> None:
        """Answer `keys` by copies of the edge where these are young enough, else by the region."""
        copies = self._copies(keys, asked)
        missing = [key for key in keys if key not in asked.answers]
        if missing and any(key in copies for key in missing) and self._look_up(asked):
            copies.update(self._copies([key for key in missing if key in copies], asked))
            missing = [key for key in missing if key not in asked.answers]
        if missing:
            asked.tell({**asked.answers})
            self._ask_region(missing, copies, asked)

    def _copies(self, keys: list[str], asked: Asked) -> dict[str, Copy]:
        """What the edge has of `keys`; those that may be answered by it are."""
        shared, state = self._shared, self._state
        pulled_ms = shared.known_pulled_ms
        reply = shared.link.call(lambda edge, timeout_s: edge.read(keys, timeout_s), asked.deadline)
        # Unless another server answered, which may not have seen that pull.
        asked.pulled_ms = min(pulled_ms, shared.known_pulled_ms)
        self._start()
        if reply.damaged:
            self._clear_away(reply.damaged, asked.deadline)
        with state.lock:
            for key, copy in reply.copies.items():
                state.clock.merge_admitted(max(copy.record.stamp, copy.record.touch))
                self._answer_by(copy, key, asked)
            state.edge.evict(state.now_ms())
        return reply.copies

    def _clear_away(self, damaged: Mapping[str, str], deadline: Deadline) -> None:
        """Drop copies that cannot be understood, once the region has what they may have shown."""
        from tierstore.replica.log import log

        self._state.runtime.sometimes("damaged copy at the edge")
        log("warning", "%d copies of the edge are damaged: %s", len(damaged), dict(damaged))
        for tag in sorted({tag_of(key) for key in damaged}):
            self._drain(tag, deadline.renewed())
        keys = sorted(damaged)
        self._shared.link.call(
            lambda edge, timeout_s: edge.withdraw(keys, timeout_s), deadline.renewed()
        )

    def _answer_by(self, copy: Copy, key: str, asked: Asked) -> None:
        """Let `copy` answer, if it is young enough, and keep it near. Needs the lock."""
        state, rule = self._state, asked.rules[key]
        seen_s = self._seen_s(copy, asked)
        age_s, bound_s = state.runtime.monotonic() - seen_s, asked.bound_of(key)
        if bound_s is not None and age_s > bound_s:
            return
        flight = asked.flights[key]
        is_alive = state.fills.land(flight)
        if asked.counts and state.heat is not None:
            state.heat.miss(key, rule)
        if is_alive and self._shared.is_listening:
            install_near(state, key, rule, copy.record, seen_s)
        record = copy.record
        asked.answers[key] = Answer(record, fold(record.payload), "edge", age_s)

    def _seen_s(self, copy: Copy, asked: Asked) -> float:
        """When a copy was compared with the region last, by the clock here."""
        if not copy.fetched_ms:
            return float("-inf")
        return self._shared.link.clock.here_s(max(copy.fetched_ms, asked.pulled_ms))

    def _look_up(self, asked: Asked) -> bool:
        """Learn of the latest pull; whether there is word of a later one than was known."""
        shared = self._shared
        before_ms, sent_at_s = shared.known_pulled_ms, self._state.runtime.monotonic()
        try:
            standing = shared.link.call(
                lambda edge, timeout_s: edge.standing(timeout_s), asked.deadline
            )
        except UnavailableError:
            if not shared.link.has_lost_part:
                raise
            return False
        with self._state.lock:
            shared.heard(standing, sent_at_s)
        return shared.known_pulled_ms > before_ms

    def _ask_region(self, keys: list[str], copies: dict[str, Copy], asked: Asked) -> None:
        """Read `keys` at the region, show them at the edge, and answer."""
        state, shared = self._state, self._shared
        token, sent_at_s = mint_replica_id(state.runtime), state.runtime.monotonic()
        fetched_ms = self._typed.lease(keys, token, asked.deadline)
        if not shared.is_of_another(sent_at_s):
            shared.link.clock.heard(fetched_ms, sent_at_s)
        try:
            reply = fetch(state, keys, asked.deadline.renewed())
        except UnavailableError as exc:
            self._fall_back(keys, copies, asked, exc)
            return
        newer = self._fill(reply, token, fetched_ms, keys, copies, asked)
        with state.lock:
            for key in keys:
                self._settle(key, reply, newer.get(key), sent_at_s, asked)

    def _fill(
        self,
        reply: ReadReply,
        token: int,
        fetched_ms: int,
        keys: list[str],
        copies: dict[str, Copy],
        asked: Asked,
    ) -> dict[str, Copy]:
        """Show what the region said at the edge; the copies there that are newer than that."""
        records = {
            key: row.record
            for key, row in reply.rows.items()
            if key not in reply.corrupt and self._is_kept(key, row.record, asked.rules[key])
        }
        shown = self._store(records, token, fetched_ms, asked) if records else set()
        unkept = {
            key: row.record
            for key, row in reply.rows.items()
            if key in copies and key not in records and key not in reply.corrupt
        }
        self._shared.outdate(unkept, fetched_ms, asked.deadline.renewed())
        doubtful = [key for key in keys if key not in shown and (key in copies or key in records)]
        if not doubtful:
            return {}
        return self._shared.link.call(
            lambda edge, timeout_s: edge.read(doubtful, timeout_s), asked.deadline.renewed()
        ).copies

    def _store(
        self, records: dict[str, Record], token: int, fetched_ms: int, asked: Asked
    ) -> set[str]:
        """The keys whose row shows at the edge now; none where there is no room."""
        return self._shared.fill(
            (asked.rules[key] for key in records),
            lambda edge, ttl_ms, timeout_s: edge.fill(
                records, token, fetched_ms, ttl_ms, timeout_s
            ),
            asked.deadline,
        )

    def _is_kept(self, key: str, record: Record, rule: Rule) -> bool:
        """Whether a row is worth a copy at the edge."""
        size_bytes = key_size(key) + len(record.payload or b"")
        if not self._shared.may_share(rule, size_bytes):
            return False
        heat = self._state.heat
        if heat is None or not heat.is_curious:
            return True
        with self._state.lock:
            return heat.admits(key, rule, size_bytes)

    def _settle(
        self, key: str, reply: ReadReply, copy: Copy | None, sent_at_s: float, asked: Asked
    ) -> None:
        """Answer by what the region said, and by what was written here since. Needs the lock."""
        state, rule = self._state, asked.rules[key]
        row = reply.rows.get(key)
        if key in reply.corrupt and copy is None:
            raise damage(key, reply.corrupt[key], row)
        record = None if row is None else row.record
        if copy is not None:
            record = register.join(record, copy.record)
        is_alive = state.fills.land(asked.flights[key])
        if asked.counts and state.heat is not None:
            state.heat.miss(key, rule)
        age_s = state.runtime.monotonic() - sent_at_s
        if record is None:
            if is_alive and self._shared.is_listening:
                _note_absent(state, key, rule, sent_at_s)
            state.tally.absent += 1
            asked.answers[key] = Answer(None, GONE, None, age_s)
            return
        state.clock.merge_admitted(max(record.stamp, record.touch))
        tier = "cold" if row is not None and row.cold is not None else "regional"
        if not record.is_live(state.now_ms()):
            state.tally.absent += 1
        elif tier == "cold":
            state.tally.cold += 1
        else:
            state.tally.regional += 1
        asked.answers[key] = Answer(record, fold(record.payload), tier, age_s)

    def _fall_back(
        self, keys: list[str], copies: dict[str, Copy], asked: Asked, error: UnavailableError
    ) -> None:
        """Answer by copies that are too old, where `stale_if_error` allows it."""
        state = self._state
        with state.lock:
            for key in keys:
                bound_s = asked.bound_of(key)
                if key not in copies or bound_s is None:
                    raise error
                copy, rule = copies[key], asked.rules[key]
                age_s = state.runtime.monotonic() - self._seen_s(copy, asked)
                if age_s > bound_s + (rule.read.stale_if_error_s or 0.0):
                    raise error
                state.fills.land(asked.flights[key])
                state.tally.stale += 1
                asked.answers[key] = Answer(
                    copy.record, fold(copy.record.payload), "edge", age_s, stale=True
                )
