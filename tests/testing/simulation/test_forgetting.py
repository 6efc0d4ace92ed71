"""Worlds that forget soon: what they draw, what they reach, and that nothing of it stays behind."""

from __future__ import annotations

from tierstore.crdt import document
from tierstore.replica import compacting
from tierstore.testing.simulation import Options, draw_options, draw_script, play
from tierstore.testing.simulation.forgetting import FAMILIES, FORGETFUL_SHARE, cease, hastened
from tierstore.testing.simulation.wider import with_windows

SILENT = Options(
    families=FAMILIES, keys=2, operations=200, pause_ms_max=500, latency_ms_max=20, flush_ms=1000,
    forgets_s=2, horizon_s=6, windows=("pause", "crash"), window_count=12,
)  # fmt: skip


def limits():
    return document.BLOAT_FREE_BYTES, document.BLOAT_FACTOR, compacting.REST_S, compacting.PAUSE_S


def test_some_worlds_forget_soon_and_no_restored_one():
    drawn = [draw_options(seed, 100) for seed in range(400)]
    found = [options for options in drawn if options.forgets_s]
    assert 0.4 * FORGETFUL_SHARE < len(found) / len(drawn) < 1.5 * FORGETFUL_SHARE
    for options in found:
        assert set(FAMILIES) <= set(options.families)
        assert "region restored" not in options.windows
    assert with_windows(SILENT, "region restored").forgets_s == 0


def test_in_seconds_a_world_sees_what_takes_a_week():
    run = play(draw_script(2, SILENT))
    assert run.violations == []
    assert run.reached["document made compact"] > 0
    assert run.reached["past of a document forgotten"] > 0


def test_afterwards_the_product_is_as_it_was():
    before = limits()
    with hastened(SILENT):
        assert limits() != before
        cease()
    assert limits() == before
    with hastened(Options()):
        assert limits() == before
