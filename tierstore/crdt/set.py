"""The set: an element that one adds while another removes it stays.

State is, for each element, the *dots* of the adds that still hold, and the *context*: how many dots
each region (in each of its lives) has given. A dot that a context covers and its state lacks was
removed; so a removal leaves nothing behind (Bieniusa et al., "An optimized conflict-free replicated
set", INRIA RR-8083, 2012, section 3.2).

A region gives the dots when it applies an add, and notes with each whose add it was (its *origin*):
a replica that removes an element names the dots that it has seen, and means its own earlier adds
whose dots it has yet to hear of. An origin of 0 is no longer known, nor needed.
"""

from __future__ import annotations

from itertools import pairwise

from tierstore.errors import DecodingError, EncodingError
from tierstore.record import REPLICA_MAX, SET
from tierstore.values.msgpack import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    Element = str | bytes | int
    Dot = tuple[int, int, int]
    """The actor that gave it, its number there, and the origin of the add."""
    Seen = frozenset[tuple[int, int]]
    """The dots that a removal names, without their origins."""
    Delta = dict[Element, tuple[bool, Seen]]
    """By element: whether it is added again after those that were seen were removed."""

CODE = SET
FORMAT = 1
SEEN_NOTHING: Seen = frozenset()
_ELEMENTS = frozenset((str, bytes, int))


class State:
    """Elements with the dots of the adds that hold, in order; and dots given, by actor."""

    __slots__ = ("context", "elements")

    def __init__(self) -> None:
        self.elements: dict[Element, tuple[Dot, ...]] = {}
        self.context: dict[int, int] = {}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return (self.elements, self.context) == (other.elements, other.context)

    def __hash__(self) -> int:
        return hash(frozenset(self.elements.items()))

    def __repr__(self) -> str:
        return f"State({self.elements!r}, {self.context!r})"


def check_element(element: Any) -> None:
    """Raise EncodingError unless `element` is a `str`, `bytes` or an `int` of 64 bits.

    Nothing else: `1`, `True` and `1.0` would be one element to Python and three to others.
    """
    if type(element) not in _ELEMENTS:
        raise EncodingError(
            f"an element of a set is a str, bytes or an int, got {type(element).__name__}"
        )
    pack(element)


def empty() -> State:
    """The set that nobody has added to."""
    return State()


def add(elements: Iterable[Element]) -> Delta:
    """The delta that adds `elements`, whatever the set holds."""
    return dict.fromkeys(elements, (True, SEEN_NOTHING))


def discard(state: State, elements: Iterable[Element]) -> Delta:
    """The delta that removes of `elements` what `state` shows of them."""
    delta: Delta = {}
    for element in elements:
        if dots := state.elements.get(element):
            delta[element] = (False, frozenset((actor, n) for actor, n, _ in dots if actor))
    return delta


def value(state: State) -> list[Element]:
    """The elements, in the order of their bytes."""
    return sorted(state.elements, key=pack)


def join(left: State, right: State) -> State:
    """Dots of both, but for those that one side has seen and lacks: they were removed."""
    joined = State()
    for element in left.elements.keys() | right.elements.keys():
        mine, yours = left.elements.get(element, ()), right.elements.get(element, ())
        kept = _kept(mine, yours, right.context) | _kept(yours, mine, left.context)
        if kept:
            joined.elements[element] = _in_order(kept)
    joined.context = dict(left.context)
    for actor, given in right.context.items():
        joined.context[actor] = max(given, joined.context.get(actor, 0))
    return joined


def _kept(dots: Iterable[Dot], others: Iterable[Dot], context: dict[int, int]) -> set[Dot]:
    """Those of `dots` that the side which has `others` has too, or has yet to see."""
    origins = {(actor, n): origin for actor, n, origin in others}
    kept: set[Dot] = set()
    for actor, n, origin in dots:
        if (actor, n) in origins:
            kept.add((actor, n, min(origin, origins[actor, n])))
        elif n > context.get(actor, 0):
            kept.add((actor, n, origin))
    return kept


def compose(first: Delta, second: Delta, *, is_same_life: bool) -> Delta:
    """For each element what came last, after the removals of both."""
    composed = dict(first)
    if not is_same_life:  # what `first` has seen is of no concern any more
        composed = {element: (adds, SEEN_NOTHING) for element, (adds, _) in first.items()}
    for element, (adds, seen) in second.items():
        before = composed.get(element, (False, SEEN_NOTHING))[1]
        composed[element] = (adds, before | seen)
    return composed


def apply(state: State, delta: Delta, *, origin: int, actor: int, is_same_life: bool) -> State:
    """`state`, in which the origin's earlier adds of an element give way to its latest word."""
    for element, (adds, seen) in _by_bytes(delta):
        named = seen if is_same_life else SEEN_NOTHING
        dots = [
            dot
            for dot in state.elements.get(element, ())
            if dot[2] != origin and dot[:2] not in named
        ]
        if adds:
            given = state.context.get(actor, 0) + 1
            if given > REPLICA_MAX:  # by what others told, and nobody could read it
                raise DecodingError("a set has no dots left to give")
            state.context[actor] = given
            dots.append((actor, given, origin))
        if dots:
            state.elements[element] = _in_order(dots)
        else:
            state.elements.pop(element, None)
    return state


