"""The life of one key among regions and replicas, and the record of all that happened in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierstore.crdt import changes
from tierstore.crdt.pending import Change
from tierstore.record import Record
from tierstore.testing.laws.known import NONE, Did, Known
from tierstore.testing.laws.steps import Delete, Deliver, Do, Look, Script, Send, Touch, Wait

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.testing.laws.steps import Step
    from tierstore.testing.laws.under_test import Events, Operation, TypeUnderTest

ACTOR = 101
"""Of the first region; the others follow."""
ORIGIN = 11
"""Of the first replica; the others follow."""


@dataclass(slots=True)
class Region:
    """What one region has, and had."""

    actor: int
    states: list[tuple[Record | None, Known]] = field(default_factory=lambda: [(None, Known())])

    @property
    def record(self) -> Record | None:
        """What it has now."""
        return self.states[-1][0]

    @property
    def known(self) -> Known:
        """What it knows by the model."""
        return self.states[-1][1]


@dataclass(slots=True)
class Replica:
    """What one replica has seen of its region, and did since it last told it."""

    origin: int
    region: Region
    base: tuple[Record | None, Known] = (None, Known())
    parts: list[Any] = field(default_factory=list)
    done: list[Did] = field(default_factory=list)
    own: Events = NONE
    """All that it ever did."""


@dataclass(frozen=True, slots=True)
class Applied:
    """One change that a region applied."""

    base: Record | None
    """What the replica had seen."""
    shown: Record | None
    """What the replica showed just before."""
    before: Record | None
    parts: tuple[Any, ...]
    """The changes that were sent as one."""
    after: Record | None
    now_ms: int
    origin: int
    actor: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What somebody had, and what it has to be by the model."""

    whose: str
    record: Record | None
    known: Known
    now_ms: int


