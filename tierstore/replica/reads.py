"""Reads that the resident table alone cannot answer: misses, ages, errors."""

from __future__ import annotations

from tierstore.edge.entry import GONE, fold
from tierstore.edge.making import fold_record
from tierstore.errors import CorruptionError, DeadlineExceededError, UnavailableError
from tierstore.region.damage import damage
from tierstore.replica.cold import fetch
from tierstore.replica.exchange import read_rows
from tierstore.replica.install import install, refresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.protocol import ReadReply
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.fills import Flight
    from tierstore.replica.state import ReplicaState

READ_KEYS_MAX = 1000


class Answer:
    """What a read found and where. `record` None: absent. `age_s` bounds how far it lags.

    `value` is what `edge.entry.fold` makes of the payload, which `record` itself may leave out.
    """

    __slots__ = ("age_s", "record", "stale", "tier", "value")

    is_decided = False
    """Whether somebody with another clock has said that a record here lives."""

    def __init__(
        self,
        record: Record | None,
        value: Any,
        tier: str | None,
        age_s: float,
        *,
        stale: bool = False,
    ) -> None:
        self.record = record
        self.value = value
        self.tier = tier
        self.age_s = age_s
        self.stale = stale


class Arrival:
    """A reply, and what its age and place in the feed mean now. Made under the lock."""

    __slots__ = ("age_s", "is_current", "now_ms", "reply", "sent_at_s")

    def __init__(self, state: ReplicaState, reply: ReadReply, sent_at_s: float) -> None:
        runtime = state.runtime
        self.reply = reply
        self.sent_at_s = sent_at_s
        self.age_s = runtime.monotonic() - sent_at_s
        self.is_current = reply.position >= state.cursor
        self.now_ms = runtime.time_ns() // 1_000_000


