"""Several threads at once on one handle, and several handles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    ObjectExistsError,
    ObjectMissingError,
    ObjectTier,
)
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.object.bench import Hand, ObjectBench
from tierstore.testing.conformance.together import Waiting, outcomes_of, together

if TYPE_CHECKING:
    from tierstore.testing.conformance.object.harness import ObjectHarness

THREADS, EACH = 4, 15


class ConcurrentObjects(ObjectBench):
    """Whoever works at the same time sees whole objects."""

    @pytest.fixture
    def shared(self, harness: ObjectHarness) -> Hand:
        """A hand on a handle that threads share; it waits as the system does."""
        return Hand(harness.open(Waiting(harness.clock)), harness.clock)

    def test_threads_that_put_lose_nothing(self, shared: Hand, harness: ObjectHarness) -> None:
        """Also when they are the first ones and have to make the place."""
        names = [[shared.mint() for _ in range(EACH)] for _ in range(THREADS)]

        def work(own: list[str]) -> None:
            for name in own:
                shared.objects.put(name, [name.encode()], TIMEOUT_S)
                assert shared.read(name, (0, len(name))) == [name.encode()]

        together(*[partial(work, own) for own in names])
        every = {name for own in names for name in own}
        assert harness.raw_names() == every
        assert shared.names() == sorted(every)

    def test_of_several_puts_of_one_name_one_wins(
        self, shared: Hand, harness: ObjectHarness
    ) -> None:
        """With `conditional_put` the others are refused; without it, one of them is there whole."""
        for _ in range(10):
            name = shared.mint()
            wholes = [bytes([number]) * 100_000 for number in range(THREADS)]
            told = outcomes_of(
                [partial(shared.objects.put, name, [whole], TIMEOUT_S) for whole in wholes]
            )
            winners = [whole for whole, found in zip(wholes, told, strict=True) if found is None]
            assert winners
            assert all(found is None or type(found) is ObjectExistsError for found in told)
            if shared.objects.capabilities.conditional_put:
                assert len(winners) == 1
            assert harness.raw_object(name) in winners

    def test_a_reader_sees_all_or_nothing(self, shared: Hand) -> None:
        """Of an object that is put and deleted at the same time."""
        name, size_bytes = shared.mint(), 3 * CHUNK_BYTES_MAX
        done: list[bool] = []

        def write() -> None:
            for _ in range(EACH):
                shared.objects.put(name, [b"x" * CHUNK_BYTES_MAX] * 3, TIMEOUT_S)
                shared.delete(name)
            done.append(True)

        def read() -> None:
            while not done:
                try:
                    (found,) = shared.read(name, (0, size_bytes))
                except ObjectMissingError:
                    continue
                assert found == b"x" * size_bytes

        shared.put()  # so that the region has a place
        together(write, read, read)

    def test_a_listing_beside_puts_finds_what_was_there_before(self, shared: Hand) -> None:
        """Once, in order, whatever comes and goes."""
        stay = sorted(shared.put() for _ in range(10))
        done: list[bool] = []

        def write() -> None:
            for _ in range(EACH):
                shared.delete(shared.put())
            done.append(True)

        def look() -> None:
            while not done:
                found = shared.names(limit=3)
                assert found == sorted(set(found))
                assert set(stay) <= set(found)

        together(write, write, look)

    def test_deleting_at_once_is_no_error(self, shared: Hand, harness: ObjectHarness) -> None:
        """Several sweepers may meet."""
        names = [shared.put() for _ in range(EACH)]
        told = outcomes_of([partial(shared.objects.delete, names, TIMEOUT_S)] * THREADS)
        assert told == [None] * THREADS
        assert harness.raw_names() == set()

    def test_two_handles_are_as_good_as_one(self, harness: ObjectHarness) -> None:
        """Processes share nothing but the backend."""
        handles: list[ObjectTier] = [harness.open(Waiting(harness.clock)) for _ in range(2)]
        hands = [Hand(objects, harness.clock) for objects in handles]
        names = [hands[0].mint() for _ in range(2 * EACH)]

        def work(index: int) -> None:
            for name in names[index::2]:
                hands[index].objects.put(name, [b"x"], TIMEOUT_S)

        together(partial(work, 0), partial(work, 1))
        assert hands[0].names() == hands[1].names() == sorted(names)
