"""What operators do, and what is asked of a cluster afterwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.policy import load
from tierstore.testing.history import History
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.operated_worlds import AHEAD
from tierstore.testing.mutants.planting import patched
from tierstore.testing.simulation import Options, draw_script, play
from tierstore.testing.simulation.doubting import Doubts
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.knowledge import Facts
from tierstore.testing.simulation.observed import Observed
from tierstore.testing.simulation.operating import OPERATED
from tierstore.testing.simulation.script import Fault

CALM = Options(
    nodes=2, machines=2, families=("journal", "memory counter", "regional"), operations=60,
    pause_ms_max=3000,
)  # fmt: skip
NS_PER_S = 1_000_000_000


def script(kinds, amount=0.1, **more):
    """A calm world, but that these things are done in it."""
    faults = tuple(
        Fault(600.0 + 1200.0 * at, kind, at % 2, 600.0, amount) for at, kind in enumerate(kinds)
    )
    options = replace(CALM, windows=tuple(dict.fromkeys(kinds)), **more)
    return replace(draw_script(1, options), faults=faults)


@pytest.mark.parametrize("regions", [1, 2])
@pytest.mark.parametrize("kind", [kind for kind in OPERATED if kind != "ahead"])
def test_it_is_done_and_nothing_is_violated(kind, regions):
    run = play(script([kind, kind], regions=regions))
    assert run.violations == []
    assert run.faults[kind] == 2


@pytest.mark.parametrize("amount", [0.1, 0.9], ids=["restored", "copied"])
@pytest.mark.parametrize("region", ["read committed", "sqlite"])
def test_a_region_of_any_kind_is_restored_or_copied(region, amount):
    played = script(["region restored"], amount, region=region, regions=2, statement_ms_max=20)
    run = play(played)
    assert run.violations == []
    assert run.reached["region began another life"] > 0
    assert bool(run.reached["region restored without some rows"]) == (amount < 0.5)
    assert play(played).digest == run.digest


def test_a_region_that_goes_on_with_its_old_numbers_is_told():
    same_life = lambda right: lambda region, timeout_s: region.connect(timeout_s)  # noqa: E731
    with patched(MemoryRegion, "reincarnate", same_life):
        played = [replace(script(["region restored"] * 2), seed=seed) for seed in range(8)]
        assert any(play(each).violations for each in played)


def test_what_leaves_signs_off_and_others_come():
    run = play(script(["leave"] * 4, is_ephemeral=True, families=("memory", "regional")))
    assert run.violations == []
    assert run.reached["process signed off"] > 0


def test_a_journal_goes_on_at_another_machine():
    run = play(script(["machine moved"] * 3, flush_ms=1000, families=("journal",)))
    assert run.violations == []
    assert run.reached["journals went on at another machine"] > 0
    assert run.reached["journal taken over with unflushed writes"] > 0


def test_a_clock_an_hour_ahead_poisons_nothing_and_loses_nothing():
    run = play(draw_script(0, AHEAD.options))
    assert run.violations == []
    assert run.reached["write held by the region"] > 0


def test_certain_again_is_what_was_written_after_a_flush_in_the_new_life():
    now_s = [0]
    history = History(lambda: now_s[0] * NS_PER_S)

    def do(at_s, verb, argument=None):
        now_s[0] = at_s
        history.invoke("n0.1/0", verb, "j/0", argument).ok()

    do(1, "put", ["before", None])
    do(11, "put", ["unheard", None])
    do(12, "flush")
    do(13, "put", ["after", None])
    policy = load({"version": 1, "rules": [{"match": "j/*"}]})
    families = {key: family for family in families_of(policy, 1) for key in family.keys}
    observed = Observed.of(history.operations(), families)
    facts = Facts(observed, 0, frozenset(), frozenset(), regions={"n0": "region 0"})
    Doubts(facts, {"region 1": 10 * NS_PER_S}).apply()
    assert [put.outcome for put in observed.puts["j/0"]] == ["ok", "ok", "ok"]
    Doubts(facts, {"region 0": 10 * NS_PER_S}).apply()
    assert [put.outcome for put in observed.puts["j/0"]] == ["info", "info", "ok"]
