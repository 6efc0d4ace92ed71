"""Edits by chance, and what several replicas come to that make them and hear of each other."""

from __future__ import annotations

from document_edits import after, edited
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from pycrdt import Array, Map, Text

from tierstore.crdt import document
from tierstore.crdt.plain import shared

scripts = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
chances = st.randoms(use_true_random=False)


# Edits by chance


def some_value(chance, depth=0):
    kind = chance.randrange(8 if depth < 2 else 4)
    if kind == 0:
        return chance.choice([-5, 7, 2**31, 2**53 - 1, 2**60, -(2**63)])
    if kind == 1:
        return chance.choice(["x", "😀y", "é", ""])
    if kind == 2:
        return chance.choice([None, True, 1.5, b"b", 0.1, -0.0, 1e300, float("inf")])
    if kind == 3:
        return Text(chance.choice(["", "hello", "😀😀z"]))
    count = chance.randrange(4)
    if kind < 6:
        return {chance.choice("abc"): some_value(chance, depth + 1) for _ in range(count)}
    return [some_value(chance, depth + 1) for _ in range(count)]


def edit_some(chance, container):
    """One edit somewhere in a map, array or text."""
    if isinstance(container, Text):
        edit_text(chance, container)
    elif isinstance(container, Map):
        edit_map(chance, container)
    else:
        edit_array(chance, container)


def edit_map(chance, container):
    keys = sorted(container.keys())
    nested = [key for key in keys if isinstance(container[key], Map | Array | Text)]
    if nested and chance.randrange(2):
        edit_some(chance, container[chance.choice(nested)])
    elif not keys or chance.randrange(3):
        container[chance.choice("abc")] = shared(some_value(chance))
    else:
        del container[chance.choice(keys)]


def edit_array(chance, container):
    count = len(container)
    nested = [n for n in range(count) if isinstance(container[n], Map | Array | Text)]
    if nested and chance.randrange(2):
        edit_some(chance, container[chance.choice(nested)])
    elif not count or chance.randrange(3):
        container.insert(chance.randrange(count + 1), shared(some_value(chance)))
    else:
        start = chance.randrange(count)
        del container[start : min(count, start + chance.randrange(1, 3))]


def edit_text(chance, text):
    shown = str(text)
    places = [len(shown[:n].encode()) for n in range(len(shown) + 1)]
    first, last = sorted([chance.choice(places), chance.choice(places)])
    kind = chance.randrange(3) if first < last else 0
    if kind == 0:
        attributes = {"b": True} if chance.randrange(2) else None
        text.insert(first, chance.choice(["ab", "😀", "é"]), attributes)
    elif kind == 1:
        del text[first:last]
    else:
        text.format(first, last, {"b": chance.choice([True, None, "q"])})


def some_edits(chance):
    def edit(root):
        count = chance.randrange(1, 4)
        if chance.randrange(2):
            with root.doc.transaction():
                for _ in range(count):
                    edit_some(chance, root)
            return
        for _ in range(count):
            edit_some(chance, root)

    return edit


def some_states(chance, count=3):
    """States of as many replicas, who edit and hear of each other; and all their changes."""
    states, deltas = [document.empty() for _ in range(count)], []
    for _ in range(chance.randrange(3, 14)):
        replica = chance.randrange(count)
        if not chance.randrange(3):
            states[replica] = document.join(states[replica], states[chance.randrange(count)])
            continue
        delta = edited(states[replica], some_edits(chance))
        if delta is not None:
            states[replica] = after(states[replica], delta)
            deltas.append(delta)
    return states, deltas
