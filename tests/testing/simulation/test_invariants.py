"""What must hold of copies once everything has settled."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tierstore.edge.entry import Entry
from tierstore.testing.simulation import invariants, play
from tierstore.testing.simulation.script import Step, draw_script

LONG_MS = 600_000
STEPS = (
    Step(1, 0, 0.0, "put", ("j/0",), LONG_MS),
    Step(2, 1, 900.0, "get", ("j/0",)),
    Step(3, 0, 0.0, "touch", ("j/0",), 2 * LONG_MS),
)


def test_copies_that_outlive_their_row_are_told(small, monkeypatch):
    world = replace(small.options(1), nodes=2, machines=2, families=("journal",), windows=())
    script = replace(draw_script(1, replace(world, window_count=0)), steps=STEPS)
    assert play(script).violations == []
    show = Entry.show

    def show_longer(entry, record):
        show(entry, record)
        entry.expires_at += 1000

    monkeypatch.setattr(Entry, "show", show_longer)
    (told,) = play(script).violations
    assert "the copies of j/0 expire at different times" in told
    assert "in edge of n1" in told


def node_that_keeps(**more):
    kept = {"used": 10, "unflushed": 20, "recent": [], "flights": {}, "negatives": []} | more
    state = SimpleNamespace(
        policy=SimpleNamespace(limits=SimpleNamespace(unflushed_bytes=20)),
        edge=SimpleNamespace(used_bytes=kept["used"], capacity_bytes=10),
        outbox=SimpleNamespace(unflushed_bytes=kept["unflushed"], _recent=kept["recent"]),
        fills=SimpleNamespace(flights=kept["flights"]),
        negatives=kept["negatives"],
    )
    core = SimpleNamespace(replica=SimpleNamespace(state=state))
    return SimpleNamespace(name="n0", store=SimpleNamespace(_core=core))


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"used": 11}, "11 bytes of copies"),
        ({"unflushed": 21}, "21 bytes that wait"),
        ({"recent": ["batch"]}, "1 acknowledged batches"),
        ({"flights": {"k": "flight"}}, "1 fills"),
        ({"negatives": range(65_537)}, "65537 absences"),
    ],
)
def test_memory_beyond_its_bounds_is_told(more, told):
    assert list(invariants._excesses(node_that_keeps())) == []
    (said,) = invariants._excesses(node_that_keeps(**more))
    assert told in said
