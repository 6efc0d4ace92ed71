"""What a coordinator decides: checks and writes of several keys, as one step.

`commit` and `read` are the whole protocol. A commit locks every key that it checks or writes,
present or not, until it ends; so commits are strictly serializable (Papadimitriou, "The
serializability of concurrent database updates", JACM 1979, section 3; Herlihy and Wing,
"Linearizability", TOPLAS 1990, section 2.2). All times are the coordinator's.

A *version* is (incarnation, number); the number is drawn from one sequence while the locks are
held, so it is never given twice, and grows from one write of a key to the next, also after a
delete. Each life of a coordinator begins at the stamp of its moment, so numbers grow from one life
to the next as well. The record of a strong key has its version in place of stamp and replica.

There are two *spaces* of keys. DATA are the users' keys, rows of the directory. PRIVATE are records
of tierstore's own, such as leases: no feed tells of them, no scan shows them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

from tierstore.errors import InvalidArgumentError
from tierstore.record import Record, format_version
from tierstore.region.apply import Terms, with_record
from tierstore.region.pointer import decode_pointer
from tierstore.region.rows import STRONG, Row
from tierstore.stamp import STAMP_MAX, at_ms
from tierstore.units import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tierstore.region.protocol import ReadReply

DATA, PRIVATE = 0, 1
PUT, EXTEND, DELETE = 0, 1, 2
CELLS_MAX = 500
"""How many keys one commit may check and write."""
COMMIT_BYTES_MAX = 32 << 20
ANSWER_BYTES_MAX = 4096


class Cell(NamedTuple):
    """A key in one of the two spaces."""

    space: int
    key: str


class Version(NamedTuple):
    """Which write of a key: equal only to itself; of one key, later ones are higher."""

    incarnation: int
    number: int

    def __str__(self) -> str:
        return format_version(self.number, self.incarnation)


@dataclass(frozen=True, slots=True)
class Check:
    """What must be true of a cell: that it has this version and is live, or None, no live value."""

    cell: Cell
    version: Version | None


@dataclass(frozen=True, slots=True)
class Write:
    """What happens to a cell.

    PUT replaces value, lifetime and metadata. EXTEND gives what is there another lifetime and keeps
    its version; where nothing is, that is a conflict. DELETE lets it be absent.
    """

    cell: Cell
    op: int = PUT
    payload: bytes | None = None
    ttl_ms: int | None = None
    """From the moment of the commit; None: for ever."""
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Checks and writes, all or nothing; at most one check and one write of a cell."""

    checks: tuple[Check, ...] = ()
    writes: tuple[Write, ...] = ()
    operation_id: str = ""
    """By which it takes effect once, however often it is sent; empty: it may be repeated."""
    request: bytes = b""
    """What tells this request from others of the same id; empty: its checks and writes do."""
    answer: bytes = b""
    """What is kept with the operation, for who asks again; at most `ANSWER_BYTES_MAX`."""
    life: int = 0
    """The life of the coordinator in which it means something, else it is a conflict; 0: in any."""

    def cells(self) -> list[Cell]:
        """Every cell that it names, in order, once."""
        return sorted(set(self.named()))

    @property
    def size_bytes(self) -> int:
        """Bytes of keys and values."""
        keys = sum(len(cell.key.encode()) for cell in self.named())
        return keys + sum(len(write.payload or b"") for write in self.writes)

    def named(self) -> list[Cell]:
        """The cells of its checks and those of its writes."""
        return [check.cell for check in self.checks] + [write.cell for write in self.writes]


@dataclass(slots=True)
class CommitReply:
    """What became of a commit."""

    verdict: str
    """"committed" (also when it is `repeated`); "conflict"; "mismatch", a key is eventual; of an
    operation id, "late", too old to tell or abandoned, "early", from the future, or "reused", of
    another request. But for "committed", and perhaps "late", nothing happened."""
    incarnation: int
    now_ms: int
    version: Version | None = None
    """What every cell has that was put or deleted."""
    repeated: bool = False
    """It was committed earlier, under the same operation id."""
    answer: bytes = b""
    """What was kept with the operation, if it is `repeated`."""
    conflicts: dict[Cell, Version | None] = field(default_factory=dict)
    """Cells whose check failed and the versions that they have, None without a value; or those
    that are eventual."""
    ahead_ms: int = 0
    """How far ahead of `now_ms` the time is by which operations are judged: that never goes back,
    as what was forgotten would else happen again."""


@dataclass(slots=True)
class PrivateReply:
    """Records of tierstore's own that are live, as one snapshot."""

    incarnation: int
    now_ms: int
    rows: dict[str, Row]


