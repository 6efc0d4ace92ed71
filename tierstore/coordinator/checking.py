"""What a commit may ask for, and what the answers other than yes and no mean."""

from __future__ import annotations

from tierstore.errors import (
    ConsistencyMismatchError,
    InvalidArgumentError,
    OutcomeUnknownError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore.region.commits import ANSWER_BYTES_MAX, CELLS_MAX, COMMIT_BYTES_MAX
from tierstore.region.rows import STRONG
from tierstore.units import format_size, shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.errors import TierStoreError
    from tierstore.region.commits import Commit, CommitReply
    from tierstore.region.protocol import ReadReply


def check_commit(commit: Commit) -> None:
    """Raise ValueTooLargeError or InvalidArgumentError unless a commit may be asked for."""
    count = len(set(commit.named()))
    if count > CELLS_MAX:
        raise ValueTooLargeError(
            f"a commit names at most {CELLS_MAX} keys, this one {count}: make several of it"
        )
    size_bytes = commit.size_bytes
    if size_bytes > COMMIT_BYTES_MAX:
        most = format_size(COMMIT_BYTES_MAX)
        raise ValueTooLargeError(f"a commit has at most {most}, this one {size_bytes} bytes")
    if len(commit.answer) > ANSWER_BYTES_MAX:
        raise ValueTooLargeError(
            f"what an operation returns has at most {ANSWER_BYTES_MAX} bytes to be kept,"
            f" not {len(commit.answer)}"
        )
    for items in (commit.checks, commit.writes):
        if len({item.cell for item in items}) != len(items):
            raise InvalidArgumentError("a commit checks and writes each key once")


def refuse_eventual(reply: ReadReply) -> None:
    """Raise ConsistencyMismatchError if one of the rows read was created as an eventual key's."""
    eventual = [key for key, row in reply.rows.items() if row.consistency != STRONG]
    if eventual:
        raise _mismatch(eventual)


def refusal(commit: Commit, reply: CommitReply) -> TierStoreError | None:
    """The error that an answer to `commit` means; None if it is "committed" or a "conflict"."""
    if reply.verdict in ("committed", "conflict"):
        return None
    if reply.verdict == "mismatch":
        return _mismatch([cell.key for cell in reply.conflicts])
    named = shown(commit.operation_id)
    if reply.verdict == "reused":
        return InvalidArgumentError(
            f"the operation id {named} was used for another request: use one for each"
        )
    if reply.verdict == "late":
        return OutcomeUnknownError(
            f"the operation {named} is too old to tell whether it happened, or was abandoned",
            operation_id=commit.operation_id,
        )
    if reply.verdict == "early":
        return UnavailableError("the clock of this machine is ahead of the coordinator's")
    return None


def _mismatch(keys: list[str]) -> ConsistencyMismatchError:
    named = ", ".join(repr(key) for key in keys)
    return ConsistencyMismatchError(
        f"{named} was created as an eventual key: a key keeps its consistency; use another key"
    )
