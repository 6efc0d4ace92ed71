"""Regions that were restored from a backup, and how replicas go on there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.region.lives import BATCHES, NOTHING, PEERS, REGAINS
from tierstore.region.outcomes import APPLIED
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.forgetting import edit, shown

if TYPE_CHECKING:
    from tierstore.region.batch import Delta
    from tierstore.region.protocol import Region
    from tierstore.region.rows import ReplicaState
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.harness import RegionHarness
    from tierstore.testing.conformance.region.sender import Sender

GONE = b"gone"


def _begin(region: Region, clock: ManualRuntime, regains: str = BATCHES) -> None:
    clock.advance(1)
    region.reincarnate(TIMEOUT_S, regains)


def _known(region: Region, replica: int) -> ReplicaState:
    return next(state for state in region.replicas(TIMEOUT_S) if state.replica == replica)


def _lost(region: Region) -> list[tuple[int, int]]:
    entries = region.aside(100, TIMEOUT_S)
    return [(entry.replica, entry.number) for entry in entries if entry.kind == "lost"]


def _edits(sender: Sender, other: Sender) -> tuple[Delta, Delta]:
    """One of each, of a document; the second one was made where the first one is shown."""
    from tierstore.crdt import document

    first = edit(sender, document.empty(), 100, title="first")
    change = document.decode_delta(first.record.payload or b"")
    seen = document.apply(document.empty(), change, origin=1, actor=1, is_same_life=True)
    return first, edit(other, seen, 200, title="second")


class Resuming(RegionBench):
    """In a life that regains from batches, replicas go on from what the region has of them."""

    @pytest.mark.parametrize("regains", REGAINS)
    def test_a_life_says_where_it_gets_back_what_it_lacks(
        self, harness: RegionHarness, clock: ManualRuntime, regains: str
    ) -> None:
        """Through every handle, to whoever registers; the first life has nothing to get back."""
        region, other = harness.open(), harness.open()
        assert region.connect(TIMEOUT_S).regains == NOTHING
        clock.advance(1)
        new = region.reincarnate(TIMEOUT_S, regains)
        assert new.regains == regains
        assert other.connect(TIMEOUT_S) == other.register(9, TIMEOUT_S).info == new
        clock.advance(1)
        again = other.reincarnate(TIMEOUT_S)
        assert (again.regains, region.connect(TIMEOUT_S)) == (PEERS, again)

    def test_replicas_keep_their_numbers(
        self, sender: Sender, other: Sender, clock: ManualRuntime
    ) -> None:
        """What is there is repeated, what follows it is applied; who was retired stays so."""
        sent = sender.batch(sender.put("k", b"1"))
        sender.sent(sent)
        sender.region.retire(other.replica, TIMEOUT_S)
        _begin(sender.region, clock)
        assert sender.sent(sent).repeated
        assert sender.write("j").verdict == "applied"
        assert sender.payloads("k", "j") == {"k": b"1", "j": b"j"}
        assert other.write("i").verdict == "retired"

    def test_nobody_was_silent_while_there_was_no_region(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """A backup may be older than the horizon."""
        sender.write("k")
        clock.advance(8 * DAY_S)
        _begin(sender.region, clock)
        assert not sender.region.maintain(100, TIMEOUT_S).retired
        assert sender.write("j").verdict == "applied"

    def test_batches_that_are_gone_are_passed_over_and_listed(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Once, however often that is asked; the next one has to name the last of them."""
        sender.write("k")
        _begin(sender.region, clock)
        for _ in range(2):
            standing = sender.region.resume(7, 1, 4, GONE, TIMEOUT_S)
            assert (standing.state.applied, standing.state.digest) == (4, GONE)
        assert _lost(sender.region) == [(7, 2)]
        assert "2 to 4" in sender.region.aside(10, TIMEOUT_S)[0].reason
        assert sender.write("j").verdict == "fenced"
        sender.number, sender.digest = 4, GONE
        assert sender.write("j").verdict == "applied"
        assert sender.payloads("k", "j") == {"k": b"k", "j": b"j"}
        assert _known(sender.region, 7).applied == 5

    def test_a_replica_that_the_backup_never_knew_is_entered(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Without what it had; it knows nothing older than now."""
        sender.write("k")
        _begin(sender.region, clock)
        standing = sender.region.resume(9, 0, 0, b"", TIMEOUT_S)
        assert (standing.state.retired, standing.forgotten) == (False, False)
        assert standing.state.acknowledged == standing.position
        sender.region.resume(10, 0, 2, GONE, TIMEOUT_S)
        assert (_known(sender.region, 9).applied, _known(sender.region, 10).applied) == (0, 2)
        assert _lost(sender.region) == [(10, 1)]

    def test_a_replica_that_was_retired_lives_again(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Its numbers go on."""
        sender.write("k")
        sender.region.retire(7, TIMEOUT_S)
        _begin(sender.region, clock)
        known = _known(sender.region, 7)
        standing = sender.region.resume(7, known.applied, known.applied, known.digest, TIMEOUT_S)
        assert not standing.state.retired
        assert sender.write("j").verdict == "applied"
        assert not _lost(sender.region)

    @pytest.mark.parametrize(
        ("after", "number", "digest"), [(0, 2, GONE), (2, 3, GONE), (1, 0, b""), (1, 1, GONE)]
    )
    def test_nothing_is_passed_over_but_from_what_is_there(
        self, sender: Sender, clock: ManualRuntime, after: int, number: int, digest: bytes
    ) -> None:
        """Who asks hears what the region has."""
        sender.write("k")
        _begin(sender.region, clock)
        before = _known(sender.region, 7)
        standing = sender.region.resume(7, after, number, digest, TIMEOUT_S)
        assert (standing.state.applied, standing.state.digest) == (1, before.digest)
        assert not _lost(sender.region)
        assert sender.write("j").verdict == "applied"

    @pytest.mark.parametrize("regains", [None, NOTHING, PEERS])
    def test_nothing_is_passed_over_in_another_life(
        self, sender: Sender, clock: ManualRuntime, regains: str | None
    ) -> None:
        """Nor does anybody live again, or come in."""
        sender.write("k")
        if regains is not None:
            _begin(sender.region, clock, regains)
        was_retired = _known(sender.region, 7).retired
        assert was_retired == (regains is not None)
        standing = sender.region.resume(7, 1, 4, GONE, TIMEOUT_S)
        assert (standing.state.applied, standing.state.retired) == (1, was_retired)
        assert sender.region.resume(9, 0, 0, b"", TIMEOUT_S).forgotten
        assert not _lost(sender.region)

    def test_an_edit_that_comes_before_what_it_needs_waits_for_that(
        self, sender: Sender, other: Sender, region: Region
    ) -> None:
        """Who saw the other's edit may be the first to send again what it made on it."""
        first, second = _edits(sender, other)
        assert list(other.send(second).outcomes) == [APPLIED]
        assert region.maintain(100, TIMEOUT_S).released == 0
        assert [(entry.kind, entry.key) for entry in region.aside(9, TIMEOUT_S)] == [("held", "d")]
        assert list(sender.send(first).outcomes) == [APPLIED]
        assert region.maintain(100, TIMEOUT_S).released == 1
        assert region.maintain(100, TIMEOUT_S).released == 0
        assert shown(sender) == {"title": "second"}
        assert region.aside(9, TIMEOUT_S) == []

    def test_an_edit_whose_need_does_not_come_is_left_to_an_operator(
        self, sender: Sender, other: Sender, region: Region, clock: ManualRuntime
    ) -> None:
        """Once whoever made that would have been silent for longer than the horizon."""
        _, second = _edits(sender, other)
        other.send(second)
        clock.advance(8 * DAY_S)
        assert region.maintain(100, TIMEOUT_S).released == 1
        assert [entry.kind for entry in region.aside(9, TIMEOUT_S)] == ["quarantined"]
        assert sender.read("d").rows == {}
