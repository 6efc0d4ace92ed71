"""The engine of the handle of a bounded counter: one key, its minimum, and the store's escrow."""

from __future__ import annotations

from tierstore.errors import TypeMismatchError
from tierstore.store.arguments import seconds
from tierstore.store.pickling import refuse_pickling
from tierstore.store.typed import require_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.coordinator.escrow import Escrow
    from tierstore.policy.model import Rule
    from tierstore.region.deadline import Deadline
    from tierstore.store.resolving import Resolver


class BoundedKey:
    """One bounded counter of a store; see `tierstore.handles.bounded_counter.BoundedEngine`."""

    __reduce__ = refuse_pickling("a handle", "ask the store for it where it is needed")

    __slots__ = ("_full", "_rule", "_store", "key")

    def __init__(self, store: Resolver, key: str) -> None:
        """Raises TypeMismatchError unless the key's rule declares a bounded counter."""
        store._core.refuse_closed()
        self.key = key
        self._store = store
        self._full, self._rule = store._place(key)
        require_type(key, self._rule, "bounded_counter")

    def give(self, units: int, timeout: float | None, operation_id: str | None) -> None:
        """Let there be `units` more."""
        core = self._store._core
        deadline = core.deadline(timeout)
        self._store._open()
        named = core.strong.named(operation_id, deadline)
        core.replica.state.keeper.ledgers().give(self._full, units, named, deadline)

    def take(self, units: int, timeout: float | None) -> None:
        """Sell `units`."""
        core = self._store._core
        timeout_s = seconds("timeout", timeout)

        def deadline() -> Deadline:
            return core._begin(timeout_s)

        self._escrow().take(self._full, units, deadline)

    def value(self, timeout: float | None) -> int:
        """How much there is at most."""
        deadline = self._store._core.deadline(timeout)
        return self._rule.minimum + self._escrow().value(self._full, deadline)

    def rights(self) -> int:
        """How much may be sold here now."""
        return self._escrow().rights(self._full)

    def _escrow(self) -> Escrow:
        self._store._open()
        escrow: Escrow = self._store._core.replica.state.keeper.escrow
        return escrow


def refuse_plain(key: str, rule: Rule) -> None:
    """Raise TypeMismatchError for a verb that reads or deletes keys with values."""
    if rule.type == "bounded_counter":
        raise TypeMismatchError(
            f"{key!r} is a bounded_counter by rule {rule.name!r} and has no value to read or"
            " delete: use store.bounded_counter(key)"
        )
