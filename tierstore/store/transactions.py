"""Transactions over strong keys, as blocks and as functions that are run again."""

from __future__ import annotations

from _weakref import ref
from contextvars import ContextVar
from typing import TYPE_CHECKING

from tierstore.coordinator.work import Work
from tierstore.errors import (
    AlreadyCommittedError,
    ConflictError,
    TransactionError,
)
from tierstore.frozen import replace
from tierstore.region.commits import DATA, EXTEND, Cell, Version, Write, record_after
from tierstore.region.operations import check_name
from tierstore.replica.reads import Answer
from tierstore.runtime import jitter
from tierstore.store.arguments import OMITTED, check_keys, ttl_ms
from tierstore.store.receipt import make_reading
from tierstore.store.strong import require_strong, write_of
from tierstore.store.unpacking import unpack
from tierstore.values import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Self, TypeVar

    from tierstore.handles.lease import Lease
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.commits import CommitReply
    from tierstore.region.deadline import Deadline
    from tierstore.region.rows import Row
    from tierstore.replica.write import Write as Put
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.core import Core
    from tierstore.store.resolving import Resolver
    from tierstore.store.results import Reading

    T = TypeVar("T")

_open: ContextVar[Place | None] = ContextVar("tierstore_transaction", default=None)
PAUSE_S_MIN, PAUSE_S_MAX = 0.002, 0.25


class Place:
    """A transaction that is open in a thread or task, unless nobody has it any more."""

    __slots__ = ("known", "outer")

    def __init__(self, tx: Transaction, outer: Place | None) -> None:
        self.known = ref(tx)
        self.outer = outer


