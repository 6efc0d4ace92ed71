"""Batches: writes that become one journal commit, at the end of a block."""

from __future__ import annotations

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

    def __getattr__(self, name: str) -> Any:
        return getattr(self.core, name)

    def attach(self, view: View) -> None:
        """Let no write of a view take a short way."""
        view._lookup = self.core._make_lookup(view._prefix)
        view._rewrite = view._bump = _refuse

    def write_one(self, write: Write | ChangeWrite, timeout: float | None) -> None:
        """Collect a write, which was checked."""
        self.write((write,), timeout)

    def write(self, writes: Sequence[Write | ChangeWrite], timeout: float | None) -> None:
        """Collect writes, which were checked."""
        self.core.refuse_closed()
        self.writes += writes

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

    def __enter__(self) -> Store:
        return self._view

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._collector.core.write(self._collector.writes, self._timeout)


def _refuse(entry: object, value: object) -> bool:
    return False
