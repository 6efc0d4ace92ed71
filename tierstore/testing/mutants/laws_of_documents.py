"""The laws of documents, as laws that mutants have to break."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.errors import DecodingError
from tierstore.testing.laws import DOCUMENT, LAWS, Delete, Do, Look, Script, Send, draw_script
from tierstore.testing.laws.checking import broken_law
from tierstore.testing.laws.documents import edited, setting
from tierstore.testing.laws.edits import edit_some
from tierstore.testing.laws.under_test import Operation
from tierstore.testing.mutants.mutant import Law

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tierstore.crdt.document import Delta, State
    from tierstore.runtime.chance import Chance
    from tierstore.testing.laws.steps import Step

LIVES, STEPS = 10, 16


def _lives(chance: Chance) -> Iterator[str]:
    """Some lives of a document, until one breaks a law."""
    for _ in range(LIVES):
        script = draw_script(DOCUMENT, chance, STEPS)
        if (broken := broken_law(DOCUMENT, script, LAWS)) is not None:
            yield broken
            return


def _clones_are_noticed(chance: Chance) -> Iterator[str]:
    """Two documents that one client edited at once do not join, in either order."""
    values = chance.sample(range(10), 2)
    sides = [_made(document.empty(), "a", value, client=7) for value in values]
    for left, right in (sides, sides[::-1]):
        try:
            joined = document.join(left, right)
        except DecodingError:
            continue
        yield f"what one client did twice was joined to {document.value(joined)}"


def _gaps_are_noticed(chance: Chance) -> Iterator[str]:
    """An edit that has seen this generation is not taken for applied if others are missing."""
    number = chance.randint(1, 1 << 20)
    first = _made(document.empty(), "a", number, client=number)
    opened = document.open_document(first, number + 1)
    mark = document.mark_of(opened, first)
    root_of(opened)["a"] = 0
    delta = document.changes_since(opened, mark)
    assert delta is not None
    try:
        applied = document.apply(document.empty(), delta, origin=1, actor=1, is_same_life=True)
    except DecodingError:
        return
    yield f"an edit over a gap has made {document.value(applied)}"


def _there_is_one_spelling(chance: Chance) -> Iterator[str]:
    """Whichever way two deletions of neighbouring text come, the bytes are the same."""
    from pycrdt import Text

    text = "hello, world"
    whole = _made(document.empty(), "t", Text(text), client=chance.randint(1, 99))
    cut = chance.randint(1, len(text) - 1)
    first, second = _cutting(whole, 0, cut), _cutting(whole, cut, len(text))
    sides = [_after(whole, delta) for delta in (first, second)]
    ways = {
        "joined": document.join(*sides),
        "one by one": _after(sides[0], second),
        "the other first": _after(sides[1], first),
        "as one": _after(whole, document.compose(first, second, is_same_life=True)),
    }
    if len({document.encode(state) for state in ways.values()}) > 1:
        yield f"two deletions have come to different bytes: {ways}"


def _cutting(state: State, start: int, end: int) -> Delta:
    """The edit that deletes a part of a text."""

    def edit(root: Any, number: int) -> None:
        del root["t"][start:end]

    delta = edited(state, edit, 100 + end)
    assert delta is not None
    return delta


def _former_lives_mean_little(chance: Chance) -> Iterator[str]:
    """Of edits of a document that was deleted meanwhile those stay that need nothing of it."""
    steps: list[Step] = [
        Do(0, overwriting(0)), Send(0), Look(2), Do(2, overwriting(1)),
        Delete(0), Do(0, setting(1)), Send(0),
    ]  # fmt: skip
    if chance.happens(0.5):
        steps += (Do(2, setting(2)),)
        steps[3], steps[-1] = steps[-1], steps[3]
    else:
        steps += (Look(2),)
    for step in draw_script(DOCUMENT, chance, chance.randint(0, 2)).steps:
        steps.insert(chance.randint(0, len(steps)), step)
    last = (Do(2, overwriting(2)), Do(2, setting(2)), Send(2))
    if (broken := broken_law(DOCUMENT, Script((*steps, *last)), LAWS)) is not None:
        yield broken


def overwriting(value: Any) -> Operation:
    """Sets a key that others set, too."""

    def edit(root: Any, number: int) -> None:
        root["a"] = value

    return Operation(
        f"overwrite with {value}",
        lambda state, number: edited(state, edit, number),
        takes_number=True,
    )


def _compact_ones_agree(chance: Chance) -> Iterator[str]:
    """Regions that make a document compact, each when it likes, come to one, and lose no edit."""
    for _ in range(LIVES):
        regions = _compacting(chance)
        ways = {document.encode(_joined(order)) for order in permutations(regions)}
        if len(ways) > 1:
            yield f"three regions have come to {len(ways)} different documents"
            return


def _compacting(chance: Chance) -> list[State]:
    start = document.empty()
    for number in range(1, 4):
        start = _edited(chance, start, number)
    regions = [start] * 3
    for step in range(chance.randint(4, 14)):
        at = chance.randint(0, 2)
        is_late = chance.happens(0.3)
        if chance.happens(0.3):
            regions[at] = document.compact(regions[at], step, at, step) or regions[at]
        elif chance.happens(0.3):
            regions[at] = document.join(regions[at], regions[chance.randint(0, 2)])
        elif is_late:
            regions[at] = _edited(chance, regions[at], 10 + step, of=start)
        else:
            regions[at] = _edited(chance, regions[at], 10 + step)
    return regions


def _edited(chance: Chance, state: State, client: int, of: State | None = None) -> State:
    """`state` after one edit that was made of it, or of what it was."""
    delta = edited(
        state if of is None else of, lambda root, number: edit_some(chance, root), client
    )
    return state if delta is None else _after(state, delta)


def _joined(states: Iterable[State]) -> State:
    whole = document.empty()
    for state in states:
        whole = document.join(whole, state)
    return whole


def _made(state: State, key: str, value: Any, client: int) -> State:
    opened = document.open_document(state, client)
    mark = document.mark_of(opened, state)
    root_of(opened)[key] = value
    delta = document.changes_since(opened, mark)
    assert delta is not None
    return _after(state, delta)


def _after(state: State, delta: Delta) -> State:
    return document.apply(state, delta, origin=1, actor=1, is_same_life=True)


COMPACT_APART = Law("documents made compact apart", _compact_ones_agree)
CLONES = Law("clones of a client", _clones_are_noticed)
DOCUMENTS = Law("lives of a document", _lives)
FORMER_LIFE = Law("edits of a former life", _former_lives_mean_little)
GAPS = Law("edits over a gap", _gaps_are_noticed)
SPELLING = Law("spelling of deletions", _there_is_one_spelling)
