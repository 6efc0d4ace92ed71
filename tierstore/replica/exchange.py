"""Reading rows at the region, with the bookkeeping that makes the reply safe to show."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import ReadReply
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.state import ReplicaState


def read_rows(
    state: ReplicaState,
    keys: list[str],
    deadline: Deadline,
    settle: Callable[[ReadReply, float], None],
    *,
    read: Callable[[ReplicaState, list[str], Deadline], ReadReply],
) -> None:
    """Read `keys` in one snapshot and call `settle(reply, sent_at_s)` under the lock.

    `read` is `fetch`, or `read_directory` where payloads that lie in objects are not needed.
    The outbox keeps what the overlay of this reply may need until `settle` is done.
    """
    with state.lock:
        ticket = state.outbox.begin_request()
    sent_at_s = state.runtime.monotonic()
    try:
        reply = read(state, keys, deadline)
        with state.lock:
            settle(reply, sent_at_s)
    finally:
        with state.lock:
            state.outbox.end_request(ticket)


def read_directory(state: ReplicaState, keys: list[str], deadline: Deadline) -> ReadReply:
    """The region's rows of `keys`, whatever they point at."""
    return state.link.read(keys, deadline)
