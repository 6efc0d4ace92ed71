"""The protocol of an edge that the workers of one point of presence share: a Redis or Valkey.

The edge holds *copies* of rows, and the *queue* of what was written here and may not be in the
region yet. Keys hash to a fixed number of *tags*; everything of one tag can be changed in one
atomic step, and nothing else can. A copy is *dirty* while a write that it shows waits in its tag's
queue: then it is the only place that shows an acknowledged write, and nothing may drop it.

*Numbers.* An entry of a queue is numbered when it is written, from 1, by its tag's *identity*: the
replica as which the tag's batches go to the region. An identity belongs to one life of the server
(`run`). After a restart or failover, which may have lost the latest entries, the tag takes a new
identity, so a number never stands for two writes. What remains of an earlier identity keeps its
numbers, and is sent under them: the region knows which of them it has. Where tags lie on several
servers, each tag has the life of its own (`life_of`): a tag that moves to another begins anew.

*Fills.* A key that is not here is read at the region under a placeholder (the lease of Nishtala et
al., "Scaling Memcache at Facebook", NSDI'13, section 3.2.1). Whatever is learned of the key
meanwhile removes the placeholder, and then the fill is not stored, for it may be older.

*Other types.* Of a key that is no register a copy shows the region's row alone, as of a number of
its tag's current identity (`base`); what waits for it is kept apart, as changes in their order, and
whoever reads gets both in one step. So a copy of such a key is never dirty, and a change that is in
the row and not forgotten here yet counts once. Whose adds these are is said by the tag's `origin`.

*Time.* `now_ms` is the server's clock, the only one by which ages are told: a copy's `fetched_ms`
is when the edge was asked for the placeholder under which it was read, or a later moment at which
it was compared with the region again. A server whose clock jumps makes copies look older or
younger by as much.

Every call takes `timeout_s`. An adapter raises `UnavailableError` when nothing happened,
`DeadlineExceededError` when the time was up before anything happened, `OutcomeUnknownError` when
a call that changes something may have happened, and `OverloadedError` when the server has no room.
Driver exceptions never leave it. All calls but `write` may simply be sent again.

What is believed of a server (how far it was pulled, what it may lose) holds for one life of it. So
where one server has all tags, no other life of it than the one last connected to is asked anything:
`ReplacedError`. Where there are several, see `life_of` and `EdgeInfo`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from zlib import crc32

from tierstore.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.capabilities import Capabilities

TAGS = 16
"""How many tags keys hash to. Part of the stored layout: another number is another layout."""


def tag_of(key: str) -> int:
    """The tag of a key, for ever: CRC-32 of its UTF-8 bytes."""
    return crc32(key.encode()) % TAGS


def life_of(run: str, tag: int) -> str:
    """The life of the server that a tag lies on, of the `run` of an edge."""
    lives = run.split(",")
    return lives[tag] if len(lives) == TAGS else run


class ReplacedError(UnavailableError):
    """Another life of the server answers than was connected to. Nothing happened: `connect`."""


@dataclass(slots=True)
class Copy:
    """What the edge has of one key."""

    record: Record
    number: int = 0
    """Of the latest entry of the tag's queue that this shows; 0: none waits, the copy is clean."""
    fetched_ms: int = 0
    """When this was last compared with the region's row; 0: never."""


@dataclass(slots=True)
class CopiesReply:
    """What is here of the keys asked for. What is missing may exist in the region."""

    copies: dict[str, Copy]
    damaged: dict[str, str] = field(default_factory=dict)
    """Keys whose copy cannot be understood, with the reason."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change of a key that is no register, which waits in its tag's queue."""

    replica: int
    number: int
    delta: Delta


@dataclass(slots=True)
class TypedCopy:
    """What the edge has of one key that is no register, seen in one step."""

    record: Record | None = None
    """The region's row; None if there is no copy of it."""
    base: tuple[int, int] = (0, 0)
    """The row contains what waits under this identity up to this number, and nothing else of it."""
    fetched_ms: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    """By identity, oldest first, and number."""
    current: int = 0
    """The identity that the tag has now; 0: none yet."""
    origin: int = 0
    """Whose adds all changes of the tag are, whichever identity they go by; 0: none yet."""


