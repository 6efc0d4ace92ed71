"""What worlds have in addition: what is drawn for them, and what goes together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner

from tierstore.policy import load
from tierstore.testing.simulation import Options, draw_options, draw_script, play
from tierstore.testing.simulation.campaign import World
from tierstore.testing.simulation.command import main
from tierstore.testing.simulation.operating import OPERATED
from tierstore.testing.simulation.options import _UNJOURNALED
from tierstore.testing.simulation.script import Fault
from tierstore.testing.simulation.wider import HOURS, with_windows

DRAWN = [draw_options(seed, 100) for seed in range(400)]


def having(condition):
    return [options for options in DRAWN if condition(options)]


@pytest.mark.parametrize("kind", OPERATED)
def test_operators_are_at_work_in_some_worlds(kind):
    assert 4 <= len(having(lambda options: kind in options.windows)) < 200


def test_edges_without_a_journal_have_only_what_needs_none():
    found = having(lambda options: options.is_ephemeral)
    assert found
    for options in found:
        assert set(options.families) <= _UNJOURNALED
        assert "leave" in options.windows


def test_objects_that_a_backup_may_lack_are_not_where_regions_are_restored():
    assert not having(lambda o: "region restored" in o.windows and "cold" in o.families)
    for family in ("cold", "cold set"):
        assert with_windows(Options(families=(family,)), "region restored").families == ("journal",)


def test_no_machine_is_ahead_of_a_region_that_has_its_clock():
    ahead = having(lambda options: "ahead" in options.windows)
    assert not any(options.region == "sqlite" for options in ahead)
    assert World(100, "sqlite", ("ahead",)).script(1).faults == ()
    forced = [World(100, "sqlite").options(seed) for seed in range(200)]
    assert not any("ahead" in options.windows for options in forced)


def test_where_faults_last_for_hours_nobody_stands_still_for_days():
    found = having(lambda options: options.fault_scale == HOURS)
    assert found
    assert not any({"pause", "link pause"} & set(options.windows) for options in found)


def test_somebody_travels_or_watches_in_some_worlds():
    assert 60 < len(having(lambda options: options.travellers)) < 220
    assert 60 < len(having(lambda options: options.watches)) < 220


def test_in_some_worlds_of_several_regions_edges_are_late_and_links_are_not():
    several = [draw_options(seed, 100, regions=2) for seed in range(60)]
    found = [options for options in several if options.horizon_s]
    assert 3 <= len(found) <= 20
    for options in found:
        assert not any(kind.startswith("link") for kind in options.windows)
        assert options.is_mortal


def test_so_many_edges_have_a_machine_each():
    for seed in range(20):
        options = World(100, regions=2, edges=5).options(seed)
        assert (options.regions, options.nodes, options.machines) == (2, 5, 5)
    assert not World(edges=5).is_whole


def test_fewer_edges_than_regions_are_refused():
    result = CliRunner().invoke(
        main, ["simulate", "--seeds", "1", "--regions", "3", "--edges", "2"]
    )
    assert result.exit_code == 2
    assert "each region needs an edge" in result.output


def test_rules_of_a_policy_keep_their_journal():
    world = World(100, policy=load({"version": 1}))
    assert not any(world.options(seed).is_ephemeral for seed in range(100))
    assert not any(set(OPERATED) & set(world.options(seed).windows) for seed in range(100))


LONG = Options(
    nodes=2, machines=2, regions=2, families=("journal", "memory set"), operations=100,
    pause_ms_max=1_200_000, pull_ms=30_000, fault_scale=HOURS,
    windows=("refuse", "link cut"), window_count=6,
)  # fmt: skip


def test_partitions_last_for_hours():
    cuts = (
        Fault(300_000.0, "refuse", 0, 3_700_000.0, 0.9),
        Fault(400_000.0, "link cut", 0, 3_700_000.0, 0.4),
    )
    run = play(replace(draw_script(4, LONG), faults=cuts))
    assert run.violations == []
    assert run.virtual_s > 3600
    assert run.reached["region out of reach for an hour"] == 2


def test_what_is_dead_is_forgotten_and_begins_anew_in_both_regions():
    world = draw_options(7, 200, regions=2)
    retiring = replace(
        world, horizon_s=50, is_mortal=True, is_direct=False, windows=("pause",), window_count=6,
        families=("ttl set", "ttl counter", "memory counter"), pause_ms_max=3000, region="memory",
    )  # fmt: skip
    run = play(draw_script(7, retiring))
    assert run.violations == []
