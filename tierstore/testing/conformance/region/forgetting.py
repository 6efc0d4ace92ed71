"""Sets and documents forget what nobody needs, and nothing that anybody may still say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tierstore.crdt import set as sets
from tierstore.record import DOCUMENT, Record
from tierstore.region.batch import CHANGE, Delta
from tierstore.region.outcomes import APPLIED
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S
from tierstore.testing.conformance.region.changing import change_set, elements
from tierstore.testing.conformance.region.link import settle
from tierstore.testing.conformance.region.peered import PeeringBench
from tierstore.testing.conformance.region.upkeep import maintain

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import Compaction
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.link import Link
    from tierstore.testing.conformance.region.sender import Sender

INSERTS = 200
ADDED: sets.Delta = sets.add(["x"])
DISCARDED: sets.Delta = {"x": (False, sets.SEEN_NOTHING)}
"""Of who does not know yet what his add is called."""


def compacted(sender: Sender, *, is_dry: bool = False, limit: int = 1000) -> Compaction:
    """One step from the first key on."""
    return sender.region.compact("", limit, TIMEOUT_S, is_dry)


def state_of(sender: Sender, key: str = "d") -> Any:
    """The document that a row has."""
    return _documents().decode(sender.row(key).record.payload or b"")


def shown(sender: Sender, key: str = "d") -> Any:
    """What a document shows."""
    return _documents().value(state_of(sender, key))


def edit(sender: Sender, state: Any, client: int, **fields: Any) -> Delta:
    """A delta that sets names of a document, made of `state`."""
    document = _documents()
    from tierstore.crdt.guard import root_of

    opened = document.open_document(state, client)
    mark = document.mark_of(opened, state)
    for name, value in fields.items():
        root_of(opened)[name] = value
    changes = document.changes_since(opened, mark)
    payload = document.encode_delta(changes)
    return Delta("d", CHANGE, Record(sender.stamp(), sender.replica, payload, type=DOCUMENT,
                                     generation=1))  # fmt: skip


def bloated(sender: Sender) -> Any:
    """The state of a document that is mostly history: a list grew from behind, and was emptied."""
    document = _documents()
    from pycrdt import Array

    from tierstore.crdt.guard import root_of

    opened = document.open_document(document.empty(), 1000)
    mark, root = document.mark_of(opened), root_of(opened)
    root["n"], root["list"] = 0, Array()
    for number in range(INSERTS):
        root["list"].insert(0, number)
    root["list"].clear()
    payload = document.encode_delta(document.changes_since(opened, mark))
    record = Record(sender.stamp(), sender.replica, payload, type=DOCUMENT)
    assert list(sender.send(Delta("d", CHANGE, record)).outcomes) == [APPLIED]
    assert document.is_bloated(state_of(sender))
    return state_of(sender)


def _documents() -> Any:
    pytest.importorskip("pycrdt", reason="pip install 'tierstore[documents]'")
    from tierstore.crdt import document

    return document


class Forgetting(PeeringBench):
    """What a region need not know any more, and what it must."""

    def test_a_set_forgets_whose_adds_were_whose(self, sender: Sender, other: Sender) -> None:
        """Once those have left: readers see the same, and the feed tells of another version."""
        sender.send(change_set(sender, "s", sets.add(["x", "y", "z"])))
        other.send(change_set(other, "s", sets.add(["x", "y"])))
        before, position = sender.row("s"), sender.changes(0).position
        assert (compacted(sender).looked, compacted(sender).sets) == (1, 0)
        sender.region.leave(7, TIMEOUT_S)
        sender.region.leave(8, TIMEOUT_S)
        done = compacted(other)
        after = other.row("s")
        assert elements(other, "s") == ["x", "y", "z"]
        assert after.record.stamp > before.record.stamp
        assert [change.key for change in other.changes(position).changes] == ["s"]
        assert (compacted(other).sets, other.row("s")) == (0, after)
        sizes = [len(row.record.payload or b"") for row in (before, after)]
        assert (done.sets, done.freed_bytes) == (1, sizes[0] - sizes[1])
        assert done.freed_bytes > 2  # one dot for each element, whoever added it
        assert after.size == before.size - done.freed_bytes
        assert compacted(other).sets == 0

    def test_a_replica_may_discard_what_it_has_not_seen(
        self, sender: Sender, other: Sender
    ) -> None:
        """Its add is in the region, and what that is called on its way: it knows it as its own."""
        sender.send(change_set(sender, "s", ADDED))
        sender.acknowledge(sender.changes(0).position)
        other.send(change_set(other, "s", sets.add(["y"])))
        other.region.leave(8, TIMEOUT_S)
        assert compacted(sender).sets == 1
        sender.send(change_set(sender, "s", DISCARDED))
        assert elements(sender, "s") == ["y"]

    def test_who_is_retired_discards_nothing_any_more(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """Nor will ever, if it comes back."""
        other.send(change_set(other, "s", ADDED))
        assert compacted(sender).sets == 0
        sender.region.retire(8, TIMEOUT_S)
        assert compacted(sender).sets == 1
        assert other.send(change_set(other, "s", DISCARDED)).verdict == "retired"
        assert elements(sender, "s") == ["x"]

    def test_what_another_region_was_told_only_that_forgets(
        self, link: Link, back: Link, far: Sender, sender: Sender
    ) -> None:
        """Here nobody knows its replicas."""
        far.send(change_set(far, "s", ADDED))
        settle(link, back)
        assert compacted(sender).sets == 0
        far.send(change_set(far, "s", DISCARDED))
        settle(link, back)
        assert (elements(sender, "s"), elements(far, "s")) == ([], [])

    def test_regions_that_forget_come_to_rest(
        self, link: Link, back: Link, far: Sender, sender: Sender, other: Sender
    ) -> None:
        """The other learns what one has forgotten, and neither tells it again."""
        sender.send(change_set(sender, "s", ADDED))
        other.send(change_set(other, "s", sets.add(["y"])))
        settle(link, back)
        sender.region.leave(8, TIMEOUT_S)
        assert compacted(sender).sets == 1
        settle(link, back)
        assert sender.row("s").record == far.row("s").record
        far.send(change_set(far, "s", sets.add(["z"])))
        settle(link, back)
        assert sender.row("s").record == far.row("s").record
        positions = sender.changes(0).position, far.changes(0).position
        settle(back, link)
        assert (sender.changes(0).position, far.changes(0).position) == positions
        sender.send(change_set(sender, "s", DISCARDED))
        settle(link, back)
        assert elements(far, "s") == elements(sender, "s") == ["y", "z"]

    def test_a_document_that_is_mostly_history_is_made_compact(self, sender: Sender) -> None:
        """It shows the same, and copies hear of it."""
        bloated(sender)
        before, position = shown(sender), sender.changes(0).position
        done = compacted(sender)
        assert (done.documents, done.pasts) == (1, 0)
        assert shown(sender) == before
        assert [change.key for change in sender.changes(position).changes] == ["d"]
        assert compacted(sender).documents == 0

    def test_edits_of_what_it_was_are_not_lost(self, sender: Sender, other: Sender) -> None:
        """Whoever had not heard of it made them; and who has goes on beside."""
        before = bloated(sender)
        late = edit(other, before, 7777, n="late", late=1)
        assert compacted(sender).documents == 1
        sender.send(edit(sender, state_of(sender), 8888, new=2))
        assert list(other.send(late).outcomes) == [APPLIED]
        assert shown(sender) == {"n": "late", "list": [], "late": 1, "new": 2}

    def test_the_past_is_forgotten_once_nobody_speaks_of_it(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """All have acknowledged that it is past, and for longer than two horizons it was."""
        bloated(sender)
        compacted(sender)
        position = sender.changes(0).position
        sender.acknowledge(position)
        other.acknowledge(position)
        for _ in range(2):
            clock.advance(6 * DAY_S)
            assert compacted(sender).pasts == 0
            sender.acknowledge(position)
            other.acknowledge(position)
        clock.advance(2 * DAY_S + 121)
        expected, size = shown(sender), len(sender.row("d").record.payload or b"")
        done = compacted(sender)
        assert (done.pasts, shown(sender)) == (1, expected)
        assert [change.key for change in sender.changes(position).changes] == ["d"]
        assert compacted(sender).pasts == 0
        assert len(sender.row("d").record.payload or b"") == size - done.freed_bytes < 100

    def test_the_past_stays_while_somebody_has_not_heard_of_it(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """Who is there, and edits what it holds, may hold it as it was."""
        before = bloated(sender)
        other.acknowledge(sender.changes(0).position)
        compacted(sender)
        sender.acknowledge(sender.changes(0).position)
        for _ in range(3):
            clock.advance(5 * DAY_S)
            other.acknowledge(0)
            sender.acknowledge(0)
        assert maintain(sender).retired == 0
        assert compacted(sender).pasts == 0
        other.send(edit(other, before, 7777, late=1))
        assert shown(sender)["late"] == 1

    def test_two_regions_make_a_document_compact_at_once(
        self, link: Link, back: Link, far: Sender, sender: Sender
    ) -> None:
        """Each what it has, and both hear of edits of both before: none is lost or doubled."""
        before = bloated(sender)
        settle(link, back)
        sender.send(edit(sender, before, 5001, a=1))
        far.send(edit(far, before, 5002, b=2))
        assert (compacted(sender).documents, compacted(far).documents) == (1, 1)
        sender.send(edit(sender, before, 5003, c=3), edit(sender, state_of(sender), 5004, e=5))
        far.send(edit(far, before, 5005, f=6), edit(far, state_of(far), 5006, g=7))
        settle(link, back)
        assert sender.row("d").record == far.row("d").record
        assert shown(sender) == {"n": 0, "list": [], "a": 1, "b": 2, "c": 3, "e": 5, "f": 6, "g": 7}
        positions = sender.changes(0).position, far.changes(0).position
        settle(back, link)
        assert (sender.changes(0).position, far.changes(0).position) == positions

    def test_a_look_changes_nothing(self, sender: Sender, other: Sender) -> None:
        """It tells what a step would do."""
        bloated(sender)
        other.send(change_set(other, "s", ADDED))
        other.region.leave(8, TIMEOUT_S)
        rows, position = sender.rows("d", "s"), sender.changes(0).position
        found = compacted(sender, is_dry=True)
        assert (sender.rows("d", "s"), sender.changes(0).position) == (rows, position)
        done = compacted(sender)
        assert (found.looked, found.sets, found.documents) == (2, 1, 1)
        assert (done.looked, done.sets, done.documents) == (2, 1, 1)

    def test_steps_are_bounded_and_go_through_all_keys(
        self, sender: Sender, other: Sender, new_sender: Callable[[int], Sender]
    ) -> None:
        """Each goes on where the one before says."""
        keys = [f"s/{number}" for number in range(7)]
        other.send(*[change_set(other, key, ADDED) for key in keys])
        sender.write("a", "s/3/register", "z")
        other.region.leave(8, TIMEOUT_S)
        at: str | None = ""
        counts = []
        while at is not None:
            done = sender.region.compact(at, 3, TIMEOUT_S)
            counts.append(done.sets)
            at = done.next_key
        assert (sum(counts), max(counts), len(counts)) == (7, 3, 4)
