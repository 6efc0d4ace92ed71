"""A child process that reads mutated wire forms of one type, with limited memory and time.

Arguments: the type, how many of each form, the seed, a file that says which case is tried. Each
case is of its own chance: who adds a form and a number tries that one again.

Every case has to end with a typed error, or with something that is read again as it was written. A
hang ends the process by SIGPROF, memory beyond the limit with MemoryError.
"""

from __future__ import annotations

import json
import mmap
import signal
import sys
from collections import Counter
from contextlib import contextmanager

from mutating import mutated, regrown

from tierstore import record as records
from tierstore.crdt import changes, document, register
from tierstore.errors import (
    CorruptionError,
    DecodingError,
    EncodingError,
    ValueTooLargeError,
)
from tierstore.record import DIGEST_BYTES, REPLICA_MAX, Record, from_fields
from tierstore.region import batch as batches
from tierstore.region.apply import Terms, find_poison, plan_apply
from tierstore.region.batch import CHANGE, PUT, RESET, Delta
from tierstore.region.joining import plan_join
from tierstore.region.outcomes import APPLIED, ASIDE, HELD, QUARANTINED, SUPERSEDED
from tierstore.region.rows import Row
from tierstore.runtime.chance import Chance
from tierstore.stamp import STAMP_MAX, at_ms
from tierstore.testing.laws import SAMPLES, draw_script
from tierstore.testing.laws.living import live
from tierstore.values.msgpack import pack, unpack

MEMORY_BYTES = 512 << 20
CASE_CPU_S = 5.0
SENDER, NOW_MS = 11, 1_800_000_000_000
ACTOR = 101
"""A region's, as in the lives of keys."""
TERMS = Terms(NOW_MS, actor=ACTOR)
TYPED = (DecodingError, CorruptionError)
REFUSALS = (DecodingError, EncodingError, ValueTooLargeError)
"""What a region takes for poison."""


