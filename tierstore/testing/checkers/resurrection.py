"""What was deleted stays deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.registers import may_write, value_written, was_read
from tierstore.testing.checkers.verdict import Verdict
from tierstore.testing.history import by_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tierstore.testing.history import History, Operation

NAME = "no_resurrection"


def no_resurrection(
    history: History | Iterable[Operation], final: Mapping[str, Any] | None = None
) -> Verdict:
    """Whether no value comes back for a process that knows that it was deleted.

    It knows if it read the value and then nothing; or if its own delete was acknowledged, and the
    write had been before that began, or it had read the value before. In `final`, what was
    read after everything had settled, no value may be that was written before an acknowledged
    delete began. Raises `ValueError` if a value was written to a key twice, since a value tells
    which write it came from. The witness is two or three operations.
    """
    reads = 0
    for key, part in by_key(operations_of(history)).items():
        watch = _Watch(part)
        for operation in part:
            reads += was_read(operation)
            if witness := watch.see(operation):
                value = witness[-1].result
                reason = (
                    f"{key}: {value!r} came back after {operation.process} knew of its deletion"
                )
                return Verdict("invalid", NAME, reason, witness)
        value = None if final is None or key is None else final.get(key)
        if value is not None and (witness := watch.ended_as(value)):
            reason = f"{key}: ended as {value!r}, which had been deleted"
            return Verdict("invalid", NAME, reason, witness)
    return Verdict("valid", NAME, "nothing deleted came back", figures={"reads": reads})


class _Watch:
    """What each process knows of one key."""

    def __init__(self, part: Sequence[Operation]) -> None:
        self._writes = _by_value(part)
        self._deletes = [o for o in part if o.verb == "delete" and o.outcome == "ok"]
        self._own_delete: dict[str, Operation] = {}
        self._last_seen: dict[str, Operation] = {}
        self._gone: dict[tuple[str, Any], tuple[Operation, Operation]] = {}
        """By process and value, a read of it and the operation that showed that it is gone."""

    def see(self, operation: Operation) -> tuple[Operation, ...]:
        """The witness if this read brings a value back, otherwise nothing."""
        process = operation.process
        if operation.verb == "delete" and operation.outcome == "ok":
            self._own_delete[process] = operation
            self._forget(process, operation)
        elif was_read(operation) and operation.result is None:
            self._forget(process, operation)
        elif was_read(operation):
            self._last_seen[process] = operation
            return self._return_of(operation)
        return ()

    def ended_as(self, value: Any) -> tuple[Operation, ...]:
        """A write of `value` and the acknowledged delete that followed it, if there are."""
        return _pair(self._writes.get(value), self._deletes[-1] if self._deletes else None)

    def _forget(self, process: str, gone: Operation) -> None:
        if (seen := self._last_seen.pop(process, None)) is not None:
            self._gone[process, seen.result] = seen, gone

    def _return_of(self, read: Operation) -> tuple[Operation, ...]:
        known = self._gone.get((read.process, read.result)) or _pair(
            self._writes.get(read.result), self._own_delete.get(read.process)
        )
        return (*known, read) if known else ()


def _pair(write: Operation | None, delete: Operation | None) -> tuple[Operation, ...]:
    """Both, if the write was answered before the delete began."""
    if write is None or write.completed is None or delete is None:
        return ()
    return (write, delete) if write.completed < delete.invoked else ()


def _by_value(part: Iterable[Operation]) -> dict[Any, Operation]:
    writes: dict[Any, Operation] = {}
    for operation in part:
        if not may_write(operation) or operation.verb == "delete":
            continue
        value = value_written(operation)
        if value in writes:
            raise ValueError(f"{operation.key}: {value!r} is written twice, by {operation}, too")
        writes[value] = operation
    return writes
