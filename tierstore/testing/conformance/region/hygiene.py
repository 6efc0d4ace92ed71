"""What a handle leaves behind, what it tells, and what it does after its end."""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, cast

import pytest

from tierstore.errors import UnavailableError
from tierstore.region.batch import Batch
from tierstore.testing.conformance.harness import TIMEOUT_S, need, undeclared
from tierstore.testing.conformance.region.bench import RegionBench
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore.testing.conformance.region.sender import Sender
from tierstore.testing.conformance.telling import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import Region


class Hygiene(RegionBench):
    """Nothing is left open, nothing secret is told, nothing of a driver leaves."""

    def test_what_the_harness_cannot_do_is_declared(self, harness: RegionHarness) -> None:
        """A test is skipped for a reason that is written down, or it runs."""
        assert list(undeclared(harness)) == []

    def test_closing_is_idempotent(self, harness: RegionHarness) -> None:
        """Also of a handle that was never used."""
        unused, used = harness.open(), harness.open()
        used.connect(TIMEOUT_S)
        for region in (unused, used):
            region.close()
            region.close()

    def test_closing_one_handle_leaves_the_others(self, harness: RegionHarness) -> None:
        """Each has connections of its own."""
        first, second = harness.open(), harness.open()
        info = second.connect(TIMEOUT_S)
        first.connect(TIMEOUT_S)
        first.close()
        assert second.connect(TIMEOUT_S) == info

    def test_a_closed_handle_is_unavailable(self, harness: RegionHarness) -> None:
        """Every call of it raises the one typed error."""
        need(harness, "closing")
        sender = Sender(harness.open(), 7, harness.clock)
        sender.region.close()
        calls: list[Callable[[], object]] = [
            lambda: sender.region.connect(TIMEOUT_S),
            lambda: sender.region.register(7, TIMEOUT_S),
            lambda: sender.region.apply(sender.batch(), TIMEOUT_S),
            lambda: sender.read("k"),
            lambda: sender.changes(0),
            lambda: sender.scan(),
            lambda: sender.region.maintain(10, TIMEOUT_S),
        ]
        for call in calls:
            with pytest.raises(UnavailableError):
                call()

    def test_closing_releases_everything(self, harness: RegionHarness) -> None:
        """Connections and files go back to what they were, after errors, too."""
        need(harness, "open_resources")
        before = harness.open_resources()
        for _ in range(5):
            sender = Sender(harness.open(), 7, harness.clock)
            sender.write("k")
            sender.scan()
            with pytest.raises(AttributeError):
                sender.region.apply(_Broken(), TIMEOUT_S)
            sender.region.close()
        assert harness.open_resources() == before

    def test_calls_do_not_pile_up_resources(self, harness: RegionHarness) -> None:
        """A hundred calls of one thread need no more than one did."""
        need(harness, "open_resources")
        sender = Sender(harness.open(), 7, harness.clock)
        sender.write("k")
        sender.read("k", "j")
        before = harness.open_resources()
        for _ in range(100):
            sender.write("k")
            sender.read("k", "j")
        assert harness.open_resources() == before

    def test_a_secret_is_never_told(self, harness: RegionHarness) -> None:
        """Neither by the handle nor by what it raises, to the last cause."""
        need(harness, "open_secret")
        opened, secret = harness.open_secret()
        texts = [repr(opened), str(opened), f"{opened}"]
        if not isinstance(opened, BaseException):
            region = cast("Region", opened)
            with pytest.raises(UnavailableError) as caught:
                region.connect(0.2)
            opened = caught.value
        texts += told(opened)
        assert not [text for text in texts if secret in text]

    def test_errors_survive_pickling(self, harness: RegionHarness) -> None:
        """They cross process boundaries as they are."""
        need(harness, "unreachable")
        with harness.unreachable(), pytest.raises(UnavailableError) as caught:
            harness.open().connect(TIMEOUT_S)
        copied = copy.copy(caught.value)  # by `__reduce__`, as pickling does
        assert (type(copied), str(copied)) == (type(caught.value), str(caught.value))
        assert (copied.outcome, copied.retry) == (caught.value.outcome, caught.value.retry)

    def test_payloads_are_not_told_by_errors(self, harness: RegionHarness) -> None:
        """What users store is not for logs."""
        need(harness, "corrupt")
        sender = Sender(harness.open(), 7, harness.clock)
        sender.send(sender.put("k", b"a private matter"))
        harness.corrupt(b"k")
        assert "private" not in str(sender.read("k").corrupt)

    def test_a_forked_child_goes_on_and_leaves_the_parent_alone(
        self, harness: RegionHarness
    ) -> None:
        """It has connections of its own; both write, and both writes are there."""
        need(harness, "fork")
        sender = Sender(harness.open(), 7, harness.clock)
        sender.write("before")
        child = os.fork()
        if not child:
            status = 1
            try:
                Sender(sender.region, 8, harness.clock).write("child")
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        sender.write("after")
        assert set(sender.payloads("before", "child", "after")) == {"before", "child", "after"}


class _Broken(Batch):
    """A batch that cannot be looked at."""

    __slots__ = ()

    def __init__(self) -> None:
        """Without any field."""
