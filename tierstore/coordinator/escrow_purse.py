"""The rights of one process, and selling them: a sale is on disk before it is acknowledged.

Sales that come while others are being synced wait for one sync together. Totals are written, not
sales, so a commit that failed half-way is put right by the next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.coordinator.escrow_demand import Demand
from tierstore.errors import StoreClosedError, TierStoreError
from tierstore.tiers.journal.escrow import Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Protocol

    from tierstore.coordinator.escrow_plan import Grant
    from tierstore.runtime import Lock, Runtime

    class Notes(Protocol):
        """Where notes are kept, synced; see `tierstore.tiers.journal.escrow`."""

        def load(self) -> dict[str, Note]: ...
        def put(self, notes: Sequence[Note]) -> None: ...
        def remove(self, keys: Iterable[str]) -> None: ...
        def close(self) -> None: ...


PATIENCE_S = 0.25
"""For so long a seller waits for another's write, which Ctrl-C may have ended."""


class NotesInMemory:
    """Notes of a store without files, which end with it."""

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    def load(self) -> dict[str, Note]:
        """Every note."""
        return dict(self._notes)

    def put(self, notes: Sequence[Note]) -> None:
        """Keep these notes."""
        self._notes.update((note.key, note) for note in notes)

    def remove(self, keys: Iterable[str]) -> None:
        """Forget the notes of these keys."""
        for key in keys:
            self._notes.pop(key, None)

    def close(self) -> None:
        """Nothing."""


class Holding:
    """The rights of this process to one key. Its numbers change under the lock of its `Purse`."""

    __slots__ = (
        "agreed_s", "asking", "born", "demand", "epoch", "held", "incarnation", "intended",
        "is_confirmed", "is_kept", "is_refused", "is_short", "note", "number", "reported",
        "returned", "returning", "spent", "written",
    )  # fmt: skip

    def __init__(self, note: Note, runtime: Runtime, *, is_kept: bool) -> None:
        self.asking = runtime.turn()  # who asks the coordinator, or ends the grant, has it
        self.demand = Demand()
        self.agreed_s = runtime.monotonic()  # when it got something last
        self.begin(note, is_kept=is_kept)

    def begin(self, note: Note, *, is_kept: bool) -> None:
        """Be the holding of another grant, of which nothing is confirmed."""
        self.note = note
        self.is_kept = is_kept  # whether the note is on disk
        self.is_confirmed = False
        self.is_refused = False  # it has no grant, as there was nothing in the pool
        self.epoch = self.incarnation = self.born = 0  # of what is confirmed
        self.intended = 0  # the life of the coordinator in which this opening asks for its epoch
        self.held = 0  # granted and not returned
        self.spent = self.written = note.spent  # sold; and of that, what is on disk
        self.reported = 0
        self.returned = 0
        self.returning = 0  # on its way back: not to be sold, whatever becomes of the request
        self.number = 0
        self.is_short = False  # and somebody was told

    @property
    def key(self) -> str:
        """The key."""
        return self.note.key

    @property
    def candidates(self) -> tuple[int, ...]:
        """The epochs of which the grant may be."""
        return tuple({self.epoch, self.note.epoch, *self.note.intents} - {0})

    @property
    def borns(self) -> tuple[int, ...]:
        """The epochs in which the grant may have begun."""
        note = self.note
        return (note.born,) if note.epoch else note.intents or (0,)

    @property
    def rights(self) -> int:
        """How much may be sold now."""
        if not self.is_confirmed:
            return 0
        return max(0, self.held - self.spent - self.returning)

    def agree(self, grant: Grant, incarnation: int, now_s: float) -> None:
        """Take over what was agreed."""
        if grant.held > self.held or not self.is_confirmed:
            self.agreed_s = now_s
        self.epoch, self.incarnation, self.born = grant.epoch, incarnation, grant.born
        self.held, self.returned = grant.held, grant.returned
        self.reported, self.number = grant.spent, grant.number
        self.returning = self.intended = 0
        self.is_short = self.is_refused = False
        self.is_confirmed = True

    def sold(self) -> Note:
        """The note of what is sold, which is of the epoch that is confirmed."""
        note = self.note
        if not self.epoch:
            return replace(note, spent=self.spent)
        return replace(
            note, incarnation=self.incarnation, epoch=self.epoch, intents=(), spent=self.spent,
            born=self.born,
        )  # fmt: skip


