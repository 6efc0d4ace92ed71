"""Edits by chance, and what several replicas come to that make them and hear of each other."""

from __future__ import annotations

from document_edits import after, edited
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tierstore.crdt import document
from tierstore.testing.laws.edits import edit_some

scripts = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
chances = st.randoms(use_true_random=False)


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
