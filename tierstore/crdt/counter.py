"""The counter: sums that no concurrent increment is lost from.

State is, for each region (in each of its lives) as actor, what it added and what it took away in
all: a PN-counter (Shapiro et al., "A comprehensive study of Convergent and Commutative Replicated
Data Types", INRIA RR-7506, 2011, section 3.1.3) whose increments are folded into the region that
applied them. Numbers are unbounded.
"""

from __future__ import annotations

from tierstore.crdt.integers import narrow, widen
from tierstore.errors import DecodingError
from tierstore.record import COUNTER, REPLICA_MAX
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    State = dict[int, tuple[int, int]]
    """By actor: what it added, what it took away. Never (0, 0)."""
    Delta = tuple[int, int]
    """What was added, what was taken away."""

CODE = COUNTER
FORMAT = 1
_NOTHING = (0, 0)


def empty() -> State:
    """Zero."""
    return {}


def add(number: int) -> Delta:
    """The delta that adds `number`, which may be negative."""
    return (number, 0) if number >= 0 else (0, -number)


def value(state: State) -> int:
    """The sum."""
    return sum(added - taken for added, taken in state.values())


def join(left: State, right: State) -> State:
    """For each actor the higher totals: they only ever grow."""
    joined = dict(left)
    for actor, (added, taken) in right.items():
        known = joined.get(actor, _NOTHING)
        joined[actor] = (max(known[0], added), max(known[1], taken))
    return joined


def compose(first: Delta, second: Delta, *, is_same_life: bool) -> Delta:
    """Both sums: an increment speaks of nothing that it has seen."""
    return first[0] + second[0], first[1] + second[1]


def apply(state: State, delta: Delta, *, origin: int, actor: int, is_same_life: bool) -> State:
    """`state`, with the delta in the totals of `actor`."""
    added, taken = state.get(actor, _NOTHING)
    if delta != _NOTHING:
        state[actor] = (added + delta[0], taken + delta[1])
    return state


def encode(state: State) -> bytes:
    """`[format, actor, added, taken, …]` in the order of the actors."""
    flat: list[int | bytes] = [FORMAT]
    for actor, (added, taken) in sorted(state.items()):
        flat += (actor, widen(added), widen(taken))
    return pack(flat)


def decode(payload: bytes) -> State:
    """The state that `encode` wrote."""
    flat = unpack(payload)
    if not isinstance(flat, list) or len(flat) % 3 != 1 or not _is_format(flat[0]):
        raise DecodingError("a counter is malformed")
    actors = flat[1::3]
    if any(type(actor) is not int or not 0 <= actor <= REPLICA_MAX for actor in actors):
        raise DecodingError("the actors of a counter are malformed")
    if actors != sorted(set(actors)):
        raise DecodingError("the actors of a counter are not in order")
    totals = zip(map(narrow, flat[2::3]), map(narrow, flat[3::3]), strict=True)
    state = dict(zip(actors, totals, strict=True))
    if _NOTHING in state.values():
        raise DecodingError("a counter has an actor that did nothing")
    return state


def _is_format(wire: int) -> bool:
    return type(wire) is int and wire == FORMAT  # 1.0 and True are equal to 1


def encode_delta(delta: Delta) -> bytes:
    """`[added, taken]`."""
    return pack([widen(delta[0]), widen(delta[1])])


def as_seen(state: State) -> State:
    """`state`: nothing of it is only for regions."""
    return state


def decode_delta(payload: bytes) -> Delta:
    """The delta that `encode_delta` wrote."""
    parts = unpack(payload)
    if not isinstance(parts, list) or len(parts) != 2:
        raise DecodingError("an increment is malformed")
    return narrow(parts[0]), narrow(parts[1])
