"""Documents, as a type under test.

Whose value of a key that two set at once stays is for Yjs to say. So the model knows of keys that
nobody sets twice: each is an event, and removing it removes what was seen, as in a set. All other
edits, anywhere in the document, are held to the laws that need no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.runtime.chance import Chance
from tierstore.testing.laws.edits import edit_some
from tierstore.testing.laws.under_test import Operation, TypeUnderTest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.crdt.document import Delta, State

    Edit = Callable[[Any, int], object]
    """Edits a root map, as the operation of this number."""

VALUES = (1, 2)
EDITS_MAX = 3
_MIXER = 2_654_435_761
"""Odd, so that no two numbers of 32 bits become one client, and clients are in no order."""


def edited(state: State, edit: Edit, number: int) -> Delta | None:
    """What `edit` changes in a document that shows `state`; None if nothing."""
    opened = document.open_document(state, number * _MIXER & document.CLIENT_MAX)
    mark = document.mark_of(opened, state)
    with opened.transaction():
        edit(root_of(opened), number)
    return document.changes_since(opened, mark)


def setting(value: int) -> Operation:
    """Sets a key that nobody else sets."""

    def edit(root: Any, number: int) -> None:
        root[f"{number:08}"] = value

    return _operation(f"set {value}", edit, adds=value)


def removing(value: int) -> Operation:
    """Removes each of those keys that is set to `value`."""

    def edit(root: Any, number: int) -> None:
        for key in sorted(root.keys()):
            if key.isdigit() and root[key] == value:
                del root[key]

    return _operation(f"remove {value}", edit, removes=lambda what: what == value)


def editing(seed: int) -> Operation:
    """Edits some of the rest."""

    def edit(root: Any, number: int) -> None:
        chance = Chance("edits", seed)
        for _ in range(chance.randint(1, EDITS_MAX)):
            edit_some(chance, root)

    return _operation(f"edits {seed}", edit)


def _operation(name: str, edit: Edit, **means: Any) -> Operation:
    return Operation(
        name, lambda state, number: edited(state, edit, number), takes_number=True, **means
    )


def _draw(chance: Chance) -> Operation:
    kind = chance.random()
    if kind < 0.4:
        return setting(chance.choice(VALUES))
    return removing(chance.choice(VALUES)) if kind < 0.6 else editing(chance.randrange(1 << 30))


def _set_keys(value: dict[str, Any]) -> list[Any]:
    """What the keys are set to that the model knows of, in the order of their numbers."""
    return [item for key, item in value.items() if key.isdigit()]


DOCUMENT = TypeUnderTest(
    "document", document, _draw, (setting(1), removing(1)), list, shows=_set_keys
)