@dataclass(slots=True)
class TypedReply:
    """Every key asked for, and what of it cannot be understood, with the reason."""

    copies: dict[str, TypedCopy]
    damaged: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EdgeInfo:
    """What a server said of itself when it was connected to."""

    run: str
    """Its life: another after a restart, a failover, or a loss of data. Of an edge on several
    servers: the life of each tag's, with commas between; empty while that does not answer."""
    now_ms: int
    is_durable: bool
    """What it acknowledged survives its restart, and nothing is ever evicted: see `why`."""
    why: str
    """Why it is durable or is not, in words for an operator."""
    version: str
    """What it is and which version, such as "valkey 9.1.2"."""
    is_spread: bool = False
    """It is several servers, some of which may be away: the adapter keeps callers from those."""


@dataclass(slots=True)
class WriteReply:
    """What became of writes of one tag: all of them or none."""

    verdict: str
    """"written"; "behind": a copy here is as new as what was to be written, nothing happened;
    "unbound": the tag has no identity in this life of the server yet, nothing happened, `bind` it;
    "full": so much waits in the queue that nothing was taken."""
    stamp: int = 0
    """With "behind": the highest stamp met, to be merged before trying again."""
    numbers: tuple[int, int] = (0, 0)
    """With "written": the first and the last number given."""
    queued_bytes: int = 0
    """What waits in the tag's queue now."""
    replica: int = 0
    """With "written": the identity that numbered it."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A replica as which entries of a tag go, or went, to the region."""

    replica: int
    run: str
    """`life_of` the run in which it was bound, and its tag."""
    is_new: bool
    """Nobody has told the region of it yet."""
    waiting: int
    """How many of its entries are queued."""
    waiting_bytes: int = 0
    last: int = 0
    """The last number given."""
    origin: int = 0
    """That of the tag: see `TypedCopy`."""


@dataclass(slots=True)
class Queued:
    """One entry of a queue."""

    number: int
    delta: Delta | None
    """None if it cannot be understood; then `raw` is what an operator is left with."""
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Settled:
    """What the end of a batch means for the copy of one key that it wrote."""

    key: str
    number: int
    """The last of the batch that wrote the key; a copy that shows a later one stays dirty."""
    keep: bool
    """The row shows what the copy shows, so it becomes a clean one; else it is dropped."""
    is_typed: bool = False
    """It was changes of a key that is no register: they are forgotten, and its copy goes."""


@dataclass(slots=True)
class Standing:
    """What the workers of the edge know together of the region."""

    now_ms: int
    region: str = ""
    """The region's id; empty before a worker met one."""
    incarnation: int = 0
    cursor: int = 0
    """How far the feed was followed."""
    pulled_ms: int = 0
    """Copies that were here then lag no further behind the region than this moment."""


