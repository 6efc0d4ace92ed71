"""What a worker tells of its edge: to `stats`, `explain`, `check` and the doctor."""

from __future__ import annotations

from tierstore.errors import CorruptionError
from tierstore.region.shared import TAGS
from tierstore.replica.shared.clock import MS_PER_S
from tierstore.replica.shared.damage import damaged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.shared import Copy, Identity
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.state import SharedState


def stats(shared: SharedState) -> dict[str, Any]:
    """What is known without asking the server."""
    info, link = shared.link.info, shared.link
    return {
        "reachable": link.failure is None,
        "retry_in_s": link.breaker.retry_in_s(),
        "server": None if info is None else info.version,
        "durable": None if info is None else info.is_durable,
        "listening": shared.is_listening,
        "owed": len(shared.owed),
        "queues_written": len(shared.touched_tags),
        "queues_stopped": dict(shared.stopped),
    }


def look(shared: SharedState, key: str, deadline: Deadline) -> Copy | None:
    """The edge's copy of a key; None if it has none. Raises UnavailableError."""
    reply = shared.link.call(lambda edge, timeout_s: edge.read([key], timeout_s), deadline)
    return reply.copies.get(key)


def age_s(shared: SharedState, copy: Copy) -> float | None:
    """How far a copy may lag behind the region's row; None where it was never compared."""
    if not copy.fetched_ms:
        return None
    seen_ms = max(copy.fetched_ms, shared.known_pulled_ms)
    return shared.state.runtime.monotonic() - shared.link.clock.here_s(seen_ms)


def check(shared: SharedState, deadline: Deadline) -> str:
    """That the server answers, is the one of this region, and what waits in it.

    Raises what keeps it from being used.
    """
    info = shared.link.connect(deadline)
    queues = [queue for tag in range(TAGS) for queue in _queues(shared, tag, deadline.renewed())]
    stuck = [f"queue {one.queue} at entry {one.number}" for one in damaged(shared, deadline)]
    if stuck:
        raise CorruptionError(
            f"what waits cannot be understood: {', '.join(stuck)}; what was written after that"
            " waits behind it: `tierstore queues --expel` prints it and goes on",
            tier="edge",
        )
    waiting = sum(queue.waiting for queue in queues)
    waiting_bytes = sum(queue.waiting_bytes for queue in queues)
    standing = shared.link.call(
        lambda edge, timeout_s: edge.standing(timeout_s), deadline.renewed()
    )
    pulled_s = (standing.now_ms - standing.pulled_ms) / MS_PER_S
    pulled = f"pulled {pulled_s:.1f} s ago" if standing.pulled_ms else "never pulled yet"
    durable = "journal" if info.is_durable else "memory"
    return (
        f"{info.version} answers, counts as {durable} ({info.why}); {waiting} writes"
        f" ({waiting_bytes} bytes) wait for the region; {pulled}"
    )


def _queues(shared: SharedState, tag: int, deadline: Deadline) -> list[Identity]:
    return shared.link.call(lambda edge, timeout_s: edge.identities(tag, timeout_s), deadline)
