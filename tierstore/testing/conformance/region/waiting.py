"""Cold sets and documents: what comes for them waits on their pointer, and is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.crdt import set as sets
from tierstore.record import DOCUMENT, ELSEWHERE, SET, Record
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.region.outcomes import APPLIED, QUARANTINED
from tierstore.region.waiting import WAITING_COUNT_MAX, base_of
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S
from tierstore.testing.conformance.region.changing import add, change_set, end
from tierstore.testing.conformance.region.peered import PeeringBench, told

if TYPE_CHECKING:
    from tierstore.region.waiting import Base
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.link import Link
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender

KEY = "cart/7"


def put_in(sender: Sender, *elements: str, key: str = KEY) -> None:
    """Add elements to a set, a batch each."""
    for element in elements:
        sender.send(change_set(sender, key, sets.add([element]), generation=1))


def go_cold(sender: Sender, mover: Mover, *elements: str, key: str = KEY) -> str:
    """The object to which a set of these elements has gone."""
    put_in(sender, *elements, key=key)
    name, moved = mover.demote(key)
    assert moved == [key]
    return name


def meant(mover: Mover, key: str = KEY) -> list[sets.Element]:
    """The elements that a cold set means."""
    return sets.value(sets.decode(mover.meaning(key).payload))


def held(mover: Mover, key: str = KEY) -> list[sets.Element]:
    """The elements that a set in its row has."""
    return sets.value(sets.decode(mover.row(key).record.payload or b""))


def base(mover: Mover, key: str = KEY) -> Base:
    """What the row of a key holds."""
    return base_of(mover.row(key))


class Waiting(PeeringBench):
    """A cold row means what is in its object, with what waits on top of that."""

    def test_a_change_waits_where_the_state_is_not(self, mover: Mover, sender: Sender) -> None:
        """The row stays cold and points where it did; its version and place in the feed are new."""
        name = go_cold(sender, mover, "a", "b")
        before = mover.row(KEY)
        put_in(sender, "c")
        row = mover.row(KEY)
        assert (row.record.payload, base(mover).pointer.name) == (ELSEWHERE, name)
        assert row.record.stamp > before.record.stamp
        assert row.position > before.position
        assert (row.epoch, row.entered_ms) == (before.epoch, before.entered_ms)
        assert mover.objects()[name].live == 1
        assert meant(mover) == ["a", "b", "c"]

    def test_what_waits_is_kept_with_all_that_it_depends_on(
        self, mover: Mover, sender: Sender, other: Sender
    ) -> None:
        """Whose it is, who takes it, and whether it has seen this life of the key; in order."""
        go_cold(sender, mover, "a")
        here = sender.region.connect(TIMEOUT_S).actor
        payloads = [sets.encode_delta(sets.add([element])) for element in "xyz"]
        for each, payload, generation in zip(
            (sender, other, sender), payloads, (1, 1, 9), strict=True
        ):
            record = Record(each.stamp(), each.replica, payload, type=SET, generation=generation)
            each.send(Delta(KEY, CHANGE, record))
        waiting = [
            (w.op, w.payload, w.origin, w.actor, w.is_same_life) for w in base(mover).waiting
        ]
        assert waiting == [
            (CHANGE, payloads[0], 7, here, True),
            (CHANGE, payloads[1], 8, here, True),
            (CHANGE, payloads[2], 7, here, False),
        ]

    def test_the_object_keeps_the_version_under_which_it_was_written(
        self, mover: Mover, sender: Sender
    ) -> None:
        """Whatever version the row gets, so that a reader knows the object for the right one."""
        put_in(sender, "a")
        record = mover.row(KEY).record
        mover.demote(KEY)
        put_in(sender, "b", "c")
        assert (base(mover).stamp, base(mover).replica) == (record.stamp, record.replica)

    def test_no_dot_is_given_twice(self, mover: Mover, sender: Sender, other: Sender) -> None:
        """What was added while the key was cold has the dots that readers were shown of it."""
        go_cold(sender, mover, "a")
        put_in(sender, "b")
        put_in(other, "c")
        shown = sets.decode(mover.meaning(KEY).payload)
        assert mover.bring_home(KEY) == [KEY]
        put_in(sender, "d")
        state = sets.decode(mover.row(KEY).record.payload or b"")
        assert {e: state.elements[e] for e in "abc"} == shown.elements
        dots = [dot[:2] for of_one in state.elements.values() for dot in of_one]
        assert len(set(dots)) == len(dots) == 4

    def test_reads_and_scans_bring_what_waits(self, mover: Mover, sender: Sender) -> None:
        """Alone, among others, in pages with values and without, and where it is due."""
        go_cold(sender, mover, "a")
        put_in(sender, "b")
        sender.write("other")
        cold = mover.row(KEY).cold
        assert sender.read(KEY, "other").rows[KEY].cold == cold
        (row,) = [row for row in sender.scan().rows if row.key == KEY]
        assert (row.cold, row.record.payload) == (cold, ELSEWHERE)
        assert mover.due()[KEY].cold == cold

    def test_what_waits_comes_home_with_the_key(
        self, mover: Mover, sender: Sender, harness: RegionHarness
    ) -> None:
        """The row has all of it, once, at the place in the feed and the version that it had."""
        name = go_cold(sender, mover, "a", "b")
        put_in(sender, "c")
        state = sets.decode(mover.meaning(KEY).payload)
        sender.send(change_set(sender, KEY, sets.discard(state, ["a"]), generation=1))
        before, payload = mover.row(KEY), mover.meaning(KEY).payload
        assert mover.bring_home(KEY) == [KEY]
        row = mover.row(KEY)
        assert (row.cold, row.record.payload) == (None, payload)
        assert harness.raw_payload(KEY.encode()) == payload
        assert (row.record.stamp, row.record.replica, row.position) == (
            before.record.stamp, before.record.replica, before.position,
        )  # fmt: skip
        assert row.size == len(KEY) + len(payload)
        assert held(mover) == ["b", "c"]
        assert mover.garbage() == [name]

    @pytest.mark.parametrize("way", ["change", "delete", "state"])
    def test_a_switch_never_loses_what_came_meanwhile(
        self, mover: Mover, sender: Sender, link: Link, way: str
    ) -> None:
        """The row is another one by then: it is passed by."""
        go_cold(sender, mover, "a")
        put_in(sender, "b")
        seen = mover.row(KEY)
        if way == "change":
            put_in(sender, "c")
        elif way == "delete":
            sender.send(end(sender, KEY, SET))
        else:
            state = sets.encode(state_of_far("far"))
            link.join(told(KEY, state, sender.stamp(), type=SET, generation=1))
        row = mover.row(KEY)
        assert mover.promote(KEY, b"old", seen=seen) == []
        assert mover.row(KEY) == row

    def test_a_delete_forgets_the_object_and_what_waits(self, mover: Mover, sender: Sender) -> None:
        """The next life of the key begins with nothing; the object is garbage."""
        name = go_cold(sender, mover, "a")
        put_in(sender, "b")
        sender.send(end(sender, KEY, SET))
        row = mover.row(KEY)
        assert (row.record.payload, row.record.generation, row.cold) == (None, 2, None)
        assert mover.garbage() == [name]
        put_in(sender, "c")
        assert held(mover) == ["c"]

    def test_a_delete_and_more_of_a_cold_key_come_as_one_delta(
        self, mover: Mover, sender: Sender
    ) -> None:
        """Nothing of the object, nor of what waits, is in the life that begins."""
        name = go_cold(sender, mover, "a")
        put_in(sender, "b")
        delta = change_set(sender, KEY, sets.add(["c"]))
        sender.send(Delta(KEY, RESET, delta.record))
        assert (held(mover), mover.row(KEY).record.generation) == (["c"], 2)
        assert mover.garbage() == [name]

    def test_the_first_change_after_expiry_forgets_both(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """It begins the next life in its row, and needs no object."""
        name = go_cold(sender, mover, "a")
        put_in(sender, "b")
        self._touch(sender, now_ms(clock) + 1000)
        assert mover.row(KEY).cold is not None
        clock.advance(2)
        put_in(sender, "c")
        assert (held(mover), mover.row(KEY).record.generation) == (["c"], 2)
        assert mover.garbage() == [name]

    def test_a_touch_moves_the_expiry_and_leaves_what_waits(
        self, mover: Mover, sender: Sender
    ) -> None:
        """Of the row, which overrides that of the object; the object is still known for its own."""
        go_cold(sender, mover, "a")
        put_in(sender, "b")
        before = base(mover)
        self._touch(sender, 1 << 44)
        assert mover.row(KEY).record.expires_at_ms == 1 << 44
        assert base(mover) == before
        assert mover.bring_home(KEY) == [KEY]
        assert mover.row(KEY).record.expires_at_ms == 1 << 44

    def test_a_batch_sent_again_waits_once(self, mover: Mover, sender: Sender) -> None:
        """As it would count once."""
        go_cold(sender, mover, "a")
        batch = sender.batch(change_set(sender, KEY, sets.add(["b"]), generation=1))
        for _ in range(2):
            assert sender.region.apply(batch, TIMEOUT_S).verdict == "applied"
        assert len(base(mover).waiting) == 1

    def test_changes_of_one_batch_wait_in_its_order(self, mover: Mover, sender: Sender) -> None:
        """And what a delete among them begins is what later ones apply to."""
        go_cold(sender, mover, "a")
        go_cold(sender, mover, "a", key="l")
        changes = [change_set(sender, KEY, sets.add([e]), generation=1) for e in "bc"]
        also = [change_set(sender, "l", sets.add([e])) for e in "bc"]
        sender.send(*changes, also[0], end(sender, "l", SET), also[1])
        assert [w.payload for w in base(mover).waiting] == [c.record.payload for c in changes]
        assert held(mover, "l") == ["c"]

    def test_what_is_no_change_is_quarantined_at_once(self, mover: Mover, sender: Sender) -> None:
        """It does not wait for the object to be read; what came with it goes on."""
        go_cold(sender, mover, "a")
        before = mover.row(KEY)
        reply = sender.send(
            Delta(KEY, CHANGE, Record(sender.stamp(), 7, b"\xc1", type=SET)),
            add(sender, KEY, 1),
            sender.put("r", b"1"),
        )
        assert list(reply.outcomes) == [QUARANTINED, QUARANTINED, APPLIED]
        assert mover.row(KEY) == before
        assert len(sender.region.aside(10, TIMEOUT_S)) == 2

    def test_what_waited_in_vain_is_kept_aside_when_the_key_comes_home(
        self, mover: Mover, sender: Sender
    ) -> None:
        """Only then can anybody know; once, and the rest of what waited counts."""
        pytest.importorskip("pycrdt", reason="pip install 'tierstore[documents]'")
        from tierstore.testing.conformance.region.uniting import CHANGES

        edit = CHANGES["document"]
        sender.send(edit(sender, 1))
        mover.demote("k")
        first = edit(sender, 2)
        contradiction = _contradiction(sender, first)
        replies = sender.send(first, contradiction, edit(sender, 3))
        assert list(replies.outcomes) == [APPLIED] * 3
        (refused,) = mover.meaning("k").refused
        assert refused[0].payload == contradiction.record.payload
        assert sender.region.aside(10, TIMEOUT_S) == []
        assert mover.bring_home("k") == ["k"]
        (entry,) = sender.region.aside(10, TIMEOUT_S)
        assert (entry.kind, entry.replica, entry.key) == ("quarantined", 7, "k")
        assert "applied" in entry.reason

    def test_much_may_wait_and_is_due(self, mover: Mover, sender: Sender) -> None:
        """No change is refused because many wait; a mover is told to bring the key home."""
        go_cold(sender, mover, "a")
        mover.settle(mover.row(KEY), None)
        elements = [f"e{number}" for number in range(2 * WAITING_COUNT_MAX)]
        changes = [change_set(sender, KEY, sets.add([e]), generation=1) for e in elements]
        assert set(sender.send(*changes).outcomes) == {APPLIED}
        assert base(mover).is_due
        assert KEY in mover.due()
        assert {*meant(mover)} == {"a", *elements}

    def test_counters_never_leave_their_rows(self, mover: Mover, sender: Sender) -> None:
        """Whatever a mover asks for; the others of its object move."""
        sender.send(add(sender, "n", 5))
        put_in(sender, "a")
        name, moved = mover.demote("n", KEY)
        assert moved == [KEY]
        assert mover.row("n").record.payload
        assert mover.objects()[name].live == 1

    def test_sets_are_looked_at_when_they_were_changed(self, mover: Mover, sender: Sender) -> None:
        """By a mover, as registers are; counters need not be."""
        put_in(sender, "a")
        sender.send(add(sender, "n", 5))
        assert mover.due().keys() == {KEY}

    def test_another_life_of_the_region_gives_dots_of_its_own(
        self, mover: Mover, new_sender: object, clock: ManualRuntime
    ) -> None:
        """What waits keeps those of the life in which it came."""
        make = new_sender
        assert callable(make)
        sender = make(7)
        go_cold(sender, mover, "a")
        put_in(sender, "b")
        before = sets.decode(mover.meaning(KEY).payload)
        first = sender.region.connect(TIMEOUT_S).actor
        second = sender.region.reincarnate(TIMEOUT_S).actor
        put_in(make(9), "c")
        assert [w.actor for w in base(mover).waiting] == [first, second]
        state = sets.decode(mover.meaning(KEY).payload)
        assert {e: state.elements[e] for e in "ab"} == before.elements
        assert state.context == {first: 2, second: 1}

    def test_a_dead_row_is_forgotten_with_its_object(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """And with what waited there."""
        name = go_cold(sender, mover, "a")
        put_in(sender, "b")
        self._touch(sender, now_ms(clock) + 1000)
        clock.advance(30 * DAY_S)
        sender.acknowledge(sender.read(KEY).position)
        assert mover.region.maintain(100, TIMEOUT_S).collected == 1
        assert mover.garbage() == [name]

    def _touch(self, sender: Sender, expires_at_ms: int) -> None:
        stamp = sender.stamp()
        record = Record(stamp, 7, None, expires_at_ms, stamp, type=SET, generation=1)
        assert list(sender.send(Delta(KEY, CHANGE, record)).outcomes) == [APPLIED]


def state_of_far(*elements: str) -> sets.State:
    """The set to which another region has added these."""
    state = sets.empty()
    for element in elements:
        state = sets.apply(state, sets.add([element]), origin=70, actor=99, is_same_life=True)
    return state


def _contradiction(sender: Sender, delta: Delta) -> Delta:
    """A change of a document that says something else under the ids of `delta`."""
    payload = delta.record.payload or b""
    changed = payload.replace(b"7/2", b"7/9")
    assert changed != payload
    return Delta("k", CHANGE, Record(sender.stamp(), 7, changed, type=DOCUMENT))