def lightened(state: State, is_gone: Callable[[int, int], bool]) -> State:
    """`state` without origins that nobody needs, and without dots that tell nothing then.

    `is_gone` says of an actor and an origin whether no change of that origin will ever be applied
    by that actor. Readers see the same, and so does whoever removes: a dot without origin is only
    removed by who has seen it, and so has seen the earlier ones of its actor.
    """
    lighter = State()
    lighter.context = dict(state.context)
    for element, dots in state.elements.items():
        known = [(a, n, 0 if origin and is_gone(a, origin) else origin) for a, n, origin in dots]
        latest = {actor: n for actor, n, origin in known if not origin}
        lighter.elements[element] = tuple(dot for dot in known if dot[1] >= latest.get(dot[0], 0))
    return lighter


def as_seen(state: State) -> State:
    """`state`, as if everybody whose adds it knows were gone."""
    return lightened(state, lambda actor, origin: True)


def encode(state: State) -> bytes:
    """`[format, [actor, given, …], [element, [actor, n, origin, …]], …]`, all in order."""
    context = [number for item in sorted(state.context.items()) for number in item]
    parts: list[Any] = [FORMAT, context]
    for element, dots in _by_bytes(state.elements):
        parts += (element, [number for dot in dots for number in dot])
    return pack(parts)


def decode(payload: bytes) -> State:
    """The state that `encode` wrote."""
    parts = unpack(payload)
    if not isinstance(parts, list) or len(parts) < 2 or len(parts) % 2 or not _is_format(parts[0]):
        raise DecodingError("a set is malformed")
    state = State()
    state.context = _context(parts[1])
    for element, flat in zip(parts[2::2], parts[3::2], strict=True):
        state.elements[_known(element)] = _dots(flat, state.context)
    _require_order(parts[2::2])
    return state


def _is_format(wire: Any) -> bool:
    return type(wire) is int and wire == FORMAT  # 1.0 and True are equal to 1


def _context(flat: Any) -> dict[int, int]:
    context: dict[int, int] = {}
    for actor, given in _groups(flat, 2):
        context[actor] = given
    if not all(context.values()):
        raise DecodingError("a set has an actor that gave nothing")
    if any(one >= two for one, two in pairwise(flat[::2])):
        raise DecodingError("the actors of a set are not in order")
    return context


def _dots(flat: Any, context: dict[int, int]) -> tuple[Dot, ...]:
    """The dots of one element. Most have one: that is looked at by the shortest way."""
    if isinstance(flat, list) and len(flat) == 3:
        actor, n, origin = flat
        is_plain = type(actor) is type(n) is type(origin) is int and 0 <= origin <= REPLICA_MAX
        if is_plain and 0 < n <= context.get(actor, 0):
            return ((actor, n, origin),)
    dots = tuple((actor, n, origin) for actor, n, origin in _groups(flat, 3))
    if not dots or any(not 0 < n <= context.get(actor, 0) for actor, n, _ in dots):
        raise DecodingError("a set has a dot that nobody gave")
    if len(dots) > 1 and any(one[:2] >= two[:2] for one, two in pairwise(dots)):
        raise DecodingError("the dots of a set are not in order")
    return dots


def _require_order(elements: Sequence[Element]) -> None:
    """Raise DecodingError unless these elements are in the order of their bytes, each once.

    Nothing else can be spelled in two ways, so nothing need be encoded again to be compared.
    """
    if any(one >= two for one, two in pairwise(map(pack, elements))):
        raise DecodingError("a set is not in order")


def encode_delta(delta: Delta) -> bytes:
    """`[element, adds, [actor, n, …], …]` in the order of the elements."""
    parts: list[Any] = []
    for element, (adds, seen) in _by_bytes(delta):
        parts += (element, adds, [number for dot in sorted(seen) for number in dot])
    return pack(parts)


def decode_delta(payload: bytes) -> Delta:
    """The delta that `encode_delta` wrote."""
    parts = unpack(payload)
    if not isinstance(parts, list) or len(parts) % 3:
        raise DecodingError("a change of a set is malformed")
    delta: Delta = {}
    for element, adds, flat in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if type(adds) is not bool:
            raise DecodingError("a change of a set is malformed")
        delta[_known(element)] = (adds, _seen(flat))
    _require_order(parts[::3])
    return delta


def _seen(flat: Any) -> Seen:
    if not flat and type(flat) is list:
        return SEEN_NOTHING
    dots = [(actor, n) for actor, n in _groups(flat, 2)]
    if any(one >= two for one, two in pairwise(dots)):
        raise DecodingError("the dots of a change of a set are not in order")
    return frozenset(dots)


def _known(element: Any) -> Element:
    if type(element) not in _ELEMENTS:
        raise DecodingError("a set has an element of another kind")
    known: Element = element
    return known


def _groups(flat: Any, size: int) -> Iterable[list[int]]:
    if not isinstance(flat, list) or len(flat) % size:
        raise DecodingError("the dots of a set are malformed")
    if any(type(number) is not int or not 0 <= number <= REPLICA_MAX for number in flat):
        raise DecodingError("the dots of a set are out of bounds")
    return (flat[start : start + size] for start in range(0, len(flat), size))


def _by_bytes(items: dict[Element, Any]) -> list[tuple[Element, Any]]:
    """Pairs in the order of the elements' bytes: the same on every replica."""
    return sorted(items.items(), key=lambda item: pack(item[0]))


def _in_order(dots: Iterable[Dot]) -> tuple[Dot, ...]:
    return tuple(sorted(dots))