class Forms:
    """Valid forms of one type, made by lives of keys, and what is to be done with mutants."""

    def __init__(self, sample):
        self.sample, self.type = sample, sample.type
        lives = [
            live(sample, draw_script(sample, Chance("wire", sample.name, n), 16)) for n in range(12)
        ]
        found = [record for life in lives for record in life.records()]
        self.records = [r for r in found if r.payload is not None] or found
        self.states = [self.type.encode(s) for s in map(self._state_of, self.records)]
        self.deltas = [self.type.encode_delta(d) for life in lives for d in life.deltas()]
        self.envelopes = [records.encode(record) for record in found]
        self.entries = [self._entry(f"k{n}", n) for n in range(30)]
        self.bodies = [
            batches.freeze(SENDER, n + 1, b"", self.entries[n : n + 4], []).body for n in range(26)
        ]
        self.outcomes = Counter()

    def _state_of(self, record):
        is_register = self.type.CODE == records.REGISTER
        return record if is_register else self.type.decode(record.payload)

    def _entry(self, key, number):
        """A delta as replicas of this type send it."""
        stamp = at_ms(NOW_MS - 1000) + number
        if self.type.CODE == records.REGISTER:
            return Delta(key, PUT, Record(stamp, SENDER, self.records[0].payload))
        payload = self.deltas[number % len(self.deltas)] if number % 5 else None
        op = CHANGE if payload else RESET
        return Delta(key, op, Record(stamp, SENDER, payload, type=self.type.CODE))

    # One case of each form: raises a typed error, or does all that follows.

    def try_state(self, chance):
        payload = self._mutant(chance, self.states)
        state = self.type.decode(payload)
        assert self.type.encode(state) == payload, "a state has two spellings"
        self._follow(chance, state)

    def try_delta(self, chance):
        payload = self._mutant(chance, self.deltas)
        delta = self.type.decode_delta(payload)
        again = self.type.encode_delta(delta)
        assert self.type.decode_delta(again) == delta, "a delta does not come back"
        if self.type.CODE != records.REGISTER:
            assert again == payload, "a delta has two spellings"
        self._apply(chance, delta)

    def try_envelope(self, chance):
        envelope = chance.choice(self.envelopes)
        if chance.random() < 0.5:
            raw = mutated(chance, envelope, self.envelopes)
        else:
            raw = self._sealed(regrown(chance, envelope, self.envelopes))
        record = records.decode(raw)
        assert records.encode(record) == raw, "a record has two envelopes"
        told = Row("k", record)
        known = {"k": Row("k", chance.choice(self.records))}
        for rows in ({}, known):
            self._check_rows(plan_join(rows, [told], TERMS, is_late=False))

    def try_batch(self, chance):
        body = self._mutant(chance, self.bodies)
        batch = batches.decode_batch(body)
        self._check_rows(plan_apply({}, batch, TERMS))

    def try_poisoned_batch(self, chance):
        """One entry of four is a mutant: it alone is kept aside, and counted."""
        number, replica = chance.randrange(26), SENDER
        entries = [unpack(batches.encode_delta(d, replica)) for d in self.entries[number:][:4]]
        at = chance.randrange(4)
        entries[at] = self._poison(chance, entries[at])
        if isinstance(entries[at], list) and entries[at]:
            entries[at][0] = "mutant" if type(entries[at][0]) is str else entries[at][0]
        batch = batches.decode_batch(pack([3, replica, 1, b"", entries, []]))
        plan = plan_apply({}, batch, TERMS)
        self._check_rows(plan)
        others = [outcome for n, outcome in enumerate(plan.outcomes) if n != at]
        assert others == [APPLIED] * 3, "a mutant has harmed its neighbours"
        good = [batches.decode_delta(pack(e), replica) for n, e in enumerate(entries) if n != at]
        alone = plan_apply({}, batches.freeze(replica, 1, b"", good, []), TERMS)
        rows = {key: row for key, row in plan.writes.items() if key != "mutant"}
        assert rows == alone.writes, "a mutant has changed its neighbours"
        if plan.outcomes[at] == QUARANTINED:
            raise DecodingError("quarantined")

    def try_page(self, chance):
        """One row of three is a mutant: it alone is not joined, and counted."""
        rows = [Row(f"k{n}", chance.choice(self.records)) for n in range(3)]
        rows[1] = Row("mutant", self._mutant_record(chance, rows[1].record))
        known = {"mutant": Row("mutant", chance.choice(self.records))}
        plan = plan_join(known if chance.random() < 0.5 else {}, rows, TERMS, is_late=False)
        self._check_rows(plan)
        good = plan_join({}, [rows[0], rows[2]], TERMS, is_late=False)
        assert [plan.outcomes[0], plan.outcomes[2]] == list(good.outcomes)
        written = {key: row for key, row in plan.writes.items() if key != "mutant"}
        assert written == good.writes, "a mutant has changed its neighbours"
        if plan.outcomes[1] == QUARANTINED:
            raise DecodingError("quarantined")

    # Mutants

    def _mutant(self, chance, forms):
        chosen = chance.choice(forms)
        if chance.random() < 0.4:
            return mutated(chance, chosen, forms)
        if self.type is document and len(unpack(chosen)) == 2 and chance.random() < 0.6:
            return self._respelled(chance, chosen)
        return regrown(chance, chosen, forms)

    def _respelled(self, chance, payload):
        """A mutated update as this version would spell it, so that only its meaning is new."""
        format_, update = unpack(payload)
        delta = document.delta_of(mutated(chance, update, [update]))
        return pack([format_, document.update_of(delta)])

    def _sealed(self, raw):
        """An envelope whose digest is right, whatever it says."""
        fields = unpack(raw)
        if not isinstance(fields, list) or len(fields) != 10 or records.find_fault(fields[1:9]):
            return raw
        sealed = from_fields(fields[1:8], fields[8])
        return pack([*fields[:9], records.digest(sealed)[:DIGEST_BYTES]])

    def _poison(self, chance, entry):
        if chance.random() < 0.5 and type(entry[9]) is bytes:
            forms = self.deltas if self.type.CODE != records.REGISTER else [entry[9]]
            return [*entry[:9], mutated(chance, entry[9], forms)]
        return unpack(regrown(chance, pack(entry), [pack(entry)]))

    def _mutant_record(self, chance, record):
        fields, payload = list(record.fields()), record.payload
        kind = chance.random()
        if kind < 0.5 and payload is not None:
            payload = mutated(chance, payload, self.states)
        elif kind < 0.8 and payload is not None and self.type.CODE != records.REGISTER:
            payload = self._mutant(chance, self.states)
        else:
            at = chance.choice((0, 1, 2, 3, 4, 5))
            fields[at] = chance.choice(
                (0, 1, 5, 6, -1, REPLICA_MAX, REPLICA_MAX + 1, STAMP_MAX, STAMP_MAX + 1)
            )
        return from_fields(fields, payload or None)

    # What follows if a mutant is read

    def _follow(self, chance, state):
        """Join it with another both ways, look at it, and apply a change."""
        other = self._state_of(chance.choice(self.records))
        joined = self.type.join(state, other)
        spelled = self.type.encode(joined)
        assert spelled == self.type.encode(self.type.join(other, state)), "joins differ"
        self._check_state(joined)
        self.type.value(state)
        self._apply_to(chance, joined, self.type.decode_delta(chance.choice(self.deltas)))

    def _apply(self, chance, delta):
        if self.type.CODE == records.REGISTER and find_poison(None, delta):
            self.outcomes["quarantined"] += 1
            return
        self._apply_to(chance, self._state_of(chance.choice(self.records)), delta)

    def _apply_to(self, chance, state, delta):
        before = self.type.encode(state)
        for is_same_life in (True, False):
            try:
                after = self.type.apply(
                    self.type.decode(before), delta, origin=SENDER, actor=ACTOR,
                    is_same_life=is_same_life,
                )  # fmt: skip
            except REFUSALS:
                self.outcomes["refused by a state"] += 1
                continue
            self._check_state(after)

    def _check_state(self, state):
        """What came of a mutant and of what is in order can be read, as it was written."""
        spelled = self.type.encode(state)
        with must():
            assert self.type.encode(self.type.decode(spelled)) == spelled
            self.type.value(state)

    def _check_rows(self, plan):
        """What was written can be read, and changed and deleted; all else is counted."""
        kept = sum(outcome in (QUARANTINED, ASIDE) for outcome in plan.outcomes)
        assert len(plan.aside) == kept
        assert len(plan.held) == sum(outcome == HELD for outcome in plan.outcomes)
        assert set(plan.outcomes) <= {APPLIED, SUPERSEDED, QUARANTINED, ASIDE, HELD}
        self.outcomes["quarantined"] += kept
        for row in plan.writes.values():
            self._check_record(row.record)
            if row.record.type == self.type.CODE != records.REGISTER:
                self._go_on(row.record)

    def _go_on(self, record):
        """Let a region change and delete what was written."""
        for payload in (None, self.deltas[0]):
            told = Record(0, SENDER, payload, type=record.type)
            try:
                after = changes.change(
                    record, told, resets=payload is None, now_ms=NOW_MS, actor=ACTOR
                )
            except REFUSALS:
                self.outcomes["refused by a state"] += 1
                continue
            self._check_record(after)
            if after.payload is not None:
                with must():
                    state = self.type.decode(after.payload)
                self._check_state(state)

    def _check_record(self, record):
        with must():
            assert records.decode(records.encode(record)) == record
            assert register.join(record, record) == record


