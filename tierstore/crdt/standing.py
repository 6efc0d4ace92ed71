"""What of a change still stands where other things are than it has seen."""

from __future__ import annotations

from tierstore.crdt.union import clocks_of
from tierstore.crdt.update import Update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.crdt.update import Struct


def standing(state: Update, delta: Update) -> Update:
    """The structs of `delta` that need nothing but `state` and each other; no deletions.

    Of two changes it is what is standing of the first, and then of the second on top of it: so it
    makes no difference whether they were sent as one.
    """
    clocks = clocks_of(state)
    counts = dict.fromkeys(delta.structs, 0)
    waiting: dict[int, list[int]] = {}
    ready = list(delta.structs)
    while ready:
        client = ready.pop()
        before = counts[client]
        needed = _advance(client, delta.structs[client], counts, clocks)
        if counts[client] > before:
            ready += waiting.pop(client, ())
        if needed is not None:
            waiting.setdefault(needed, []).append(client)
    structs = {client: delta.structs[client][:count] for client, count in counts.items() if count}
    return Update(structs, {})


def _advance(
    client: int, structs: list[Struct], counts: dict[int, int], clocks: dict[int, int]
) -> int | None:
    """Count those of `structs` that stand now; the client that the next one waits for, if any."""
    while counts[client] < len(structs):
        struct = structs[counts[client]]
        for needed, clock in _needs(client, struct):
            if clock >= clocks.get(needed, 0):
                return needed if needed != client else None
        counts[client] += 1
        clocks[client] = max(clocks.get(client, 0), struct.end)
    return None


def _needs(client: int, struct: Struct) -> list[tuple[int, int]]:
    """The ids that have to be there before it."""
    needs = [id_ for id_ in (struct.origin, struct.right) if id_ is not None]
    if isinstance(struct.parent, tuple):
        needs.append(struct.parent)
    if struct.clock:
        needs.append((client, struct.clock - 1))
    return needs
