"""Sessions at an edge that workers share: what waits there shows at all its workers, only there.

What a session saw may wait in the queues of the tags of its keys. Each queue has an identity that
numbers it, and what is numbered shows at this edge until the region has it. So a token names the
last number of each of these identities: another worker finds the identity at its own edge, others
wait until the region has that much of it.
"""

from __future__ import annotations

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.region.shared import TAGS, tag_of
from tierstore.replica.seen import lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.region.shared import Identity
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.engine import Replica
    from tierstore.replica.seen import Seen
    from tierstore.replica.shared.state import SharedState

ATTEMPTS_MAX = 4


def note(
    seen: Seen, replica: Replica, keys: list[str] | None, life: int, *, is_written: bool
) -> None:
    """Let a session need what waits in the queues of `keys`, or in any if None.

    Raises UnavailableError if the edge does not answer, unless `keys` were just written here.
    """
    shared = replica.state.shared
    assert shared is not None
    tags = set(range(TAGS)) if keys is None else _tags(shared, keys)
    was_brought = False
    for tag in sorted(tags):
        try:
            identities = _identities(shared, tag, replica.deadline())
        except TierStoreError:
            if not is_written:
                raise
            replica.runtime.sometimes("a session noted what the edge had just acknowledged")
            identities = []  # the numbers that the edge gave say enough
        _note_written(seen, shared, tag, identities, life)
        for one in identities:
            if one.waiting:
                seen.is_of_queues = True
                seen.require_batch(one.replica, one.last, life)
            elif seen.pending.get(one.replica, one.last + 1) <= one.last:
                was_brought = True
    if was_brought:
        _relieve(seen, replica)


def _tags(shared: SharedState, keys: list[str]) -> set[int]:
    rules = {key: shared.rule_for(key) for key in keys}
    return {
        tag_of(k) for k, r in rules.items() if r.consistency != "strong" and shared.is_queued(r)
    }


def _note_written(
    seen: Seen, shared: SharedState, tag: int, identities: list[Identity], life: int
) -> None:
    """Let a session need what this worker wrote last, should the server have lost it already."""
    by, number = shared.numbered.pop(tag, (0, 0))
    known = next((one for one in identities if one.replica == by), None)
    if by and (known is None or known.last < number):
        seen.is_of_queues = True
        seen.require_batch(by, number, life)
        shared.tags_of[by] = tag


def _relieve(seen: Seen, replica: Replica) -> None:
    """Forget batches that the region has, noting how far its feed may have come with them."""
    try:
        _forget_applied(seen, replica, replica.deadline())
    except TierStoreError:
        replica.runtime.sometimes("a session kept what the region has")


def _forget_applied(seen: Seen, replica: Replica, deadline: Deadline) -> None:
    state = replica.state
    region = state.link.region
    for by, number in list(seen.pending.items()):
        if by == state.replica:
            continue
        reply = state.link.call(lambda left_s: region.read([], by, left_s), deadline.again())  # noqa: B023
        if reply.applied >= number:
            seen.reach(replica, deadline)
            seen.drop_batch(by)


def shows(replica: Replica, by: int, number: int, deadline: Deadline) -> bool:
    """Whether reads at this edge show what an identity numbered, as it is one of this edge.

    Raises StaleReplicaError if the edge's server lost it before the region had it.
    """
    shared, state = replica.state.shared, replica.state
    assert shared is not None
    identity = _find(shared, by, deadline.again())
    if identity is None:
        return False
    if number <= identity.last:
        return True
    region = state.link.region
    reply = state.link.call(lambda left_s: region.read([], by, left_s), deadline.again())
    if reply.applied < number:
        raise lost("the server of the edge that it wrote to lost it")
    return False


def _find(shared: SharedState, by: int, deadline: Deadline) -> Identity | None:
    """The identity of this edge that is called `by`."""
    known = shared.tags_of.get(by)
    for tag in range(TAGS) if known is None else (known,):
        for one in _identities(shared, tag, deadline):
            if one.replica == by:
                return one
    return None


def _identities(shared: SharedState, tag: int, deadline: Deadline) -> list[Identity]:
    found = shared.link.call(lambda edge, timeout_s: edge.identities(tag, timeout_s), deadline)
    shared.tags_of.update((one.replica, tag) for one in found)
    return found


def shorten(seen: Seen, replica: Replica, deadline: Deadline) -> None:
    """Bring what a session needs to the region, until its token has room for the rest.

    Raises UnavailableError if that cannot be done.
    """
    shared = replica.state.shared
    assert shared is not None
    for _ in range(ATTEMPTS_MAX):
        for by in sorted(seen.pending):
            if seen.is_too_long and (tag := shared.tags_of.get(by)) is not None:
                replica.runtime.sometimes("a session drained for its token")
                replica.drainer.drain(tag, deadline.again())  # type: ignore[attr-defined]
                _forget_applied(seen, replica, deadline)
        if not seen.is_too_long:
            return
    raise UnavailableError(
        "what the session saw waits in too many queues of the edge to be named in a token: flush,"
        " or try again once the region answers"
    )