class Reader:
    """Answers reads from the edge where allowed, else from the region's directory."""

    def __init__(self, state: ReplicaState) -> None:
        self._state = state

    def resolve(
        self,
        key: str,
        rule: Rule,
        max_age_s: float | None,
        deadline: Deadline,
        *,
        counts: bool = True,
    ) -> Answer:
        """The state of `key`, no older than `max_age_s` and the rule allow.

        Raises UnavailableError if the region is needed and does not answer, CorruptionError if
        the only copies fail their checks.
        """
        state = self._state
        bound_s = max_age_s if max_age_s is not None else rule.read.max_age_s
        while True:
            with state.lock:
                answer = self._local(key, rule, bound_s, counts=counts)
                if answer is not None:
                    return answer
                flight = state.fills.lead(key, counts=counts)
                ticket = 0 if flight is None else state.outbox.begin_request()
                following = None if flight else state.fills.follow(key)
            if flight is not None:
                return self._lead(flight, ticket, rule, bound_s, deadline)
            assert following is not None
            error = _wait(following, deadline, state.policy.timeouts.cold_s)
            if error is not None:
                return self._fall_back(key, rule, bound_s, error)
            deadline = deadline.renewed()

    def resolve_local(
        self, key: str, rule: Rule, max_age_s: float | None, *, counts: bool = True
    ) -> Answer | None:
        """What `resolve` answers if it needs no region, else None. Never waits for a tier."""
        with self._state.lock:
            bound_s = max_age_s if max_age_s is not None else rule.read.max_age_s
            return self._local(key, rule, bound_s, counts=counts)

    def resolve_many(
        self, rules: dict[str, Rule], max_age_s: float | None, deadline: Deadline
    ) -> dict[str, Answer]:
        """`resolve` for several keys, with one request a thousand keys that need the region."""
        answers: dict[str, Answer] = {}
        flights: list[Flight] = []
        try:
            self._depart(rules, max_age_s, answers, flights)
            for start in range(0, len(flights), READ_KEYS_MAX):
                self._fetch(flights[start : start + READ_KEYS_MAX], rules, answers, deadline)
                deadline = deadline.renewed()
        except BaseException as exc:
            self._state.fills.fail(flights, exc, self._state.lock)
            if not isinstance(exc, UnavailableError):
                raise
            for flight in (f for f in flights if f.key not in answers):
                rule = rules[flight.key]
                bound_s = max_age_s if max_age_s is not None else rule.read.max_age_s
                answers[flight.key] = self._fall_back(flight.key, rule, bound_s, exc)
        for key, rule in rules.items():
            if key not in answers:  # another reader's flight
                answers[key] = self.resolve(key, rule, max_age_s, deadline)
        return answers

    def _depart(
        self,
        rules: dict[str, Rule],
        max_age_s: float | None,
        answers: dict[str, Answer],
        flights: list[Flight],
    ) -> None:
        """Answer what needs no region, and lead a flight for what nobody is reading yet."""
        with self._state.lock:
            for key, rule in rules.items():
                bound_s = max_age_s if max_age_s is not None else rule.read.max_age_s
                if (answer := self._local(key, rule, bound_s, counts=True)) is not None:
                    answers[key] = answer
                elif (flight := self._state.fills.lead(key)) is not None:
                    flights.append(flight)

    def _local(self, key: str, rule: Rule, bound_s: float | None, *, counts: bool) -> Answer | None:
        """The answer that needs no region, if there is one. Needs the lock."""
        state = self._state
        if state.corrupt:
            self._refuse_corrupt(key)
        entry = state.edge.resident.get(key)
        if entry is not None:
            age_s = state.age_s(entry)
            if bound_s is not None and age_s > bound_s:
                return None
            entry.reads += counts
            return Answer(entry.outline(), entry.folded(), "edge", age_s)
        outbox = state.outbox
        if bound_s is None and (outbox.frozen or key in outbox.dirty):
            record = outbox.own_state(key)
            if record is not None:
                return Answer(record, fold(record.payload), "edge", float("inf"))
        return None if state.negatives is None else self._known_absent(key, bound_s)

    def _refuse_corrupt(self, key: str) -> None:
        state = self._state
        if key in state.corrupt:
            raise CorruptionError(
                f"key {key!r}: {state.corrupt[key]}; write it again to go on",
                key=key,
                tier="edge",
                object=state.journal.path if state.journal else None,
            )

    def _known_absent(self, key: str, bound_s: float | None) -> Answer | None:
        state = self._state
        fetched_at_s = state.negatives.fetched_at_s(key) if state.negatives is not None else None
        if fetched_at_s is None or key in state.outbox.dirty:
            return None
        age_s = state.runtime.monotonic() - fetched_at_s
        if bound_s is not None and age_s > bound_s:
            return None
        state.tally.negative_hits += 1
        return Answer(None, GONE, None, age_s)

    def _lead(
        self, flight: Flight, ticket: int, rule: Rule, bound_s: float | None, deadline: Deadline
    ) -> Answer:
        """`_fetch` of one key, without the lists that serve many: most misses are of one."""
        state = self._state
        sent_at_s = state.runtime.monotonic()
        try:
            reply = fetch(state, (flight.key,), deadline)
            with state.lock:
                arrival = Arrival(state, reply, sent_at_s)
                answer = self._settle_one(flight, rule, arrival)
                state.outbox.end_request(ticket)
                state.edge.evict(arrival.now_ms)
            return answer
        except BaseException as exc:
            state.fills.fail([flight], exc, state.lock)
            with state.lock:
                state.outbox.end_request(ticket)
            if isinstance(exc, UnavailableError):
                return self._fall_back(flight.key, rule, bound_s, exc)
            raise

    def _fetch(
        self,
        flights: list[Flight],
        rules: dict[str, Rule],
        answers: dict[str, Answer],
        deadline: Deadline,
    ) -> None:
        """Read the flights' keys at the region, install what is current, and answer."""
        try:
            read_rows(
                self._state,
                [flight.key for flight in flights],
                deadline,
                lambda reply, sent_at_s: self._settle(flights, rules, reply, sent_at_s, answers),
                read=fetch,
            )
        except BaseException as exc:
            self._state.fills.fail(flights, exc, self._state.lock)
            raise

    def _settle(
        self,
        flights: list[Flight],
        rules: dict[str, Rule],
        reply: ReadReply,
        sent_at_s: float,
        answers: dict[str, Answer],
    ) -> None:
        arrival = Arrival(self._state, reply, sent_at_s)
        for flight in flights:
            answers[flight.key] = self._settle_one(flight, rules[flight.key], arrival)
        self._state.edge.evict(arrival.now_ms)

    def _settle_one(self, flight: Flight, rule: Rule, arrival: Arrival) -> Answer:
        """Install what came for one flight, if that is current, and answer. Needs the lock."""
        state = self._state
        key, reply = flight.key, arrival.reply
        row = reply.rows.get(key)
        tier = "regional" if row is None or row.cold is None else "cold"
        if reply.corrupt and key in reply.corrupt and state.outbox.own_state(key) is None:
            raise damage(key, reply.corrupt[key], row)
        shown = self._shown(key, None if row is None else row.record, reply.applied)
        if shown is not None and state.outbox.frozen:
            state.outbox.note_shown(key, shown)
        if flight.counts and state.heat is not None:
            state.heat.miss(key, rule)
        entry = None
        if state.fills.land(flight) and arrival.is_current:
            entry = install(state, key, rule, shown, arrival.sent_at_s)
        else:
            state.tally.fills_voided += 1
            if shown is not None:
                refresh(state, key, shown, arrival.sent_at_s, is_current=False)
        if shown is None:
            state.tally.absent += 1
            return Answer(None, GONE, None, arrival.age_s)
        if not shown.is_live(arrival.now_ms):
            state.tally.absent += 1
        elif tier == "cold":
            state.tally.cold += 1
        else:
            state.tally.regional += 1
        value = fold_record(shown) if entry is None else entry.folded()
        return Answer(shown, value, tier, arrival.age_s)

    def _shown(self, key: str, record: Record | None, applied: int) -> Record | None:
        """The row's `record` plus this replica's writes that a reply up to `applied` lacks."""
        state, outbox = self._state, self._state.outbox
        if record is not None:
            state.clock.merge_admitted(
                record.touch if record.touch > record.stamp else record.stamp
            )
            if outbox.held:
                outbox.settle_held(key, record)
        return outbox.overlay(key, record, applied) if outbox.may_overlay(key) else record

    def _fall_back(
        self, key: str, rule: Rule, bound_s: float | None, error: UnavailableError
    ) -> Answer:
        """The copy at hand, if `stale_if_error` allows it while the region is unreachable."""
        state = self._state
        with state.lock:
            entry = state.edge.resident.get(key)
            if entry is not None and bound_s is not None:
                age_s = state.age_s(entry)
                if age_s <= bound_s + (rule.read.stale_if_error_s or 0.0):
                    entry.reads += 1
                    state.runtime.sometimes("stale copy answered")
                    state.tally.stale += 1
                    return Answer(entry.outline(), entry.folded(), "edge", age_s, stale=True)
            state.tally.unavailable += 1
        raise error


def _wait(flight: Flight, deadline: Deadline, cold_s: float) -> UnavailableError | None:
    """Why a flight that somebody else leads gives no answer; None: it landed, look again."""
    try:
        flight.wait(deadline.follow_s(cold_s))
        if flight.error is None and not flight.has_ended:
            deadline.remaining_s()
    except DeadlineExceededError as exc:
        return exc
    return flight.error
