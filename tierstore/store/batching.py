"""Batches: writes that become one journal commit, at the end of a block."""

from __future__ import annotations

from tierstore.errors import InvalidArgumentError, StoreClosedError
from tierstore.store.pickling import refuse_pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.write import Write
    from tierstore.store.core import Core, View
    from tierstore.store.store import Store


class Collector:
    """The core of a view whose writes are collected; all else is done by the store's own."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.writes: list[Write | ChangeWrite] = []
        self._has_begun = self._has_ended = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def attach(self, view: View) -> None:
        """Let no write of a view take a short way."""
        make, prefix = self.core._make_lookup, view._prefix
        view._lookup = lambda key: make(prefix)(key)  # anew, as the store may close or fork
        view._rewrite = view._bump = _refuse

    def refuse_closed(self) -> None:
        """Raise StoreClosedError once the block has ended, or the store was closed."""
        self.core.refuse_closed()
        if self._has_ended:
            raise StoreClosedError("the block of this batch has ended: use the store")

    def begin(self) -> None:
        """Collect from now on. Raises InvalidArgumentError the second time."""
        if self._has_begun:
            raise InvalidArgumentError("a batch is one block: ask the store for another")
        self._has_begun = True

    def end(self) -> list[Write | ChangeWrite]:
        """What was collected; nothing is from now on."""
        self._has_ended = True
        return self.writes

    def write_one(self, write: Write | ChangeWrite, timeout: float | None) -> None:
        """Collect a write, which was checked."""
        self.write((write,), timeout)

    def write(self, writes: Sequence[Write | ChangeWrite], timeout: float | None) -> None:
        """Collect writes, which were checked. Raises StoreClosedError after the block."""
        self.refuse_closed()
        self.writes += writes

    def touch(self, *arguments: object) -> bool:
        """Raises InvalidArgumentError: a touch means a version that is there, now."""
        raise InvalidArgumentError("a batch does not collect touches: touch through the store")

    def write_now(self, writes: Sequence[Write | ChangeWrite]) -> bool:
        """Collect writes, which were checked: that needs no I/O."""
        self.write(writes, None)
        return True


class Batch:
    """`with store.batch() as batch`: the writes of `batch`, a view, happen when the block ends.

    Until then nobody sees them, the view included. If the block raises, none of them happens.
    """

    def __init__(self, store: Store, view: Callable[[Any, str], Store], timeout: float | None):
        self._collector = Collector(store._core)
        self._view = view(self._collector, store._prefix)
        self._timeout = timeout

    __reduce__ = refuse_pickling("a batch", "ask the store for it where it is needed")

    def __enter__(self) -> Store:
        self._collector.begin()
        return self._view

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        writes = self._collector.end()
        if error is None:
            self._collector.core.write(writes, self._timeout)


def _refuse(entry: object, value: object) -> bool:
    return False
