"""The verbs of a store on strong keys: one commit each, or one read at the coordinator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.coordinator.leases import Leases
from tierstore.coordinator.near import Near
from tierstore.coordinator.sequences import Sequences
from tierstore.coordinator.work import conflict
from tierstore.edge.entry import GONE
from tierstore.edge.making import fold_record
from tierstore.errors import ConsistencyMismatchError, LeaseLostError
from tierstore.region.commits import DATA, DELETE, EXTEND, PRIVATE, Cell, Check, Commit, Write
from tierstore.region.operations import check_name
from tierstore.replica.reads import READ_KEYS_MAX, Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.coordinator.central import Central
    from tierstore.coordinator.near import Copy
    from tierstore.errors import TierStoreError
    from tierstore.policy.model import Rule
    from tierstore.region.commits import CommitReply, Version
    from tierstore.region.deadline import Deadline
    from tierstore.region.rows import Row
    from tierstore.replica.write import Write as Put
    from tierstore.runtime import Runtime
    from tierstore.store.results import Outcome

OUTCOMES: dict[str, Outcome] = {"committed": "applied", "abandoned": "abandoned"}
NEAR_SHARE = 16
"""Copies of strong keys get this part of what the edge has."""


class Decided(Answer):
    """An answer whose record lives by the coordinator's clock."""

    __slots__ = ()
    is_decided = True


class Strong:
    """What the verbs of one store's views ask of the coordinator."""

    def __init__(
        self, central: Central, runtime: Runtime, edge_bytes: int, timeout_s: float
    ) -> None:
        self.central = central
        self._runtime = runtime
        self._near = Near(runtime, edge_bytes // NEAR_SHARE)
        self.leases = Leases(central, runtime, timeout_s)
        self.sequences = Sequences(central, runtime)

    # Reading

    def answer(self, key: str, max_age_s: float | None, deadline: Deadline) -> Answer:
        """The state of `key`: the present one, or a copy no older than `max_age_s`."""
        return self.answers([key], max_age_s, deadline)[key]

    def answers(
        self, keys: Sequence[str], max_age_s: float | None, deadline: Deadline
    ) -> dict[str, Answer]:
        """`answer` for several keys, those that have to be asked for by one request a thousand."""
        if max_age_s is None:
            return self._ask(keys, deadline)
        found: dict[str, Answer] = {}
        for key in keys:
            copy = self._near.find(key, max_age_s)
            if copy is not None:
                self.central.figures.near_hits += 1
                found[key] = self._shown(copy)
        rest = [key for key in keys if key not in found]
        if rest:
            self._near.expect(rest)
            try:
                found |= self._ask(rest, deadline)
            finally:
                self._near.expect_no_more(rest)
        return found

    def _ask(self, keys: Sequence[str], deadline: Deadline) -> dict[str, Answer]:
        """The present states of `keys`."""
        found: dict[str, Answer] = {}
        for start in range(0, len(keys), READ_KEYS_MAX):
            sent_s = self._runtime.monotonic()
            rows = self.central.read_live(keys[start : start + READ_KEYS_MAX], deadline)
            self._near.note(rows, sent_s)
            found |= {key: _answer(row, "regional", 0.0) for key, row in rows.items()}
            deadline = deadline.renewed()
        return found

    def _shown(self, copy: Copy) -> Answer:
        """A copy as it is now: it may have expired meanwhile."""
        row = copy.row
        if row is not None and not row.record.is_live(self.central.now_ms()):
            row = None
        return _answer(row, "edge", self._runtime.monotonic() - copy.at_s)

    # Writing

    def write(
        self, puts: Sequence[Put], deadline: Deadline, operation_id: str | None = None
    ) -> None:
        """Commit writes of strong keys, all or nothing."""
        writes = {put.key: write_of(put) for put in puts}  # of two of one key the last counts
        self.carry_out(
            Commit((), tuple(writes.values()), self.named(operation_id, deadline)), deadline
        )

    def compare_and_set(
        self,
        put: Put,
        expected: Version | None,
        deadline: Deadline,
        operation_id: str | None = None,
    ) -> Version:
        """Commit a write if its key has the version `expected`, None for no value."""
        check = Check(Cell(DATA, put.key), expected)
        commit = Commit((check,), (write_of(put),), self.named(operation_id, deadline))
        version = self.carry_out(commit, deadline).version
        assert version is not None  # of what is committed
        return version

    def touch(
        self, key: str, ttl_ms: int | None, deadline: Deadline, operation_id: str | None = None
    ) -> bool:
        """Give the present value another lifetime; False if there is none."""
        extend = Write(Cell(DATA, key), EXTEND, ttl_ms=ttl_ms)
        commit = Commit((), (extend,), self.named(operation_id, deadline))
        try:
            return self.central.commit(commit, deadline).verdict == "committed"
        finally:
            self._near.forget(key)

    def carry_out(self, commit: Commit, deadline: Deadline) -> CommitReply:
        """What a commit was answered; copies of what it wrote are forgotten.

        Raises LeaseLostError, or ConflictError naming the keys that differ.
        """
        keys = [write.cell.key for write in commit.writes if write.cell.space == DATA]
        try:
            reply = self.central.commit(commit, deadline)
        finally:
            for key in keys:
                self._near.forget(key)
        if reply.verdict != "committed":
            raise _refused(reply)
        return reply

    def named(self, operation_id: str | None, deadline: Deadline) -> str:
        """The operation id that a caller chose, or one made now."""
        if operation_id is None:
            return self.central.mint(deadline)
        return check_name(operation_id)


def write_of(put: Put) -> Write:
    """What a commit writes for a put or delete that was checked and encoded."""
    payload = put.payload()
    cell = Cell(DATA, put.key)
    if payload is None:
        return Write(cell, DELETE)
    return Write(cell, payload=payload, ttl_ms=put.ttl_ms, metadata=put.metadata)


def _refused(reply: CommitReply) -> TierStoreError:
    """The error for a conflict: that a lease is over outweighs all else, it will not come back."""
    if any(cell.space == PRIVATE for cell in reply.conflicts):
        return LeaseLostError(
            "the lease that the transaction requires is over: nothing was written"
        )
    return conflict({cell.key: held for cell, held in reply.conflicts.items()})


def outcome_of(reply: CommitReply) -> Outcome:
    """What `store.outcome` says of what the coordinator knows."""
    return OUTCOMES.get(reply.verdict, "unknown")


def require_strong(key: str, rule: Rule) -> None:
    """Raise ConsistencyMismatchError unless `rule` declares strong keys."""
    if rule.consistency != "strong":
        raise ConsistencyMismatchError(
            f"{key!r} is eventual by rule {rule.name!r}: declare `consistency: strong` for keys"
            " that are compared and set"
        )


def require_eventual(writes: Iterable[Put], what: str) -> None:
    """Raise ConsistencyMismatchError if one of `writes` is of a strong key."""
    for write in writes:
        if write.rule.consistency == "strong":
            raise ConsistencyMismatchError(
                f"{write.key!r} is strong and cannot wait in {what}: use store.transaction()"
            )


def _answer(row: Row | None, tier: str, age_s: float) -> Answer:
    if row is None:
        return Decided(None, GONE, None, age_s)
    if row.cold is not None and tier == "regional":
        tier = "cold"
    return Decided(row.record, fold_record(row.record), tier, age_s)
