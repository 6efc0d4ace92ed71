"""What regions promise of commits that are sent again: each happens once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S
from tierstore.testing.conformance.region.committer import (
    Committer,
    absent,
    delete,
    has,
    put,
)
from tierstore.testing.conformance.region.committing import CommitBench

if TYPE_CHECKING:
    from tierstore.region.commits import Check, Write
    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime


class Repeating(CommitBench):
    """An operation id lets a commit take effect once."""

    def test_a_commit_that_is_repeated_is_answered_as_before(self, committer: Committer) -> None:
        """With the version of the first, whatever happened since."""
        name = committer.operation()
        first = committer.commit(absent("k"), put("k"), operation_id=name, answer=b"told")
        later = committer.put("k", b"\x02")
        again = committer.commit(absent("k"), put("k"), operation_id=name)
        assert (again.verdict, again.repeated, again.version) == ("committed", True, first.version)
        assert (again.answer, first.repeated) == (b"told", False)
        assert committer.commit(has("k", later)).verdict == "committed"

    def test_an_id_is_of_one_request(self, committer: Committer) -> None:
        """Another under the same id is refused, and changes nothing."""
        name = committer.operation()
        committer.commit(put("k", b"\x01"), operation_id=name)
        others: list[list[Check | Write]] = [
            [put("k", b"\x02")],
            [put("k", b"\x01", 1000)],
            [put("l", b"\x01")],
            [put("k", b"\x01"), absent("m")],
            [put(":k", b"\x01")],
            [put("k", b"\x01", None, a="b")],
            [delete("k")],
        ]
        for items in others:
            assert committer.commit(*items, operation_id=name).verdict == "reused"
        assert (committer.payload("k"), committer.payload("l")) == (b"\x01", None)
        assert committer.commit(put("k", b"\x01"), operation_id=name).repeated

    def test_what_names_a_request_may_be_given(self, committer: Committer) -> None:
        """Then what it checks and writes may differ from one attempt to the next."""
        first = committer.commit(put("k", b"\x01"), operation_id="mine", request=b"pay")
        again = committer.commit(put("k", b"\x02"), operation_id="mine", request=b"pay")
        assert (again.version, again.repeated) == (first.version, True)
        other = committer.commit(put("k", b"\x02"), operation_id="mine", request=b"refund")
        assert other.verdict == "reused"

    def test_a_conflict_is_not_kept(self, committer: Committer) -> None:
        """Nothing has happened, so the same id may still happen."""
        name = committer.operation()
        committer.put("k")
        assert committer.commit(absent("k"), put("k"), operation_id=name).verdict == "conflict"
        committer.commit(delete("k"))
        again = committer.commit(absent("k"), put("k"), operation_id=name)
        assert (again.verdict, again.repeated) == ("committed", False)

    def test_an_id_too_old_to_tell_is_refused(
        self, committer: Committer, region: Region, clock: ManualRuntime
    ) -> None:
        """Never executed again because its record was forgotten."""
        name = committer.operation()
        committer.commit(put("k", b"\x01"), operation_id=name)
        clock.advance(3601)
        for _ in range(2):
            assert committer.commit(put("k", b"\x01"), operation_id=name).verdict == "late"
            assert committer.region.settle(name, TIMEOUT_S).verdict == "late"
            region.maintain(100, TIMEOUT_S)
        assert committer.commit(put("l"), operation_id=committer.operation(3601)).verdict == "late"
        assert committer.payload("l") is None

    def test_an_id_from_the_future_is_refused(self, committer: Committer) -> None:
        """Its record would be kept for as long."""
        far = committer.operation(-3600)
        assert committer.commit(put("k"), operation_id=far).verdict == "early"
        assert committer.payload("k") is None
        assert committer.commit(put("k"), operation_id=committer.operation(-60)).version

    def test_an_id_of_the_callers_holds_for_a_day(
        self, committer: Committer, region: Region, clock: ManualRuntime
    ) -> None:
        """From the commit on; then it is another operation."""
        first = committer.commit(put("k"), operation_id="order/7 ✓")
        clock.advance(DAY_S - 1)
        region.maintain(100, TIMEOUT_S)
        again = committer.commit(put("k"), operation_id="order/7 ✓")
        assert (again.repeated, again.version) == (True, first.version)
        clock.advance(2)
        assert not committer.commit(put("k"), operation_id="order/7 ✓").repeated
        clock.advance(2 * DAY_S)
        region.maintain(100, TIMEOUT_S)
        assert not committer.commit(put("k"), operation_id="order/7 ✓").repeated

    def test_what_has_not_happened_when_it_is_asked_about_never_does(
        self, committer: Committer
    ) -> None:
        """If tierstore made the id; what a caller named may happen still."""
        name = committer.operation()
        for _ in range(2):
            assert committer.region.settle(name, TIMEOUT_S).verdict == "abandoned"
        assert committer.commit(put("k"), operation_id=name).verdict == "late"
        assert committer.payload("k") is None
        assert committer.region.settle("mine", TIMEOUT_S).verdict == "early"
        assert committer.commit(put("k"), operation_id="mine").verdict == "committed"

    def test_what_has_happened_is_told(self, committer: Committer) -> None:
        """With its version and what was kept."""
        for name in (committer.operation(), "mine"):
            done = committer.commit(put("k"), operation_id=name, answer=b"told")
            found = committer.region.settle(name, TIMEOUT_S)
            assert (found.verdict, found.version) == ("committed", done.version)
            assert found.answer == b"told"
