"""States that two regions change: they come to the same, under versions that tell them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.crdt import set as sets
from tierstore.record import COUNTER, DOCUMENT, SET, Record
from tierstore.region.batch import CHANGE, Delta
from tierstore.runtime import now_ms
from tierstore.testing.conformance.region.changing import add, change_set, elements, end, total
from tierstore.testing.conformance.region.link import settle
from tierstore.testing.conformance.region.peered import PeeringBench

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.link import Link
    from tierstore.testing.conformance.region.sender import Sender

    Change: TypeAlias = Callable[[Sender, int], Delta]


def _edit(sender: Sender, number: int) -> Delta:
    """A delta that sets one name of a document."""
    pytest.importorskip("pycrdt", reason="pip install 'tierstore[documents]'")
    from tierstore.crdt import document, guard

    state = document.empty()
    opened = document.open_document(state, sender.replica * 1000 + number)
    mark = document.mark_of(opened, state)
    guard.root_of(opened)[f"{sender.replica}/{number}"] = number
    changes = document.changes_since(opened, mark)
    assert changes is not None
    payload = document.encode_delta(changes)
    return Delta("k", CHANGE, Record(sender.stamp(), sender.replica, payload, type=DOCUMENT))


CHANGES: dict[str, Change] = {
    "register": lambda sender, number: sender.put("k", b"%d/%d" % (sender.replica, number)),
    "counter": lambda sender, number: add(sender, "k", 10**number + sender.replica),
    "set": lambda sender, number: change_set(sender, "k", sets.add([sender.replica, number])),
    "document": _edit,
}


class Uniting(PeeringBench):
    """Whoever changes what, and however pages come."""

    @pytest.mark.parametrize("kind", CHANGES)
    def test_two_regions_come_to_the_same(
        self, link: Link, back: Link, far: Sender, sender: Sender, kind: str
    ) -> None:
        """Whoever changes what, they agree soon, and tell each other nothing any more."""
        change = CHANGES[kind]
        for number in range(4):
            sender.send(change(sender, number))
            if number % 2:
                link.pull()
            far.send(change(far, number))
            self._check_versions(far, sender)
        settle(link, back)
        near, other = sender.row("k").record, far.row("k").record
        assert near == other
        positions = sender.changes(0).position, far.changes(0).position
        settle(back, link)
        assert (sender.changes(0).position, far.changes(0).position) == positions
        if kind == "counter":
            assert total(sender, "k") == sum(2 * 10**number + 7 + 70 for number in range(4))
        if kind == "set":
            assert {*elements(sender, "k")} == {7, 70, 0, 1, 2, 3}

    def _check_versions(self, *senders: Sender) -> None:
        """Who compares versions must notice each difference."""
        found = [record for s in senders for record in (s.row("k").record,)]
        versions = {(record.stamp, record.replica) for record in found}
        assert len(versions) >= len({record.payload for record in found})

    def test_a_state_of_both_has_a_version_of_its_own(
        self, link: Link, back: Link, far: Sender, sender: Sender
    ) -> None:
        """Neither that of one side nor that of the other, and above both."""
        sender.send(add(sender, "k", 1))
        far.send(add(far, "k", 2))
        before = sender.row("k").record, far.row("k").record
        link.pull()
        back.pull()
        near, other = sender.row("k").record, far.row("k").record
        assert near.stamp > max(record.stamp for record in before)
        assert near.payload == other.payload
        settle(link, back)
        assert sender.row("k").record == far.row("k").record

    def test_the_higher_generation_wins_whole(
        self, link: Link, back: Link, far: Sender, sender: Sender
    ) -> None:
        """What was added to the life before is gone with it, on whichever side."""
        sender.send(add(sender, "n", 5), change_set(sender, "s", sets.add(["old"])))
        settle(link, back)
        far.send(end(far, "n"), end(far, "s", SET))
        sender.send(add(sender, "n", 1), change_set(sender, "s", sets.add(["older"])))
        far.send(change_set(far, "s", sets.add(["new"])))
        settle(link, back)
        assert (total(sender, "n"), total(far, "n")) == (None, None)
        assert (elements(sender, "s"), elements(far, "s")) == (["new"], ["new"])
        sender.send(add(sender, "n", 2))
        settle(link, back)
        assert (total(sender, "n"), total(far, "n")) == (2, 2)

    def test_a_life_is_renewed_on_both_sides(
        self, link: Link, back: Link, far: Sender, sender: Sender, clock: ManualRuntime
    ) -> None:
        """The expiry of a counter is the last one that anybody gave it."""
        expires_ms = now_ms(clock) + 10_000
        sender.send(add(sender, "n", 1, expires_at_ms=expires_ms))
        settle(link, back)
        touch = Record(far.stamp(), 70, None, expires_ms + 5000, far.stamp(), type=COUNTER)
        far.send(Delta("n", CHANGE, touch), add(far, "n", 2))
        sender.send(add(sender, "n", 4))
        settle(link, back)
        assert sender.row("n").record == far.row("n").record
        assert sender.row("n").record.expires_at_ms == expires_ms + 5000
        assert total(sender, "n") == 7