class Transaction:
    """Reads and writes that become one commit when the block ends. For one thread or task.

    Reads see what this block wrote, and otherwise one moment of the coordinator: a read that finds
    that something it has seen was changed raises ConflictError at once.
    """

    def __init__(self, store: Resolver, timeout_s: float | None, operation_id: str | None) -> None:
        self._store = store
        self._core: Core = store._core
        self._timeout_s = timeout_s
        self._operation_id = None if operation_id is None else check_name(operation_id)
        self._work: Work | None = None
        self._place_in: Place | None = None
        self._is_over = False
        self._reply: CommitReply | None = None
        self.version: str | None = None
        """What the commit gave every key that it wrote; None before it, or if it wrote nothing."""

    def __enter__(self) -> Self:
        self.claim()
        try:
            self.start()
        except BaseException:
            self.release()
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.release()
        if error is None:
            self.finish()

    def claim(self) -> None:
        """Be the one that is open in this thread or task, without any I/O."""
        if self._is_over or self._place_in is not None:
            raise TransactionError("a transaction is used once: begin another one")
        if is_inside(self._core):
            raise TransactionError(
                "a transaction is open here already, and one within another would not be part of"
                " it: hand it on instead"
            )
        self._place_in = Place(self, _open.get())
        _open.set(self._place_in)

    def start(self) -> None:
        """Begin to read and write. Raises AlreadyCommittedError."""
        self._core.ensure_open()
        if self._operation_id is not None:
            refuse_committed(self._core, self._operation_id, self._deadline())
        self._work = Work(self._core.strong.central)

    @property
    def has_begun(self) -> bool:
        """Whether its operation had not happened before."""
        return self._work is not None

    def release(self) -> None:
        """Be no longer the one that is open; called where `claim` was."""
        self._is_over = True
        if self._place_in is not None and _open.get() is self._place_in:
            _open.set(self._place_in.outer)  # else the block ends in another context

    def finish(self) -> None:
        """Commit what was read and written."""
        if self._work is not None:
            self._reply = self._commit(self._work)

    # Reading

    def get(self, key: str, default: Any = None, *, type: Any = None) -> Any:
        """The value of a strong key, `default` without one. See `Store.get` for `type`.

        Raises ConflictError if something that was read before has changed; UnavailableError.
        """
        value = self.get_many([key]).get(key, OMITTED)
        if value is OMITTED:
            return default
        if type is None:
            return value
        from tierstore.values.typed import convert

        return convert(value, type)

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of those of `keys` that have one. Raises what `get` raises."""
        found: dict[str, Any] = {}
        places = {key: self._place(key) for key in check_keys(keys)}
        rows = self._rows(dict(places.values()))
        for key, (full, _) in places.items():
            record = self._record_of(full, rows.get(full))
            if record is not None and record.payload is not None:
                found[key] = unpack(full, record.payload, "regional")
        return found

    def exists(self, key: str) -> bool:
        """Whether a strong key has a value. Raises what `get` raises."""
        return key in self.get_many([key])

    def read(self, key: str) -> Reading:
        """The value of a strong key with its receipt, as it will be when the block ends.

        What the block itself put has no version yet: None. The lifetime that it gave counts from
        now, though it will count from the commit.
        """
        full, rule = self._place(key)
        row = self._rows({full: rule}).get(full)
        record = self._record_of(full, row)
        payload = None if record is None else record.payload
        value = None if payload is None else unpack(full, payload, "regional")
        tier = "regional" if row is None or row.cold is None else "cold"
        answer = Answer(record, value, tier, 0.0)
        reading = make_reading(self._core.replica.state, rule, answer, value, payload is not None)
        return reading if row is not None else replace(reading, version=None)

    # Writing

    def put(
        self,
        key: str,
        value: Any,
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        """Replace value, TTL and metadata of a strong key when the block ends. See `Store.put`."""
        self._running()
        self._note(self._store._write(key, value, ttl, metadata))

    def delete(self, key: str) -> None:
        """Let a strong key be absent when the block ends."""
        from tierstore.replica.write import Write as Deletion

        self._note(Deletion(*self._place(key), None, None, None, delete=True))

    def touch(self, key: str, ttl: TTL | Omitted = OMITTED) -> bool:
        """Give the value of a strong key another TTL when the block ends; False without one."""
        full, rule = self._place(key)
        lifetime_ms = ttl_ms(rule, ttl, self._core.runtime)
        own = self._running().writes.get(full)
        if own is None or own.op == EXTEND:
            if not self.exists(key):
                return False
            self._running().write(Write(Cell(DATA, full), EXTEND, ttl_ms=lifetime_ms))
        elif own.payload is None:
            return False
        else:
            self._running().write(
                Write(own.cell, payload=own.payload, ttl_ms=lifetime_ms, metadata=own.metadata)
            )
        return True

    def require(self, lease: Lease) -> None:
        """Let this commit only if `lease` is still held then. Raises LeaseLostError if it is not.

        That is what protects what a lease is for: a holder who was paused finds out here.
        """
        cell, version = lease.held()
        self._running().required[cell] = version

    def scan(self, *arguments: Any, **options: Any) -> None:
        """Raises TransactionError: what a scan did not find could not be checked."""
        raise TransactionError(
            "a transaction cannot scan: nobody could check that no key has come meanwhile;"
            " read the keys that it is about"
        )

    def __repr__(self) -> str:
        state = "over" if self._is_over else "open" if self._work is not None else "not begun"
        return f"<tierstore.Transaction {state}>"

    # Inside

    def _running(self) -> Work:
        if self._work is None or self._is_over:
            raise TransactionError(
                "a transaction is used within its block: `with store.transaction() as tx: …`"
            )
        return self._work

    def _place(self, key: str) -> tuple[str, Rule]:
        self._running()
        full, rule = self._store._place(key)
        require_strong(key, rule)
        return full, rule

    def _rows(self, rules: Mapping[str, Rule]) -> dict[str, Row | None]:
        """The rows of those keys of `rules` that the block has not put or deleted."""
        work = self._running()
        written = {key for key, write in work.writes.items() if write.op != EXTEND}
        found = work.read([key for key in rules if key not in written], self._deadline())
        self._core.homes.warm({key: rules[key] for key in found})
        return found

    def _record_of(self, full: str, row: Row | None) -> Record | None:
        """The record that a key, which has this row if it was read, has for the block."""
        own = self._running().writes.get(full)
        if own is None:
            return None if row is None else row.record
        return record_after(row, own, self._core.strong.central.now_ms(), Version(0, 0))

    def _note(self, put: Put) -> None:
        require_strong(put.key, put.rule)
        self._running().write(write_of(put))

    def _deadline(self) -> Deadline:
        self._core.refuse_closed()
        return self._core._begin(self._timeout_s)

    def _commit(self, work: Work) -> CommitReply | None:
        """What the commit of `work` was answered; None if there was nothing to ask for."""
        if not work.asks and self._operation_id is None:
            return None
        deadline = self._deadline()
        strong = self._core.strong
        commit = work.commit(strong.named(self._operation_id, deadline))
        reply = strong.carry_out(commit, deadline)
        self.version = str(reply.version) if work.writes else None
        return reply


def transact(
    store: Resolver,
    function: Callable[[Transaction], T],
    attempts: int,
    timeout_s: float | None,
    operation_id: str | None,
) -> T:
    """What `function(tx)` returns, once a transaction that it ran in is committed."""
    for attempt in range(attempts):
        tx = Transaction(store, timeout_s, operation_id)
        try:
            with tx:
                result = function(tx)
                sign(tx, function, result)
        except Exception as exc:
            done, result = refuse_last(tx, exc, is_last=attempt == attempts - 1)
            if done:
                return result
        else:
            first: T = run_result(tx, result)
            return first
        store._core.runtime.sleep(pause_s_before(store, attempt))
    raise AssertionError("there is at least one attempt")


def sign(tx: Transaction, function: Callable[..., Any], result: Any) -> None:
    """Let what a named transaction returns be kept with it, and by which function it is known."""
    if tx._operation_id is not None:
        name = f"{function.__module__}.{getattr(function, '__qualname__', '')}"
        tx._running().request = name.encode("utf-8", "backslashreplace")
        tx._running().answer = encode(result)


def run_result(tx: Transaction, result: Any) -> Any:
    """What a transaction that is committed returns: of one repeated, what the first did."""
    reply = tx._reply
    is_named = tx._operation_id is not None
    return decode(reply.answer) if is_named and reply is not None and reply.repeated else result


def refuse_last(tx: Transaction, error: Exception, *, is_last: bool) -> tuple[bool, Any]:
    """(Whether the operation was committed before, what it returned).

    Raises `error` unless it says that, or another attempt may do better.
    """
    if isinstance(error, AlreadyCommittedError) and not tx.has_begun:  # else it is of another
        return True, error.result
    if not isinstance(error, ConflictError) or is_last:
        raise error
    return False, None


def pause_s_before(store: Resolver, attempt: int) -> float:
    """How long to wait before what lost its race is run again: longer each time, with jitter."""
    runtime = store._core.runtime
    runtime.sometimes("transaction run again")
    return min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0**attempt) * jitter(runtime)


def refuse_committed(core: Core, operation_id: str, deadline: Deadline) -> None:
    """Raise AlreadyCommittedError if the operation that a caller named has happened."""
    reply = core.strong.central.settle(operation_id, deadline)
    if reply.verdict == "committed":
        raise AlreadyCommittedError(
            f"the operation {operation_id!r} was committed before",
            version=str(reply.version),
            result=decode(reply.answer) if reply.answer else None,
        )


def is_inside(core: Core) -> bool:
    """Whether a transaction of this store is open in the calling thread or task."""
    place = _open.get()
    while place is not None:
        tx = place.known()
        if tx is not None and not tx._is_over and tx._core.root is core.root:
            return True
        place = place.outer
    return False
