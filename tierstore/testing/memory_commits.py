"""The part of `MemoryRegion` that decides about strong keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.commits import (
    DATA,
    PRIVATE,
    Cell,
    Commit,
    CommitReply,
    PrivateReply,
    Version,
    plan_commit,
)
from tierstore.region.operations import ABANDONED, Operation, digest_request, expiry_ms, judge
from tierstore.region.operations import settle as settle_operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tierstore.region.apply import Terms
    from tierstore.region.commits import CommitPlan
    from tierstore.region.rows import RegionInfo, Row
    from tierstore.runtime import Lock


class MemoryCommits:
    """Commits, private records and operations, in dicts."""

    rows: dict[str, Row]
    _lock: Lock
    _info: RegionInfo
    _now_ms: Callable[[], int]
    _terms: Callable[[], Terms]
    _place: Callable[[Row], Row]
    _release: Callable[[Iterable[str]], None]

    def __init__(self) -> None:
        self._number = 0
        self._private: dict[str, Row] = {}
        self._operations: dict[str, Operation] = {}

    def commit(self, commit: Commit, timeout_s: float) -> CommitReply:
        """Judge and apply a commit."""
        with self._lock:
            answer = self._known(commit)
            if answer is not None:
                return answer
            return self._write_commit(commit, self._judge(self._cells(commit), commit))

    def _known(self, commit: Commit) -> CommitReply | None:
        """What its operation id says of a commit; None if it is to be carried out."""
        if not commit.operation_id:
            return None
        found = self._operations.get(commit.operation_id)
        return judge(found, commit, self._info.incarnation, self._now_ms())

    def _cells(self, commit: Commit) -> dict[Cell, Row]:
        """Those of its cells that exist."""
        return {cell: row for cell in commit.cells() if (row := self._row(cell)) is not None}

    def _judge(self, rows: dict[Cell, Row], commit: Commit) -> tuple[Version, CommitPlan]:
        """What a commit does to these rows, and the version that it gives."""
        self._number += 1
        version = Version(self._info.incarnation, self._number)
        return version, plan_commit(rows, commit, self._terms(), version)

    def _write_commit(self, commit: Commit, judged: tuple[Version, CommitPlan]) -> CommitReply:
        """Carry out what was judged, and keep what became of the operation."""
        version, plan = judged
        now_ms, incarnation = self._now_ms(), self._info.incarnation
        if plan.verdict != "committed":
            return CommitReply(plan.verdict, incarnation, now_ms, conflicts=plan.conflicts)
        self._carry_out(plan)
        if commit.operation_id:
            digest = digest_request(commit)
            self._keep_operation(commit.operation_id, digest, version, commit.answer)
        return CommitReply("committed", incarnation, now_ms, version)

    def peek(self, keys: Sequence[str], timeout_s: float) -> PrivateReply:
        """Private records."""
        with self._lock:
            return self._private_reply(key for key in keys if key in self._private)

    def browse(self, prefix: str, after: str, limit: int, timeout_s: float) -> PrivateReply:
        """Private records below a prefix."""
        with self._lock:
            keys = sorted(key for key in self._private if key.startswith(prefix) and key > after)
            now_ms = self._now_ms()
            live = [key for key in keys if self._private[key].record.is_live(now_ms)]
            return self._private_reply(live[:limit])

    def settle(self, operation_id: str, timeout_s: float) -> CommitReply:
        """What became of an operation, which from now on is certain if its id was made."""
        with self._lock:
            found = self._operations.get(operation_id)
            now_ms, incarnation = self._now_ms(), self._info.incarnation
            reply = settle_operation(found, operation_id, incarnation, now_ms)
            if reply.verdict == "abandoned" and found is None:
                self._keep_operation(operation_id, b"", ABANDONED)
            return reply

    def _row(self, cell: Cell) -> Row | None:
        return (self.rows if cell.space == DATA else self._private).get(cell.key)

    def _carry_out(self, plan: CommitPlan) -> None:
        for cell, row in plan.writes.items():
            if cell.space == PRIVATE:
                self._private[cell.key] = row
            else:
                self.rows[cell.key] = self._place(row)
        for cell in plan.removed:
            self._private.pop(cell.key, None)
        self._release(plan.released)

    def _keep_operation(
        self, operation_id: str, digest: bytes, version: Version, answer: bytes = b""
    ) -> None:
        expires_ms = expiry_ms(operation_id, self._now_ms())
        self._operations[operation_id] = Operation(digest, version, expires_ms, answer)

    def _forget_operations(self, now_ms: int) -> None:
        """Forget what is over: operations whose record has expired, and private records."""
        over = [name for name, found in self._operations.items() if found.expires_ms < now_ms]
        for name in over:
            del self._operations[name]
        dead = [key for key, row in self._private.items() if not row.record.is_live(now_ms)]
        for key in dead:
            del self._private[key]

    def _private_reply(self, keys: Iterable[str]) -> PrivateReply:
        now_ms = self._now_ms()
        rows = {key: self._private[key] for key in keys}
        live = {key: row for key, row in rows.items() if row.record.is_live(now_ms)}
        return PrivateReply(self._info.incarnation, now_ms, live)
