"""No write that was acknowledged is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.registers import may_write, value_written
from tierstore.testing.checkers.verdict import Verdict
from tierstore.testing.history import by_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tierstore.testing.history import History, Operation

NAME = "no_lost_write"


def no_lost_write(
    history: History | Iterable[Operation],
    final: Mapping[str, Any],
    durability_of: Callable[[Operation], str | None] = lambda operation: "acknowledged",
) -> Verdict:
    """Whether each key ended as the last acknowledged write left it, or as a later one may have.

    `final` holds what was read after everything had settled; a key that it lacks ended deleted.
    `durability_of` names the durability at which a write was acknowledged, or returns None if what
    happened since may have lost it. A key may end as a write left it that began before that write
    was acknowledged, came later or was never answered. The witness is the write that is lost.
    """
    checked = 0
    for key, part in by_key(operations_of(history)).items():
        writes = [operation for operation in part if may_write(operation)]
        durable = [o for o in writes if o.outcome == "ok" and durability_of(o) is not None]
        if key is None or not durable:
            continue
        checked += len(durable)
        last = durable[-1]
        if not any(_may_be_last(write, final.get(key), last) for write in writes):
            reason = _reason(last, durability_of(last), final.get(key), writes)
            return Verdict("invalid", NAME, reason, (last,), figures={"writes": checked})
    return Verdict("valid", NAME, "every key ended as it may", figures={"writes": checked})


def _may_be_last(write: Operation, value: Any, last: Operation) -> bool:
    """Whether `write` left `value` and did not end before `last`, the latest to begin, began."""
    is_before = write.completed is not None and write.completed < last.invoked
    return not is_before and bool(value_written(write) == value)


def _reason(
    last: Operation, durability: str | None, value: Any, writes: Sequence[Operation]
) -> str:
    sources = [write for write in writes if value_written(write) == value]
    ended = "was deleted" if value is None else f"ended as {value!r}"
    of = f"as {sources[-1].process} left it before" if sources else "which no write explains"
    return f"{last.key}: a write ({durability}) is lost: the key {ended}, {of}"
