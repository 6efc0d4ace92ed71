"""The part of `FaultyRegion` that the coordinator's engine uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tierstore.testing.faulty_moves import FaultyCalls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.commits import Commit, CommitReply, Coordinator, PrivateReply


class FaultyCommits(FaultyCalls):
    """The calls of `tierstore.region.commits.Coordinator`, for an inner region that has them."""

    @property
    def _coordinator(self) -> Coordinator:
        return cast("Coordinator", self._inner)

    def commit(self, commit: Commit, timeout_s: float) -> CommitReply:
        """Judge and apply a commit."""
        return self._write("commit", lambda: self._coordinator.commit(commit, timeout_s))

    def peek(self, keys: Sequence[str], timeout_s: float) -> PrivateReply:
        """Private records."""
        return self._read("peek", lambda: self._coordinator.peek(keys, timeout_s))

    def browse(self, prefix: str, after: str, limit: int, timeout_s: float) -> PrivateReply:
        """Private records below a prefix."""
        return self._read(
            "browse", lambda: self._coordinator.browse(prefix, after, limit, timeout_s)
        )

    def settle(self, operation_id: str, timeout_s: float) -> CommitReply:
        """What became of an operation."""
        return self._write("settle", lambda: self._coordinator.settle(operation_id, timeout_s))
