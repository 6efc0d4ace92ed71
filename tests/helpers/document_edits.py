"""Edits of documents, as states and changes: each by a client of its own, unless it is named."""

from __future__ import annotations

import itertools

from tierstore.crdt import document
from tierstore.crdt.guard import root_of
from tierstore.crdt.plain import shared

clients = itertools.count(1000)


def edited(state, edit, client=None):
    """The change that `edit` makes of the root map of a fresh document, or None."""
    opened = document.open_document(state, client or next(clients))
    mark = document.mark_of(opened, state)
    edit(root_of(opened))
    return document.changes_since(opened, mark)


def after(state, delta, **options):
    """`state` after a change."""
    options = {"origin": 1, "actor": 1, "is_same_life": True, **options}
    return document.apply(state, delta, **options)


def made(edit, state=None, client=None):
    """`state` after `edit`."""
    state = state or document.empty()
    return after(state, edited(state, edit, client))


def set_to(**fields):
    """The edit that sets fields of the root map."""

    def edit(root):
        for key, value in fields.items():
            root[key] = shared(value)

    return edit
