"""What is left undone at the end of a run is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tierstore.replica.adopt import Adopter
from tierstore.testing.simulation import draw_script, play, progress

SEEDS = range(20)


def violations(small, seeds=SEEDS, **world):
    """All that goes wrong in a small world that is calm until the end."""
    calm = replace(small.options(1), windows=(), window_count=0, bursts=0, **world)
    return {text for seed in seeds for text in play(draw_script(seed, calm)).violations}


JOURNALED = {"nodes": 2, "machines": 1, "families": ("journal",), "is_liveness": True}
TIERED = {"nodes": 2, "machines": 2, "families": ("cold",), "is_liveness": True}


@pytest.mark.parametrize("world", [JOURNALED, TIERED], ids=["journaled", "tiered"])
def test_nothing_is_told_where_all_gets_done(small, world):
    assert violations(small, range(3), **world) == set()


def test_a_journal_that_nobody_drains_is_told(small, monkeypatch):
    monkeypatch.setattr(Adopter, "adopt", lambda self, deadline: 0)
    told = violations(small, **JOURNALED)
    assert told
    assert all("writes of a dead process wait on m0 for ever" in text for text in told)


def unmoved(*, is_held=False, due_ms=None, now_ms=100_000, flipped=()):
    """What is told of a region, as far as its mover is looked at."""
    rows = [] if due_ms is None else [SimpleNamespace(key="c/0", due_ms=due_ms)]
    region = SimpleNamespace(
        lease=lambda *_: SimpleNamespace(is_held=is_held), due=lambda limit, timeout_s: rows
    )
    site = SimpleNamespace(
        region=region,
        objects=SimpleNamespace(flipped=flipped),
        clock=SimpleNamespace(time_ns=lambda: now_ms * 1_000_000),
    )
    return list(progress._unmoved(site))


def test_a_mover_that_nobody_replaces_is_told():
    (told,) = unmoved(is_held=True)
    assert "nobody has held the lease of the mover" in told


def test_a_key_that_nobody_looks_at_is_told():
    assert unmoved(due_ms=90_000) == []
    (told,) = unmoved(due_ms=70_000)
    assert "c/0 has been due for a look since 70000" in told
    assert unmoved(due_ms=70_000, flipped=("c/0",)) == []