class Life:
    """A key, and all that happens to it."""

    has_generations = True
    has_one_spelling_of_deltas = True

    def __init__(self, under_test: TypeUnderTest, script: Script) -> None:
        self.under_test = under_test
        self.script = script
        self.regions = [Region(ACTOR + index) for index in range(script.regions)]
        self.replicas = [
            Replica(ORIGIN + index, self.regions[index % script.regions])
            for index in range(script.replicas)
        ]
        self.now_ms = 1000
        self.stamp = 0
        self.applied: list[Applied] = []
        self.readings: list[Reading] = []

    def records(self) -> list[Record]:
        """Every state that some region had."""
        return [
            record
            for region in self.regions
            for record, _ in region.states
            if record is not None
        ]  # fmt: skip

    def join(self, left: Record | None, right: Record) -> Record:
        """What a region makes of two records."""
        return changes.join(left, right)

    def apply(
        self, record: Record | None, change: Any, origin: int, *, actor: int,
        now_ms: int | None = None,
    ) -> Record | None:  # fmt: skip
        """`record` after `change`, which goes over the wire."""
        type_ = self.under_test.type
        payload = None if change.delta is None else type_.encode_delta(change.delta)
        delta = Record(
            0, origin, payload, change.expires_at_ms, change.touch, None, type_.CODE, change.seen
        )  # fmt: skip
        now_ms = self.now_ms if now_ms is None else now_ms
        return changes.change(record, delta, resets=change.resets, now_ms=now_ms, actor=actor)

    def composed(self, parts: Sequence[Any]) -> Any:
        """`parts`, at least one, as one change."""
        change = parts[0]
        for part in parts[1:]:
            change = change.then(part, self.under_test.type)
        return change

    def spelled(self, records: Iterable[Record]) -> list[bytes]:
        """The bytes of their states."""
        return [record.payload for record in records if record.payload is not None]

    def deltas(self) -> list[Any]:
        """All that was sent."""
        parts = [part.delta for applied in self.applied for part in applied.parts]
        return [delta for delta in parts if delta is not None]

    def look(self, record: Record | None) -> Any:
        """What has to be the same of two records that are alike."""
        if record is None or record.payload is None:
            return None
        return self.under_test.type.value(self.under_test.type.decode(record.payload))

    def mark_of(self, record: Record | None) -> tuple[Any, ...]:
        """What lives that go on alike have in common of a record."""
        return () if record is None else (record.payload, record.generation)

    def mark_of_part(self, part: Any) -> tuple[Any, ...]:
        """The same, of a change that waits."""
        return repr(part.delta), part.seen

    def identity(self, record: Record) -> Any:
        """Whose lifetime a record has."""
        return record.generation

    def after(self, operation: Operation, record: Record | None) -> Record | None:
        """`record` after `operation` of a replica that has seen it and comes from far away."""
        if record is None or record.payload is None:
            return record
        type_ = self.under_test.type
        state = type_.decode(record.payload)
        delta = operation.make(type_.decode(record.payload), self.stamp + 1)
        if delta is None:
            return record
        state = type_.apply(state, delta, origin=1, actor=1, is_same_life=True)
        return Record(0, 0, type_.encode(state), type=type_.CODE, generation=record.generation)

    def held_and_wanted(self, record: Record | None, known: Known) -> tuple[Any, Any]:
        """What a record holds of that which the model tells, and what the model tells."""
        under_test = self.under_test
        if record is None or record.payload is None:
            return None, known.remaining() if known.events else None
        if under_test.expected is None:
            return None, None
        return under_test.shows(self.look(record)), under_test.expected(known.remaining())

    def take(self, step: Step) -> None:
        """Let `step` happen."""
        match step:
            case Wait(ms):
                self.now_ms += ms
            case Deliver(source, target, age):
                states = self.regions[source].states
                self._deliver(states[max(0, len(states) - 1 - age)], self.regions[target])
            case Send(index):
                self._send(self.replicas[index])
            case Look(index):
                self.replicas[index].base = self.replicas[index].region.states[-1]
            case Do() | Delete() | Touch():
                self._change(self.replicas[step.replica], step)

    def settle(self) -> None:
        """Let everything be sent and delivered."""
        for replica in self.replicas:
            self._send(replica)
        for source in self.regions:  # the last hears of all the others, then they of it
            for target in self.regions:
                if target is not source:
                    self._deliver(source.states[-1], target)

    def shown(self, replica: Replica) -> Record | None:
        """What `replica` shows: what it has seen, with its own changes on top."""
        record = replica.base[0]
        if not replica.parts:
            return record
        return self.apply(record, self.composed(replica.parts), replica.origin, actor=0)

    def _change(self, replica: Replica, step: Do | Delete | Touch) -> None:
        self.stamp += 1
        if replica.parts and has_expired(self.shown(replica), self.now_ms):
            self._send(replica)  # changes of two lives are not sent as one
        shown, base = self.shown(replica), replica.base[0]
        is_seen = (
            base is not None and base.is_live(self.now_ms)
            and not any(part.resets for part in replica.parts)
        )  # fmt: skip
        seen = base.generation if is_seen and base is not None else 0
        if isinstance(step, Delete):
            replica.parts.append(Change(None, resets=True))
            replica.done.append(Did(resets=True))
        elif isinstance(step, Touch):
            if shown is not None and shown.is_live(self.now_ms):
                expiry = self._expiry(step.ttl_ms)
                change = Change(None, seen=seen, touch=self.stamp, expires_at_ms=expiry)
                replica.parts.append(change)
                replica.done.append(Did(changes=False))
        else:
            self._do(replica, step, shown, seen)
        self._read_replica(replica)

    def _do(self, replica: Replica, step: Do, shown: Record | None, seen: int) -> None:
        type_, operation = self.under_test.type, step.operation
        is_live = shown is not None and shown.is_live(self.now_ms)
        payload = shown.payload if is_live and shown is not None else None
        state = type_.empty() if payload is None else type_.decode(payload)
        delta = operation.make(state, self.stamp)
        if delta is None:
            return
        added = set() if operation.adds is None else {(self.stamp, operation.adds)}
        removed = self._removed(replica, operation) if is_live else NONE
        replica.own |= added
        replica.parts.append(Change(delta, seen=seen, expires_at_ms=self._expiry(step.ttl_ms)))
        replica.done.append(Did(frozenset(added), removed))

    def _removed(self, replica: Replica, operation: Operation) -> Events:
        """Of what is shown that which `operation` removes, and own earlier events like it."""
        if operation.removes is None:
            return NONE
        known = self._known(replica)
        shown = {_kind(what) for what in known.remaining() if operation.removes(what)}
        return frozenset(event for event in known.events | replica.own if _kind(event[1]) in shown)

    def _known(self, replica: Replica) -> Known:
        record, known = replica.base
        return known.after(replica.done, is_over=self._is_over(record))

    def _send(self, replica: Replica) -> None:
        region = replica.region
        if replica.parts:
            shown, before = self.shown(replica), region.record
            change = self.composed(replica.parts)
            after = self.apply(before, change, replica.origin, actor=region.actor)
            after = self._stamped(before, after, region)
            known = region.known.after(replica.done, is_over=self._is_over(before))
            self.applied.append(
                Applied(
                    replica.base[0], shown, before, tuple(replica.parts), after, self.now_ms,
                    replica.origin, region.actor,
                )
            )  # fmt: skip
            replica.parts, replica.done = [], []
            self._store(region, after, known)
        replica.base = region.states[-1]

    def _stamped(
        self, before: Record | None, after: Record | None, region: Region
    ) -> Record | None:
        if after is None or after is before:
            return after
        self.stamp += 1
        return Record(
            self.stamp, region.actor, after.payload, after.expires_at_ms, after.touch, None,
            after.type, after.generation,
        )  # fmt: skip

    def _deliver(self, state: tuple[Record | None, Known], target: Region) -> None:
        record, known = state
        if record is not None:
            self._store(target, self.join(target.record, record), target.known.join(known))

    def _store(self, region: Region, record: Record | None, known: Known) -> None:
        region.states.append((record, known))
        self._read(f"region {self.regions.index(region)}", record, known)

    def _read(self, whose: str, record: Record | None, known: Known) -> None:
        self.readings.append(Reading(whose, record, known, self.now_ms))

    def _read_replica(self, replica: Replica) -> None:
        whose = f"replica {self.replicas.index(replica)}"
        self._read(whose, self.shown(replica), self._known(replica))

    def _is_over(self, record: Record | None) -> bool:
        """Whether the next change of `record` begins a generation, as it has expired."""
        return has_expired(record, self.now_ms)

    def _expiry(self, ttl_ms: int | None) -> int | None:
        return None if ttl_ms is None else self.now_ms + ttl_ms


def has_expired(record: Record | None, now_ms: int) -> bool:
    """Whether the value of `record` is over, other than by deletion."""
    if record is None or record.payload is None or record.expires_at_ms is None:
        return False
    return record.expires_at_ms <= now_ms


def _kind(what: object) -> object:
    """So that 1 and True differ."""
    return type(what), what
