"""Session guarantees: what one process sees goes forward.

Terry et al., "Session guarantees for weakly consistent replicated data", 1994, for each key apart,
with versions whose order is known, which makes it linear in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.registers import may_write, value_written
from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from tierstore.testing.history import History, Operation

Guarantee = Literal[
    "read your writes", "monotonic reads", "monotonic writes", "writes follow reads"
]
GUARANTEES: tuple[Guarantee, ...] = get_args(Guarantee)
# (earlier is a write, later is a write) → what the later one owes to the earlier
_OWED: dict[tuple[bool, bool], Guarantee] = {
    (True, False): "read your writes",
    (False, False): "monotonic reads",
    (True, True): "monotonic writes",
    (False, True): "writes follow reads",
}


def value_is_version(operation: Operation) -> Any:
    """The value read or written, for values that ascend with every write of a key, as 1, 2, 3 do.

    Nothing, read or left by a delete, is taken for older than everything.
    """
    value = value_written(operation) if may_write(operation) else operation.result
    return float("-inf") if value is None else value


def sessions(
    history: History | Iterable[Operation],
    *,
    version_of: Callable[[Operation], Any] = value_is_version,
    is_write: Callable[[Operation], bool] = may_write,
    session_of: Callable[[Operation], str] = lambda operation: operation.process,
    guarantees: Collection[Guarantee] = GUARANTEES,
) -> Verdict:
    """Whether each session keeps `guarantees` on each key. The witness is the pair that breaks one.

    `version_of` tells which version an operation read or wrote: of two versions of a key the newer
    compares greater, and that of nothing is the least. It returns None for an operation that does
    not count. Only operations that were answered are asked.
    """
    if unknown := set(guarantees) - set(GUARANTEES):
        raise ValueError(f"guarantees are {', '.join(GUARANTEES)}, not {sorted(unknown)}")
    newest: dict[tuple[str, str | None, bool], tuple[Any, Operation]] = {}
    pairs = 0
    for operation in operations_of(history):
        if operation.outcome != "ok" or (version := version_of(operation)) is None:
            continue
        session, writes = session_of(operation), is_write(operation)
        for earlier_writes in (True, False):
            guarantee = _OWED[earlier_writes, writes]
            earlier = newest.get((session, operation.key, earlier_writes))
            if earlier is None or guarantee not in guarantees:
                continue
            pairs += 1
            if version < earlier[0] or (writes and version == earlier[0]):
                return _broken(guarantee, session, earlier[1], operation, pairs)
        own = (session, operation.key, writes)
        newest[own] = max(newest.get(own, (version, operation)), (version, operation), key=_version)
    reason = f"every session keeps {', '.join(guarantees)}"
    return Verdict("valid", "sessions", reason, figures={"pairs": pairs})


def _version(pair: tuple[Any, Operation]) -> Any:
    return pair[0]


def _broken(
    guarantee: Guarantee, session: str, earlier: Operation, later: Operation, pairs: int
) -> Verdict:
    reason = (
        f"{guarantee}: session {session} went back on {later.key}: its {later.verb} of event "
        f"{later.invoked} is of an older version than its {earlier.verb} of event {earlier.invoked}"
    )
    return Verdict("invalid", "sessions", reason, (earlier, later), figures={"pairs": pairs})
