"""Connecting and registering: who a region is, and who its replicas are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.record import REPLICA_MAX
from tierstore.region.capabilities import Capabilities
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.region.bench import RegionBench
from tierstore.testing.conformance.region.sender import Sender

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness


class Connecting(RegionBench):
    """A region is made once and keeps who it is."""

    def test_what_it_can_do_is_declared_before_it_is_connected_to(self, region: Region) -> None:
        """Capabilities are static; stores need scans in byte order of every region."""
        assert isinstance(region.capabilities, Capabilities)
        assert region.capabilities.ordered_scan

    def test_connecting_creates_the_region(self, region: Region) -> None:
        """There is a region, with an id and a life, as soon as somebody connects."""
        info = region.connect(TIMEOUT_S)
        assert info.region
        assert info.incarnation > 0

    def test_connecting_again_meets_the_same_region(self, region: Region) -> None:
        """`connect` is idempotent."""
        assert region.connect(TIMEOUT_S) == region.connect(TIMEOUT_S)

    def test_any_call_may_be_the_first(self, harness: RegionHarness) -> None:
        """A region is made by whatever call comes first, not by `connect` alone."""
        reply = harness.open().read(["k"], 1, TIMEOUT_S)
        assert (reply.rows, reply.applied) == ({}, 0)
        assert harness.open().connect(TIMEOUT_S).incarnation == reply.incarnation

    def test_another_handle_meets_the_same_region(self, harness: RegionHarness) -> None:
        """What one handle made and wrote, the next one finds."""
        first = Sender(harness.open(), 7, harness.clock)
        first.write("k")
        second = Sender(harness.open(), 8, harness.clock)
        assert second.region.connect(TIMEOUT_S) == first.region.connect(TIMEOUT_S)
        assert second.payloads("k") == {"k": b"k"}

    def test_a_region_is_new_when_it_is_empty(self, sender: Sender) -> None:
        """A new region has no rows, no changes, and nothing for an operator."""
        assert sender.changes(0).changes == []
        assert sender.scan().rows == []
        assert sender.region.aside(10, TIMEOUT_S) == []

    def test_a_restart_keeps_what_is_durable_and_nothing_else(self, harness: RegionHarness) -> None:
        """Durable: same region, same rows, same replicas. Else: another region, and empty."""
        need(harness, "restart")
        before = Sender(harness.open(), 7, harness.clock)
        before.write("k")
        info = before.region.connect(TIMEOUT_S)
        harness.restart()
        region = harness.open()
        known = region.register(7, TIMEOUT_S, False)
        if region.capabilities.durable:
            assert region.connect(TIMEOUT_S) == info
            assert (known.forgotten, known.state.applied) == (False, 1)
            assert region.read(["k"], 7, TIMEOUT_S).rows["k"].record.payload == b"k"
        else:
            assert region.connect(TIMEOUT_S) != info
            assert known.forgotten
            assert region.read(["k"], 7, TIMEOUT_S).rows == {}

    def test_registering_enters_a_replica(self, sender: Sender) -> None:
        """A replica that is new has applied nothing, and is told which region it is in."""
        registration = sender.region.register(9, TIMEOUT_S)
        assert registration.info == sender.region.connect(TIMEOUT_S)
        assert (registration.state.replica, registration.state.applied) == (9, 0)
        assert not registration.forgotten
        assert {state.replica for state in sender.region.replicas(TIMEOUT_S)} == {7, 9}

    def test_registering_again_returns_what_is_known(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """`register` is idempotent, and says up to which batch the region has heard."""
        batch = sender.batch(sender.put("k", b"1"))
        sender.sent(batch)
        first = sender.region.register(7, TIMEOUT_S).state
        clock.advance(5)
        again = sender.region.register(7, TIMEOUT_S).state
        assert (again.applied, again.digest) == (1, batch.digest)
        assert again.registered_ms == first.registered_ms

    def test_only_a_new_replica_is_entered(self, region: Region) -> None:
        """An identity that was forgotten is never entered again by itself."""
        gone = region.register(8, TIMEOUT_S, False)
        assert (gone.forgotten, gone.state.retired) == (True, True)
        assert region.replicas(TIMEOUT_S) == []
        region.register(8, TIMEOUT_S)
        again = region.register(8, TIMEOUT_S, False)
        assert (again.forgotten, again.state.retired) == (False, False)

    def test_a_new_replica_knows_nothing_older(self, sender: Sender) -> None:
        """It has acknowledged the present position, so it holds no floor for what it never had."""
        position = sender.write("a", "b").position
        registration = sender.region.register(9, TIMEOUT_S)
        assert (registration.position, registration.state.acknowledged) == (position, position)

    def test_the_largest_replica_id_is_a_replica(
        self, region: Region, harness: RegionHarness
    ) -> None:
        """Ids have 53 bits, and each of them comes back."""
        sender = Sender(region, REPLICA_MAX, harness.clock)
        sender.write("k")
        assert sender.row("k").record.replica == REPLICA_MAX
        assert [state.replica for state in region.replicas(TIMEOUT_S)] == [REPLICA_MAX]

    def test_every_reply_says_what_time_it_is(self, sender: Sender, clock: ManualRuntime) -> None:
        """Replicas learn their skew from the region's clock in each reply."""
        clock.advance(1.5)
        replies: list[Any] = [
            sender.region.register(7, TIMEOUT_S), sender.write("k"), sender.read("k"),
            sender.changes(0), sender.scan(), sender.region.maintain(10, TIMEOUT_S),
        ]  # fmt: skip
        assert {reply.now_ms for reply in replies} == {now_ms(clock)}

    def test_every_reply_says_which_life_answered(self, sender: Sender) -> None:
        """A replica has to notice a restored region whatever it asks."""
        replies: list[Any] = [
            sender.write("k"), sender.read("k"), sender.changes(0), sender.scan(),
            sender.region.maintain(10, TIMEOUT_S),
        ]  # fmt: skip
        incarnation = sender.region.connect(TIMEOUT_S).incarnation
        assert {reply.incarnation for reply in replies} == {incarnation}
