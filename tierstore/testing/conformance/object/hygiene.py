"""What a handle leaves behind and what it tells."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.region.objects import ObjectExistsError, ObjectMissingError
from tierstore.testing.conformance.harness import TIMEOUT_S, need, undeclared
from tierstore.testing.conformance.object.bench import PARTS, WHOLE, Hand, ObjectBench
from tierstore.testing.conformance.telling import told

if TYPE_CHECKING:
    from tierstore.region.objects import ObjectTier
    from tierstore.testing.conformance.object.harness import ObjectHarness


class ObjectHygiene(ObjectBench):
    """Nothing is left open, nothing secret is told."""

    def test_what_the_harness_cannot_do_is_declared(self, harness: ObjectHarness) -> None:
        """A test is skipped for a reason that is written down, or it runs."""
        assert list(undeclared(harness)) == []

    def test_closing_is_idempotent(self, harness: ObjectHarness) -> None:
        """Also of a handle that was never used."""
        unused, used = harness.open(), Hand(harness.open(), harness.clock)
        used.put()
        for objects in (unused, used.objects):
            objects.close()
            objects.close()

    def test_closing_one_handle_leaves_the_others(self, harness: ObjectHarness) -> None:
        """And every object."""
        first, second = (Hand(harness.open(), harness.clock) for _ in range(2))
        name = first.put()
        first.objects.close()
        assert second.read(name, (0, len(WHOLE))) == [WHOLE]

    def test_calls_do_not_pile_up_resources(self, hand: Hand, harness: ObjectHarness) -> None:
        """Whether they succeed, fail or are left in the middle."""
        need(harness, "open_resources")
        name = hand.put()
        hand.stream(name)
        before = harness.open_resources()
        for _ in range(20):
            hand.put()
            hand.stream(name)
            next(hand.objects.stream(name, TIMEOUT_S))
            hand.page()
            with pytest.raises(ObjectExistsError):
                hand.objects.put(name, PARTS, TIMEOUT_S)
            with pytest.raises(ObjectMissingError):
                hand.read(hand.mint(), (0, 1))
        assert harness.open_resources() == before

    def test_closing_releases_everything(self, harness: ObjectHarness) -> None:
        """Connections and files go back to what they were."""
        need(harness, "open_resources")
        before = harness.open_resources()
        for _ in range(5):
            hand = Hand(harness.open(), harness.clock)
            hand.stream(hand.put())
            hand.objects.close()
        assert harness.open_resources() == before

    def test_a_secret_is_never_told(self, harness: ObjectHarness) -> None:
        """Neither by the handle nor by what it raises, to the last cause."""
        need(harness, "open_secret")
        opened, secret = harness.open_secret()
        texts = [repr(opened), str(opened), f"{opened}"]
        if not isinstance(opened, BaseException):
            with pytest.raises(UnavailableError) as caught:
                Hand(cast("ObjectTier", opened), harness.clock).put()
            opened = caught.value
        texts += told(opened)
        assert not [text for text in texts if secret in text]

    def test_errors_survive_pickling(self, hand: Hand) -> None:
        """They cross process boundaries as they are."""
        name = hand.put()
        with pytest.raises(TierStoreError) as caught:
            hand.read(name, (0, 1000))
        copied = copy.copy(caught.value)  # by `__reduce__`, as pickling does
        assert (type(copied), str(copied)) == (type(caught.value), str(caught.value))
        assert copied.object == name  # type: ignore[attr-defined]

    def test_content_is_not_told_by_errors(self, hand: Hand) -> None:
        """What users store is not for logs."""
        name = hand.put([b"a private matter"])
        with pytest.raises(TierStoreError) as caught:
            hand.read(name, (0, 1000))
        assert "private" not in str(told(caught.value))

    def test_a_forked_child_goes_on(self, hand: Hand, harness: ObjectHarness) -> None:
        """Parent and child both write, and both objects are there."""
        need(harness, "fork")
        name, of_the_child = hand.put(), hand.mint()
        child = os.fork()
        if not child:
            status = 1
            try:
                assert hand.read(name, (0, 3)) == [b"abc"]
                hand.objects.put(of_the_child, [b"of the child"], TIMEOUT_S)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        after = hand.put()
        assert set(hand.names()) == {name, of_the_child, after}
