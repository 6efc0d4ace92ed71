"""Mutants of the coordinator, and of those who ask it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.coordinator import sequences, work
from tierstore.coordinator.leases import Leases
from tierstore.coordinator.near import Near
from tierstore.coordinator.work import Work
from tierstore.record import Record
from tierstore.region import commits, operations
from tierstore.region.commits import EXTEND, PUT, CommitReply, version_of
from tierstore.region.operations import ABANDONED
from tierstore.testing.memory_commits import MemoryCommits
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.strong_worlds import (
    AGES,
    BANK,
    DOUBTED,
    EXPIRING,
    FENCED,
    NAMED,
    NUMBERS,
    PLACES,
    REUSED,
    VERSIONS,
)
from tierstore.testing.simulation.read_committed import ReadCommittedRegion

if TYPE_CHECKING:
    from tierstore.region.commits import Commit


@plants(MemoryCommits, "_known")
def operation_id_skipped(right: Any) -> Any:
    return lambda self, commit: None


@plants(operations, "expiry_ms")
def operation_forgotten_early(right: Any) -> Any:
    return lambda operation_id, now_ms: now_ms


@plants(operations, "digest_request")
def any_request_under_one_id(right: Any) -> Any:
    return lambda commit: b""


@plants(MemoryCommits, "_keep_operation")
def abandoned_not_kept(right: Any) -> Any:
    def keep(self: Any, name: str, digest: bytes, version: Any, answer: bytes = b"") -> None:
        if version != ABANDONED:
            right(self, name, digest, version, answer)

    return keep


@plants(Work, "commit")
def lease_not_checked(right: Any) -> Any:
    def commit(self: Work, operation_id: str) -> Commit:
        made: Commit = right(self, operation_id)
        return replace(made, checks=tuple(c for c in made.checks if c.cell not in self.required))

    return commit


@plants(Work, "commit")
def reads_not_validated(right: Any) -> Any:
    def commit(self: Work, operation_id: str) -> Commit:
        made: Commit = right(self, operation_id)
        return replace(made, checks=tuple(c for c in made.checks if c.cell in self.required))

    return commit


@plants(work, "refuse_changed")
def reads_of_several_moments(right: Any) -> Any:
    return lambda before, now: None


@plants(ReadCommittedRegion, "_locked")
def present_rows_locked_only(right: Any) -> Any:
    def locked(self: Any, commit: Commit) -> list[str]:
        present = {cell.key for cell in commit.cells() if self._row(cell) is not None}
        return [name for name in right(self, commit) if name in present]

    return locked


def _stamped(made: Record, stamp: int) -> Record:
    return Record(stamp, made.replica, made.payload, made.expires_at_ms, made.touch, made.metadata)


@plants(commits, "record_after")
def versions_begun_anew(right: Any) -> Any:
    def record(row: Any, write: Any, now_ms: int, version: Any) -> Any:
        made = right(row, write, now_ms, version)
        is_new = write.op == PUT and (row is None or row.record.payload is None)
        return _stamped(made, 1) if is_new else made

    return record


@plants(MemoryCommits, "_judge")
def versions_from_the_clock(right: Any) -> Any:
    def judged(self: Any, rows: Any, commit: Commit) -> Any:
        self._number = self._now_ms() - 1
        return right(self, rows, commit)

    return judged


@plants(commits, "record_after")
def token_changed_by_renewal(right: Any) -> Any:
    def record(row: Any, write: Any, now_ms: int, version: Any) -> Any:
        made = right(row, write, now_ms, version)
        return _stamped(made, version.number) if write.op == EXTEND else made

    return record


@plants(Leases, "_try")
def taken_counted_from_the_answer(right: Any) -> Any:
    def attempt(self: Any, key: str, ttl_s: float, deadline: Any) -> Any:
        hold = right(self, key, ttl_s, deadline)
        if hold is not None:
            hold.renewed(self._runtime.monotonic())
        return hold

    return attempt


@plants(Leases, "renew")
def renewed_counted_from_the_answer(right: Any) -> Any:
    def renew(self: Any, hold: Any, deadline: Any) -> None:
        right(self, hold, deadline)
        hold.renewed(self._runtime.monotonic())

    return renew


@plants(sequences, "Commit", is_local=True)
def block_not_checked(right: Any) -> Any:
    return lambda checks, writes, operation_id: right((), writes, operation_id)


@plants(Near, "find")
def copies_of_any_age(right: Any) -> Any:
    return lambda self, key, max_age_s: right(self, key, float("inf"))


@plants(commits, "live_version")
def expired_is_live(right: Any) -> Any:
    def version(row: Any, now_ms: int) -> Any:
        return None if row is None or row.record.payload is None else version_of(row)

    return version


@plants(MemoryCommits, "_write_commit")
def conflict_is_committed(right: Any) -> Any:
    def write(self: Any, commit: Commit, judged: Any) -> Any:
        reply = right(self, commit, judged)
        if reply.verdict != "conflict":
            return reply
        return CommitReply("committed", reply.incarnation, reply.now_ms, judged[0])

    return write


MUTANTS = (
    Mutant(
        "operation-id-skipped",
        "carries a commit out again that is sent again under the same operation id.",
        "a retry that pays twice",
        operation_id_skipped, (NAMED,), 1,
    ),
    Mutant(
        "operation-forgotten-early",
        "forgets what became of an operation at once.",
        "a late retry that pays twice",
        operation_forgotten_early, (NAMED,), 0,
    ),
    Mutant(
        "any-request-under-one-id",
        "takes another request under the same operation id for the first one.",
        "a payment that is answered with the receipt of another",
        any_request_under_one_id, (REUSED,), 0,
    ),
    Mutant(
        "abandoned-not-kept",
        "says that an operation is abandoned, and does not keep that.",
        "a commit that happens after its caller was told it never would",
        abandoned_not_kept, (DOUBTED,), 6,
    ),
    Mutant(
        "lease-not-checked",
        "leaves the required lease out of the commit.",
        "a paused holder who overwrites the next one",
        lease_not_checked, (FENCED,), 88,
    ),
    Mutant(
        "reads-not-validated",
        "leaves what a transaction has read out of the commit.",
        "money that is lost between two transfers",
        reads_not_validated, (BANK,), 0,
    ),
    Mutant(
        "reads-of-several-moments",
        "does not look again at what a transaction has read before.",
        "a sum that there never was",
        reads_of_several_moments, (BANK,), 0,
    ),
    Mutant(
        "present-rows-locked-only",
        "locks those keys of a commit only that are present.",
        "write skew over keys that are absent",
        present_rows_locked_only, (PLACES,), 0,
    ),
    Mutant(
        "versions-begun-anew",
        "gives a key that has no value the first version again.",
        "a compare-and-set that takes another value for the one it read",
        versions_begun_anew, (VERSIONS,), 2,
    ),
    Mutant(
        "versions-from-the-clock",
        "takes the version of a commit from the clock.",
        "two writes of one millisecond that nobody can tell apart",
        versions_from_the_clock, (VERSIONS,), 4,
    ),
    Mutant(
        "token-changed-by-renewal",
        "gives a lease that is renewed another token.",
        "a holder who is fenced off from what it holds",
        token_changed_by_renewal, (FENCED,), 0,
    ),
    Mutant(
        "lease-counted-from-the-answer",
        "counts the time of a lease from the answer on, not from the request.",
        "two who both count on one lease",
        both(taken_counted_from_the_answer, renewed_counted_from_the_answer), (FENCED,), 2,
    ),
    Mutant(
        "block-not-checked",
        "reserves a block of a sequence without a check that it is still free.",
        "an order number that is given twice",
        block_not_checked, (NUMBERS,), 0,
    ),
    Mutant(
        "strong-copies-of-any-age",
        "answers with a copy of a strong key that is older than was asked for.",
        "a price of yesterday",
        copies_of_any_age, (AGES,), 0,
    ),
    Mutant(
        "expired-is-live-in-a-check",
        "takes an expired value for a live one when a commit is checked.",
        "a session that is renewed after its end",
        expired_is_live, (EXPIRING,), 0,
    ),
    Mutant(
        "conflict-is-committed",
        "answers a commit that was refused as if it had happened.",
        "a booking that nobody has",
        conflict_is_committed, (VERSIONS,), 0,
    ),
)  # fmt: skip