@contextmanager
def must():
    """No refusal counts here: what was let in has to go on."""
    try:
        yield
    except (*TYPED, *REFUSALS) as error:
        raise AssertionError(f"what was let in cannot be used: {error}") from error


def limit_memory():
    """Let this process have so much more memory than it has now."""
    if sys.platform == "linux":
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:
            size_bytes = int(statm.read().split()[0]) * resource.getpagesize()
        limit = size_bytes + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run(name, count, seed, told):
    """Try as many cases of each form; the number of outcomes by form."""
    forms = Forms(SAMPLES[name])
    tries = [attribute for attribute in dir(forms) if attribute.startswith("try_")]
    limit_memory()
    ends = {attempt: Counter() for attempt in tries}
    for number in range(count):
        for attempt in tries:
            told[:64] = f"{name} {attempt} {seed} {number}".ljust(64).encode()
            ends[attempt][try_one(forms, attempt, seed, number)] += 1
    return {**ends, "outcomes": forms.outcomes}


def try_one(forms, attempt, seed, number):
    """Whether a case was "read" or "refused"."""
    chance = Chance("mutants", forms.sample.name, attempt, seed, number)
    signal.setitimer(signal.ITIMER_PROF, CASE_CPU_S)
    try:
        getattr(forms, attempt)(chance)
    except TYPED:
        return "refused"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def main(name, count, seed, path, *only):
    """Print the outcomes as JSON."""
    if only:
        print(try_one(Forms(SAMPLES[name]), only[0], int(seed), int(only[1])))
        return
    with open(path, "w+b") as file:
        file.truncate(64)
        with mmap.mmap(file.fileno(), 64) as told:
            print(json.dumps(run(name, int(count), int(seed), told)))


if __name__ == "__main__":
    main(*sys.argv[1:])