class SharedEdge(Protocol):
    """An edge that several processes share. Safe to use from several threads."""

    capabilities: Capabilities

    def connect(self, timeout_s: float) -> EdgeInfo:
        """Connect and probe. A server that became another since, or was restarted, is noticed."""

    # Copies

    def read(self, keys: Sequence[str], timeout_s: float) -> CopiesReply:
        """The copies of `keys`: one request a slot, however many."""

    def lease(self, keys: Sequence[str], token: int, timeout_s: float) -> int:
        """Put placeholders of `token` where nothing is, of another token, too. Returns the time.

        A placeholder goes by itself after `PLACEHOLDER_MS`.
        """

    def fill(
        self,
        records: Mapping[str, Record],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """Show rows that were read under `token` from `fetched_ms` on; the keys that do now.

        Stored where the placeholder of `token` still is, or a copy that is not newer than the row
        (by stamp, replica, touch). A copy with the row's version is confirmed, a dirty one too; an
        older one is replaced, and clean then. A clean copy goes by itself after `ttl_ms`. Only
        `fetched_ms` that is later than a copy's own replaces it. Where there is no room, nothing
        is stored.
        """

    def show(
        self, records: Mapping[str, Record], fetched_ms: int, ttl_ms: int, timeout_s: float
    ) -> set[str]:
        """`fill` for what was not read under a placeholder: those go, and nothing new comes."""

    def withdraw(self, keys: Sequence[str], timeout_s: float) -> None:
        """Drop clean copies and placeholders of `keys`, so that the next read asks the region."""

    def notice(self, changes: Mapping[str, tuple[int, int, int]], timeout_s: float) -> set[str]:
        """Be told of the region's versions (stamp, replica, touch) of keys that changed.

        Placeholders of these keys go. Returns the keys whose copy is older: `show` or `withdraw`
        them. A dirty copy that is older, so that its write has lost, or of that very version, which
        the region held back, becomes clean.
        """

    def clear_clean(self, timeout_s: float) -> None:
        """Drop every clean copy and placeholder."""

    # Copies of keys that are no registers

    def read_typed(self, keys: Sequence[str], timeout_s: float) -> TypedReply:
        """What is here of `keys`; those of one tag in one step. A placeholder is no copy."""

    def fill_typed(
        self,
        records: Mapping[str, Record],
        base: tuple[int, int],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """`fill` of rows of one tag that contain what `base` says; the keys that show them now.

        None is stored if the tag has another identity than that of `base` by now, and not that of
        a key for which something waits under another.
        """

    # Writes

    def write(
        self, deltas: Sequence[Delta], run: str, bytes_max: int, timeout_s: float
    ) -> WriteReply:
        """Queue `deltas`, all of one tag and of different keys, and show them, atomically.

        A PUT that is not newer than the copy is "behind"; one that *is* the copy was written
        before, by a call whose answer was lost, and counts as written. A TOUCH of the copy's
        version moves its lifetime; of another it is "behind"; without a copy it is only queued.
        A CHANGE or RESET is queued and waits for its key, beside whatever copy there is.
        Placeholders of registers go. "full" if more than `bytes_max` would wait in this queue.
        """

    def bind(self, tag: int, run: str, replica: int, timeout_s: float, instead_of: int = 0) -> int:
        """Give the tag the identity `replica` for this `run`, unless it has one other than
        `instead_of`; which it has. Its first one is its origin for ever."""

    def identities(self, tag: int, timeout_s: float) -> list[Identity]:
        """All identities of a tag, oldest first. The last is the one that writes go to."""

    def introduce(self, tag: int, replica: int, timeout_s: float) -> None:
        """Note that the region is told of an identity from now on: it `is_new` no longer."""

    def queue(self, tag: int, replica: int, limit: int, timeout_s: float) -> list[Queued]:
        """The first `limit` entries that wait under an identity, in order."""

    def settle(
        self, tag: int, replica: int, number: int, settled: Sequence[Settled], fetched_ms: int,
        ttl_ms: int, timeout_s: float,
    ) -> None:  # fmt: skip
        """Forget entries up to `number`, which the region has, and settle the copies they wrote.

        Kept copies were seen in the region at `fetched_ms`.
        """

    def expel(self, tag: int, replica: int, number: int, timeout_s: float) -> bytes | None:
        """Remove the first entry of a queue, `number`, if it cannot be understood; what it was.

        None, and nothing happens, if it is another, or can be. A copy that shows it goes with it.
        """

    def dismiss(self, tag: int, replica: int, timeout_s: float) -> None:
        """Forget an identity, with what waits under it; a current one is replaced at `bind`."""

    # Together

    def lead(self, work: str, holder: int, ttl_ms: int, timeout_s: float) -> bool:
        """Take or renew the lease on a kind of work; whether `holder` has it now. 0 ms: give up.

        It only spares others the work: all of it is right if two do it.
        """

    def standing(self, timeout_s: float) -> Standing:
        """What the workers know together."""

    def advance(self, standing: Standing, was_cursor: int, timeout_s: float) -> bool:
        """Replace the standing, unless the cursor is not `was_cursor` any more. `now_ms` is not
        part of it. Where there was no region, `was_cursor` is 0."""

    # Listening

    def listen(
        self, on_ready: Callable[[], None], on_gone: Callable[[Sequence[str] | None], None],
        wait_s: float, is_stopped: Callable[[], bool],
    ) -> None:  # fmt: skip
        """Tell of every key whose copy changes or goes, from `on_ready` on, until stopped.

        `on_gone(None)`: all of them may have. Returns when `is_stopped` says so, which is asked
        every `wait_s` at least; raises UnavailableError as soon as the server may be silent for
        longer than a few `wait_s` because it cannot be heard.
        """

    def close(self) -> None:
        """Release connections. Idempotent."""


PLACEHOLDER_MS = 30_000
