"""Batches: writes that become one journal commit, at the end of a block.

What a block collects is written through the view that it got, or by the store itself in the context
of the block: its thread, the tasks that it starts, and workers that run with a copy of its context.
"""

from __future__ import annotations

from contextvars import ContextVar

from tierstore.errors import InvalidArgumentError, StoreClosedError
from tierstore.store.pickling import refuse_pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn

    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.write import Write
    from tierstore.store.core import Core, View
    from tierstore.store.store import Store

    Note = Callable[[list[str]], None]


class Collector:
    """The core of a view whose writes are collected; all else is done by the store's own."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.begin_anew()
        self.outer: Collector | None = None
        """The batch, perhaps of another store, in whose block this one's stands."""
        self.has_ended = False
        self._has_begun = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def begin_anew(self) -> None:
        """Forget what was collected, which is another process's to write."""
        self.writes: list[Write | ChangeWrite] = []
        self.notes: dict[Note, list[str]] = {}
        """What to call with which keys once they are written."""
        self._lock = self.core.runtime.lock()

    def attach(self, view: View) -> None:
        """Let no write of a view take a short way."""
        make, prefix = self.core._make_lookup, view._prefix
        view._lookup = lambda key: make(prefix)(key)  # anew, as the store may close or fork
        view._rewrite = view._bump = _refuse

    def refuse_closed(self) -> None:
        """Raise StoreClosedError once the block has ended, or the store was closed."""
        self.core.refuse_closed()
        if self.has_ended:
            raise StoreClosedError("the block of this batch has ended: use the store")

    def begin(self) -> None:
        """Collect from now on. Raises InvalidArgumentError the second time."""
        if self._has_begun:
            raise InvalidArgumentError("a batch is one block: ask the store for another")
        self._has_begun = True
        try:
            self.outer = _current.get()
            _current.set(self)
            self.root.begin_batch(self)
        except BaseException:  # Ctrl-C: nobody will leave a block that was not entered
            self.end()
            raise

    def end(self) -> None:
        """Collect nothing from now on. Idempotent."""
        if self.has_ended or not self._has_begun:
            return
        with self._lock:
            self.has_ended = True
        if _current.get() is self:  # not so if the block ends in another context
            _current.set(self.outer)
        self.root.end_batch(self)

    def commit(self, timeout: float | None) -> None:
        """Write what was collected."""
        self.core.write(self.writes, timeout)
        for note, keys in self.notes.items():
            self.core.afterwards(note, keys)

    def take(self, writes: Sequence[Write | ChangeWrite]) -> bool:
        """Collect writes, which were checked; False if the block ended meanwhile."""
        with self._lock:
            if self.has_ended:
                return False
            self.writes += writes
            return True

    def afterwards(self, note: Note, keys: list[str]) -> None:
        """Call `note(keys)` once what was collected is written."""
        self.notes.setdefault(note, []).extend(keys)

    def write_one(self, write: Write | ChangeWrite, timeout: float | None) -> None:
        """Collect a write, which was checked."""
        self.write((write,), timeout)

    def write(self, writes: Sequence[Write | ChangeWrite], timeout: float | None) -> None:
        """Collect writes, which were checked. Raises StoreClosedError after the block."""
        self.core.refuse_closed()
        if not self.take(writes):
            self.refuse_closed()

    def touch(self, *arguments: object) -> bool:
        """Raises InvalidArgumentError: a touch means a version that is there, now."""
        refuse_touch()

    def write_now(self, writes: Sequence[Write | ChangeWrite]) -> bool:
        """Collect writes, which were checked: that needs no I/O."""
        self.write(writes, None)
        return True


_current: ContextVar[Collector | None] = ContextVar("tierstore_batch", default=None)


def current(core: Core) -> Collector | None:
    """The innermost batch of `core`'s store in whose block this runs."""
    return next(_around(core), None)


def _around(core: Core) -> Iterator[Collector]:
    batch = _current.get()
    while batch is not None:
        if batch.root is core and not batch.has_ended:
            yield batch
        batch = batch.outer


def forget_inherited(core: Core) -> list[Collector]:
    """In a forked child: the batches of `core`'s store around this, which begin anew."""
    batches = list(_around(core))
    for batch in batches:
        batch.begin_anew()
    return batches


def refuse_touch() -> NoReturn:
    """Raise InvalidArgumentError: a touch means a version that is there, now."""
    raise InvalidArgumentError("a batch does not collect touches: touch before its block or after")


class Batch:
    """`with store.batch()`: the writes of the block happen when it ends.

    Until then nobody sees them, the view included. If the block raises, none of them happens.
    """

    def __init__(self, store: Store, view: Callable[[Any, str], Store], timeout: float | None):
        self._collector = Collector(store._core)
        self._view = view(self._collector, store._prefix)
        self._timeout = timeout

    __reduce__ = refuse_pickling("a batch", "ask the store for it where it is needed")

    def __del__(self) -> None:
        """Collect no longer for a block that Ctrl-C ended before `__exit__` could."""
        if (collector := getattr(self, "_collector", None)) is not None:
            collector.end()

    def __enter__(self) -> Store:
        self._collector.begin()
        return self._view

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._collector.end()
        if error is None:
            self._collector.commit(self._timeout)


def _refuse(entry: object, value: object) -> bool:
    return False
