"""The n-th I/O fails, loses its reply or ends the process: an object is whole or is not there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.errors import (
    DeadlineExceededError,
    OutcomeUnknownError,
    TierStoreError,
    UnavailableError,
)
from tierstore.region.objects import ByteRange, ObjectExistsError
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.object.bench import (
    PARTS,
    REGION,
    WHOLE,
    Hand,
    ObjectBench,
    whole_or_nothing,
)
from tierstore.testing.conformance.wrecking import wrecked
from tierstore.testing.plan import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.testing.conformance.object.harness import ObjectHarness
    from tierstore.testing.plan import Kind


class ObjectFaults(ObjectBench):
    """Whatever fails in the middle, nothing is half done."""

    @pytest.fixture(params=KINDS)
    def kind(self, request: pytest.FixtureRequest) -> Kind:
        """What happens at the I/O that goes wrong."""
        return cast("Kind", request.param)

    @pytest.fixture
    def frail(self, harness: ObjectHarness, kind: Kind) -> ObjectHarness:
        """The harness, if it can do faults, and the tier survives those of this kind."""
        need(harness, "faults")
        if kind.startswith("crash"):
            need(harness, "restart")
            if not harness.open().capabilities.durable:
                pytest.skip("the tier declares that it is not durable: nothing survives a crash")
        return harness

    def test_an_object_is_put_whole_or_not_at_all(self, frail: ObjectHarness, kind: Kind) -> None:
        """At every I/O of `put`; "nothing happened" is right, and another name works."""
        hand = Hand(frail.open(), frail.clock)
        hand.put([b"another"], region="other")
        names: list[str] = []

        def put() -> None:
            names.append(hand.mint())
            frail.open().put(names[-1], PARTS, TIMEOUT_S)

        for error in wrecked(frail, kind, put):
            is_there = bool(whole_or_nothing(frail, names[-1:], WHOLE))
            assert not (is_there and isinstance(error, UnavailableError))
            again = Hand(frail.open(), frail.clock)
            assert (names[-1] in again.names()) == is_there
            assert again.read(again.put(), (0, 8)) == [WHOLE]

    def test_what_a_put_leaves_can_be_deleted(self, frail: ObjectHarness, kind: Kind) -> None:
        """Wherever it ended: nothing foreign stays, nor anything that no listing tells."""

        def put() -> None:
            hand = Hand(frail.open(), frail.clock)
            hand.put()

        for _ in wrecked(frail, kind, put):
            hand = Hand(frail.open(), frail.clock)
            page = hand.page()
            assert page.foreign == []
            hand.delete(*[info.name for info in page.objects])
            hand.delete(*[leftover.name for leftover in page.leftovers])
            assert frail.raw_names() == set()

    def test_a_put_that_is_repeated_is_done_or_refused(
        self, frail: ObjectHarness, kind: Kind
    ) -> None:
        """After an unknown outcome the same name holds the same object, or none."""
        names: list[str] = []

        def put() -> None:
            hand = Hand(frail.open(), frail.clock)
            names.append(hand.mint())
            hand.objects.put(names[-1], PARTS, TIMEOUT_S)

        for _ in wrecked(frail, kind, put):
            with suppress(ObjectExistsError):
                frail.open().put(names[-1], PARTS, TIMEOUT_S)
            assert frail.raw_object(names[-1]) == WHOLE

    def test_a_delete_that_fails_can_be_repeated(self, frail: ObjectHarness, kind: Kind) -> None:
        """Some may have gone; none of the others, and nothing of one."""
        hand = Hand(frail.open(), frail.clock)
        kept, names = hand.put(), [""]

        def prepare() -> None:
            names[:] = [Hand(frail.open(), frail.clock).put() for _ in range(3)]

        def delete() -> None:
            frail.open().delete(names, TIMEOUT_S)

        for _ in wrecked(frail, kind, delete, prepare):
            whole_or_nothing(frail, names, WHOLE)
            frail.open().delete(names, TIMEOUT_S)
            assert frail.raw_names() == {kept}

    def test_a_read_that_fails_is_a_typed_error(self, frail: ObjectHarness, kind: Kind) -> None:
        """Reads, streams and listings raise "unavailable"; never absence, never half."""
        name = Hand(frail.open(), frail.clock).put()
        calls: list[Callable[[], object]] = [
            lambda: frail.open().read(name, [ByteRange(0, 3), ByteRange(4, 4)], TIMEOUT_S),
            lambda: list(frail.open().stream(name, TIMEOUT_S)),
            lambda: frail.open().list(f"{REGION}/", "", 10, TIMEOUT_S),
        ]
        for call in calls:
            for error in wrecked(frail, kind, call):
                assert error is None or isinstance(error, UnavailableError)
                assert frail.raw_object(name) == WHOLE


class ObjectTrouble(ObjectBench):
    """A backend that does not answer, is full, or takes too long."""

    def test_a_tier_that_does_not_answer_is_unavailable(self, harness: ObjectHarness) -> None:
        """Every call says so; it is never taken for a missing object."""
        need(harness, "unreachable")
        hand = Hand(harness.open(), harness.clock)
        name = hand.put()
        with harness.unreachable():
            calls: list[Callable[[], object]] = [
                lambda: hand.put(),
                lambda: hand.read(name, (0, 1)),
                lambda: hand.stream(name),
            ]
            for call in calls:
                with pytest.raises(UnavailableError):
                    call()
        assert hand.read(name, (0, len(WHOLE))) == [WHOLE]
        assert hand.names() == [name]

    def test_a_full_tier_refuses_and_keeps_what_it_has(self, harness: ObjectHarness) -> None:
        """Typed, whole or not at all; there is room again, and it goes on."""
        need(harness, "full")
        hand = Hand(harness.open(), harness.clock)
        name = hand.put()
        with harness.full():
            with pytest.raises(UnavailableError) as caught:
                hand.put([bytes(1 << 20)])
            assert caught.value.retry == "later"
            assert hand.read(name, (0, len(WHOLE))) == [WHOLE]
        assert harness.raw_names() == {name}
        assert hand.read(hand.put(), (0, 1)) == [b"a"]

    def test_a_put_whose_parts_take_too_long_is_a_deadline(self, harness: ObjectHarness) -> None:
        """And leaves nothing."""
        hand = Hand(harness.open(), harness.clock)

        def parts() -> Iterator[bytes]:
            for part in PARTS:
                harness.clock.sleep(TIMEOUT_S)
                yield part

        _need_clock(hand)
        with pytest.raises(DeadlineExceededError):
            hand.put(parts())
        assert harness.raw_names() == set()

    def test_no_time_is_too_little_time(self, harness: ObjectHarness) -> None:
        """Reads, streams and deletes that have none raise a deadline, and do nothing."""
        hand = Hand(harness.open(), harness.clock)
        name = hand.put()
        _need_clock(hand)
        calls: list[Callable[[], object]] = [
            lambda: hand.objects.read(name, [ByteRange(0, 1)], 0.0),
            lambda: next(hand.objects.stream(name, 0.0)),
            lambda: hand.objects.delete([name], 0.0),
        ]
        for call in calls:
            with pytest.raises(DeadlineExceededError):
                call()
        assert harness.raw_object(name) == WHOLE

    def test_errors_say_what_to_do(self, harness: ObjectHarness) -> None:
        """Each has an outcome and a retry, and a message."""
        need(harness, "unreachable")
        hand = Hand(harness.open(), harness.clock)
        name = hand.put()
        with harness.unreachable(), pytest.raises(TierStoreError) as caught:
            hand.read(name, (0, 1))
        assert not isinstance(caught.value, OutcomeUnknownError)
        assert (caught.value.outcome, caught.value.retry) == ("none", "later")
        assert str(caught.value)


def _need_clock(hand: Hand) -> None:
    """Skip what needs a clock for a tier that declares that it waits for nothing."""
    if not hand.objects.capabilities.durable:
        pytest.skip("the tier is in memory: its calls take no time")