class Coordinator(Protocol):
    """A region that decides about strong keys. Safe to use from several threads."""

    def commit(self, commit: Commit, timeout_s: float) -> CommitReply:
        """Judge and apply a commit in one transaction.

        Raises UnavailableError if nothing happened, OutcomeUnknownError if it may have.
        """

    def read(self, keys: Sequence[str], replica: int, timeout_s: float) -> ReadReply:
        """The rows of `keys` in one snapshot that has every commit acknowledged until now."""

    def peek(self, keys: Sequence[str], timeout_s: float) -> PrivateReply:
        """The PRIVATE records of `keys`, as `read`."""

    def browse(self, prefix: str, after: str, limit: int, timeout_s: float) -> PrivateReply:
        """Up to `limit` PRIVATE records whose keys start with `prefix` and are above `after`."""

    def settle(self, operation_id: str, timeout_s: float) -> CommitReply:
        """What became of an operation: "committed", "abandoned", "late" (nobody knows), "early".

        One whose id tierstore made and that has not happened is abandoned by this: it never does.
        One that a caller named may yet happen ("early").
        """


@dataclass(slots=True)
class CommitPlan:
    """What a commit does to the directory and to private records."""

    writes: dict[Cell, Row] = field(default_factory=dict)
    removed: list[Cell] = field(default_factory=list)
    """Private records to forget."""
    released: list[str] = field(default_factory=list)
    """The object of each pointer that was given up."""
    conflicts: dict[Cell, Version | None] = field(default_factory=dict)
    verdict: str = "committed"
    """As in `CommitReply`; only what is "committed" is written."""


def plan_commit(
    rows: Mapping[Cell, Row], commit: Commit, terms: Terms, version: Version
) -> CommitPlan:
    """What `commit` does to `rows`, those that exist of its cells, and what it answers.

    Rows may lack their payloads, but for those that are extended. `version` is what this gives.
    """
    if commit.life not in (0, version.incarnation):
        return CommitPlan(verdict="conflict")
    plan = CommitPlan()
    eventual = sorted(cell for cell, row in rows.items() if row.consistency != STRONG)
    if eventual:
        return CommitPlan(conflicts=dict.fromkeys(eventual), verdict="mismatch")
    for cell, wanted in _demands(rows, commit, terms.now_ms):
        present = live_version(rows.get(cell), terms.now_ms)
        if present != wanted:
            plan.conflicts[cell], plan.verdict = present, "conflict"
    if plan.verdict == "committed":
        for write in commit.writes:
            _write(plan, rows.get(write.cell), write, terms, version)
    return plan


def live_version(row: Row | None, now_ms: int) -> Version | None:
    """The version of a row that has a value at `now_ms`."""
    if row is None or not row.record.is_live(now_ms):
        return None
    return version_of(row)


def version_of(row: Row) -> Version:
    """The version of a strong row, dead or alive."""
    return Version(row.record.replica, row.record.stamp)


def parse_version(text: str) -> Version:
    """The version that `str` made a text of. Raises InvalidArgumentError for any other text."""
    try:
        kind, number, incarnation = text[:1], *text[1:].split("-")
        version = Version(int(incarnation, 16), int(number, 16))
    except (ValueError, TypeError, AttributeError):
        version = None
    if version is None or kind != "e" or str(version) != text or version.number > STAMP_MAX:
        raise InvalidArgumentError(
            f"{shown(text)} is no version of a strong key: use the one in Reading.version"
        )
    return version


def _demands(
    rows: Mapping[Cell, Row], commit: Commit, now_ms: int
) -> Iterator[tuple[Cell, Version | None]]:
    """What each cell must have: as checked, and something where a lifetime is extended."""
    for check in commit.checks:
        yield check.cell, check.version
    for write in commit.writes:
        if write.op == EXTEND and live_version(rows.get(write.cell), now_ms) is None:
            yield write.cell, Version(0, 0)


def _write(plan: CommitPlan, row: Row | None, write: Write, terms: Terms, version: Version) -> None:
    cell = write.cell
    if write.op == DELETE and (row is None or row.record.payload is None):
        return
    if write.op == DELETE and cell.space == PRIVATE:
        plan.removed.append(cell)
        return
    new = with_record(row, cell.key, record_after(row, write, terms.now_ms, version), terms)
    if new.consistency != STRONG:
        new = replace(new, consistency=STRONG)
    if row is not None and row.cold is not None and new.cold is None:
        plan.released.append(decode_pointer(row.cold, key=row.key).name)
    plan.writes[cell] = new


def record_after(row: Row | None, write: Write, now_ms: int, version: Version) -> Record:
    """The record that a write leaves; its touch stamp says when that was."""
    expires_at_ms = None if write.ttl_ms is None else now_ms + write.ttl_ms
    if write.op == EXTEND and row is not None:
        old = row.record
        return Record(
            old.stamp, old.replica, old.payload, expires_at_ms, at_ms(now_ms), old.metadata
        )
    if write.op == DELETE:
        return Record(version.number, version.incarnation, None, None, at_ms(now_ms))
    metadata = dict(write.metadata) if write.metadata else None
    return Record(
        version.number, version.incarnation, write.payload, expires_at_ms, at_ms(now_ms), metadata
    )
