"""What must hold of copies once everything has settled."""

from __future__ import annotations

from dataclasses import replace

from tierstore.edge.entry import Entry
from tierstore.testing.simulation import play
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
    assert any("n1 keeps j/0 until 1" in text for text in play(script).violations)