class Purse:
    """Every holding of one process. Thread-safe."""

    def __init__(self, notes: Notes, io: Lock, runtime: Runtime) -> None:
        """`io` serialises the use of `notes`, and is taken before the purse's own lock."""
        self._notes = notes
        self._io = io
        self._runtime = runtime
        self.lock = runtime.lock()
        self._dirty: dict[str, Holding] = {}
        self._asked = 0  # sales so far
        self._under_way = 0  # the last one that is being written
        self._kept = 0  # the last one that is on disk
        self._line: list[Lock] = []
        """One for each seller who waits for another's write."""
        self._is_led = False
        self._is_closed = False

    def load(self) -> list[Holding]:
        """What earlier processes left, nothing of it confirmed. Raises CorruptionError."""
        with self._io:
            notes = self._notes.load()
        return [Holding(note, self._runtime, is_kept=True) for note in notes.values()]

    def reserve(self, holding: Holding, units: int) -> int | None:
        """Set `units` aside to be sold by `keep`; None if there are not so many. Needs the lock."""
        if self._is_closed:
            raise StoreClosedError("the store is closed")
        if holding.rights < units:
            return None
        holding.spent += units
        self._dirty[holding.key] = holding
        self._asked += 1
        return self._asked

    def keep(self, holding: Holding, units: int, sale: int) -> None:
        """Return once the sale is on disk. Raises UnavailableError: then it did not happen."""
        while sale > self._kept:
            try:
                waiting = self._line_up()
                if waiting is None or not waiting.acquire(True, PATIENCE_S):
                    self._lead(sale)
            except TierStoreError:
                if self._revoke(holding, units, sale):
                    raise  # else another seller writes it meanwhile, and that may succeed
            except BaseException:
                self._revoke(holding, units, sale)
                raise

    def _revoke(self, holding: Holding, units: int, sale: int) -> bool:
        """Take a sale back, unless somebody is writing it."""
        with self.lock:
            if sale <= self._under_way:
                return False
            holding.spent -= units
            self._dirty[holding.key] = holding
            return True

    def _line_up(self) -> Lock | None:
        """What to wait for, before looking again; None for the one who has to write."""
        with self.lock:
            if not self._is_led:
                self._is_led = True
                return None
            waiting = self._runtime.lock()
            waiting.acquire()
            self._line.append(waiting)
            return waiting

    def _lead(self, sale: int) -> None:
        """Write for all who wait, then wake them at once, of whom one may have to lead."""
        try:
            with self._io:
                if sale > self._kept:
                    self._write()
        finally:
            with self.lock:
                line, self._line = self._line, []
                self._is_led = False
            for waiting in line:
                waiting.release()

    def _write(self) -> None:
        """Write all sales so far. Needs `io`."""
        with self.lock:
            batch = [(holding, holding.sold()) for holding in self._dirty.values()]
            self._under_way = self._asked
        try:
            self._notes.put([note for _, note in batch])
        except BaseException:
            with self.lock:
                self._under_way = self._kept
            raise
        with self.lock:
            self._kept = self._under_way
            for holding, note in batch:
                holding.note, holding.written = note, note.spent
                if holding.spent == note.spent:
                    self._dirty.pop(holding.key, None)

    def _pause(self, holdings: Sequence[Holding]) -> None:
        """Let nothing more be sold of these, and write what was. Needs `io`."""
        with self.lock:
            for holding in holdings:
                holding.is_confirmed = False
        if self._dirty:
            self._write()

    def intend(self, holding: Holding, region: str, incarnation: int, epoch: int) -> None:
        """Note, before it is asked for, another epoch of a grant of which nothing is sold now."""
        with self._io:
            self._pause([holding])
            note = holding.note
            known = incarnation if not note.epoch else note.incarnation
            note = replace(note, region=region, incarnation=known, intents=(*note.intents, epoch))
            holding.is_kept = True  # perhaps even if this fails
            self._notes.put([note])
            holding.note = note
            holding.epoch, holding.intended = 0, incarnation

    def retire(self, holdings: Sequence[Holding]) -> None:
        """Note that grants are given up. Nothing more is sold of them."""
        with self._io:
            self._pause(holdings)
            kept = [holding for holding in holdings if holding.is_kept]
            notes = [replace(holding.note, ends=True) for holding in kept]
            if notes:
                self._notes.put(notes)
            for holding, note in zip(kept, notes, strict=True):
                holding.note = note

    def move(self, holding: Holding, incarnation: int) -> None:
        """Note that another life of the coordinator knows of a grant that was given up."""
        with self._io:
            note = replace(holding.note, incarnation=incarnation)
            self._notes.put([note])
            holding.note = note

    def forget(self, holdings: Sequence[Holding], holder: int) -> None:
        """Forget the notes of grants that are no more, and begin anew as `holder`."""
        with self._io:
            self._pause(holdings)
            if kept := [holding.key for holding in holdings if holding.is_kept]:
                self._notes.remove(kept)
            with self.lock:
                for holding in holdings:
                    self._dirty.pop(holding.key, None)
                    holding.begin(blank(holding.key, holder), is_kept=False)

    def settle(self) -> None:
        """Let no further sale begin, and write those that have."""
        with self._io:
            with self.lock:
                self._is_closed = True
            if self._dirty:
                self._write()

    def close(self) -> None:
        """Let go of the notes."""
        with self._io:
            self._notes.close()


def blank(key: str, holder: int) -> Note:
    """The note of a grant that was never asked for."""
    return Note(key, holder, "", 0)
