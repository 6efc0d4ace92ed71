"""States that another region tells of cold sets: they wait, and nothing goes round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.crdt import set as sets
from tierstore.record import ELSEWHERE, SET
from tierstore.region.batch import CHANGE, JOIN
from tierstore.runtime import now_ms
from tierstore.stamp import at_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.peered import PeeringBench, told
from tierstore.testing.conformance.region.waiting import (
    KEY,
    base,
    go_cold,
    held,
    meant,
    put_in,
    state_of_far,
)

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.link import Link
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender


class WaitingStates(PeeringBench):
    """Nobody knows what a join comes to whose other side lies in an object."""

    def test_a_state_of_a_peer_waits(self, mover: Mover, sender: Sender, link: Link) -> None:
        """Under a version that nobody else has, for nobody knows here what it comes to."""
        name = go_cold(sender, mover, "a")
        put_in(sender, "b")
        before = mover.row(KEY)
        state, stamp = sets.encode(state_of_far("far")), sender.stamp(60)
        assert link.join(told(KEY, state, stamp, type=SET, generation=1)).changed == 1
        row = mover.row(KEY)
        assert (row.record.payload, base(mover).pointer.name) == (ELSEWHERE, name)
        assert (row.record.stamp, row.record.replica) == (
            stamp + 1, sender.region.connect(TIMEOUT_S).actor,
        )  # fmt: skip
        assert row.position > before.position
        assert [w.op for w in base(mover).waiting] == [CHANGE, JOIN]
        assert meant(mover) == ["a", "b", "far"]
        assert KEY in mover.due()

    def test_a_state_that_is_known_changes_nothing(
        self, mover: Mover, sender: Sender, link: Link
    ) -> None:
        """That of the object, one that waits, one of the same version: so nothing echoes."""
        go_cold(sender, mover, "a")
        there = mover.meaning(KEY).payload
        state = sets.encode(state_of_far("far"))
        link.join(told(KEY, state, sender.stamp(), type=SET, generation=1))
        row = mover.row(KEY)
        for payload in (there, state):
            again = told(KEY, payload, sender.stamp(60), type=SET, generation=1)
            assert link.join(again).changed == 0
        same = told(KEY, there, row.record.stamp, row.record.replica, type=SET, generation=1)
        assert link.join(same).changed == 0
        assert mover.row(KEY) == row

    def test_of_equal_states_the_higher_version_counts(
        self, mover: Mover, sender: Sender, link: Link
    ) -> None:
        """If that of the object is told and nothing waits, both are known to be equal."""
        go_cold(sender, mover, "a")
        payload, stamp = mover.meaning(KEY).payload, sender.stamp(60)
        assert link.join(told(KEY, payload, stamp, type=SET, generation=1)).changed == 1
        row = mover.row(KEY)
        assert (row.record.stamp, row.record.replica, row.record.payload) == (stamp, 70, ELSEWHERE)
        assert base(mover).waiting == ()
        assert mover.bring_home(KEY) == [KEY]
        assert held(mover) == ["a"]

    def test_states_that_are_told_again_need_no_more_room(
        self, mover: Mover, sender: Sender, link: Link
    ) -> None:
        """What waits last and is a state, takes in the next one."""
        go_cold(sender, mover, "a")
        for number in range(1, 5):
            state = sets.encode(state_of_far(*"wxyz"[:number]))
            link.join(told(KEY, state, sender.stamp(), type=SET, generation=1))
        assert [w.op for w in base(mover).waiting] == [JOIN]
        assert meant(mover) == ["a", "w", "x", "y", "z"]

    def test_a_later_life_that_a_peer_tells_forgets_both(
        self, mover: Mover, sender: Sender, link: Link
    ) -> None:
        """It is here as a whole; one that is over changes nothing."""
        name = go_cold(sender, mover, "a")
        put_in(sender, "b")
        state = sets.encode(state_of_far("far"))
        row = mover.row(KEY)
        assert link.join(told(KEY, state, sender.stamp(), type=SET, generation=0)).changed == 0
        assert mover.row(KEY) == row
        assert link.join(told(KEY, state, sender.stamp(), type=SET, generation=2)).changed == 1
        assert (held(mover), mover.row(KEY).record.generation) == (["far"], 2)
        assert mover.garbage() == [name]

    def test_lifetimes_are_joined_though_the_state_waits(
        self, mover: Mover, sender: Sender, link: Link, clock: ManualRuntime
    ) -> None:
        """The later touch counts."""
        go_cold(sender, mover, "a")
        state = sets.encode(state_of_far("far"))
        lifetime = {"touch": at_ms(now_ms(clock)), "expires_at_ms": 1 << 44}
        link.join(told(KEY, state, sender.stamp(), type=SET, generation=1, **lifetime))
        record = mover.row(KEY).record
        assert (record.touch, record.expires_at_ms) == (lifetime["touch"], 1 << 44)
