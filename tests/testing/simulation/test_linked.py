"""Worlds of several regions: what is drawn, what is broken, what is taken for known and told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.linking.link import Link
from tierstore.linking.repair import Repair
from tierstore.policy import load
from tierstore.region import joining
from tierstore.region.apply import Limits
from tierstore.runtime.chance import Chance
from tierstore.testing import ManualRuntime
from tierstore.testing.mutants.planting import patched
from tierstore.testing.simulation import Options, draw_options, draw_script, play
from tierstore.testing.simulation.campaign import World
from tierstore.testing.simulation.linked import (
    HORIZON_S,
    LINK_WINDOWS,
    LINKED_SHARE,
    MORTAL,
    TYPED,
)
from tierstore.testing.simulation.links import pairs_of
from tierstore.testing.simulation.options import prefix_of
from tierstore.testing.simulation.script import Fault
from tierstore.testing.simulation.simpler import in_plain_world
from tierstore.testing.simulation.sqlite import Errors, SqliteSite

SEEDS = range(400)
CALM = Options(
    nodes=2, machines=2, regions=2, links=2, families=("journal", "memory counter"),
    operations=60, pause_ms_max=100,
)  # fmt: skip


def calm(**more):
    """A script in a world of two regions where nothing goes wrong."""
    return draw_script(1, replace(CALM, **more))


def test_some_worlds_have_several_regions_and_the_others_are_as_they_were():
    drawn = [draw_options(seed) for seed in SEEDS]
    single = [draw_options(seed, regions=1) for seed in SEEDS]
    several = [seed for seed in SEEDS if drawn[seed].regions > 1]
    assert 0.6 * LINKED_SHARE < len(several) / len(SEEDS) < 1.5 * LINKED_SHARE
    assert {drawn[seed].regions for seed in several} == {2, 3}
    assert all(drawn[seed] == single[seed] for seed in SEEDS if seed not in several)


@pytest.mark.parametrize("regions", [2, 3])
def test_worlds_of_several_regions_have_only_what_fits_there(regions):
    for seed in range(60):
        options = draw_options(seed, 100, regions=regions)
        assert options.regions == regions
        assert options.horizon_s in (0, HORIZON_S)
        assert regions <= options.machines <= options.nodes <= 5
        assert options.is_mortal or not set(options.families) & set(MORTAL)
        typed = tuple(prefix_of(name) for name in TYPED)
        for step in draw_script(seed, options).steps if not options.is_mortal else ():
            assert not (step.keys[0].startswith(typed) and step.verb in ("delete", "touch"))


def test_regions_are_linked_each_with_each_or_in_a_row():
    assert len(pairs_of(Options(regions=3))) == 6
    row = pairs_of(Options(regions=3, is_chain=True))
    assert sorted(row) == [(0, 1), (1, 0), (1, 2), (2, 1)]


@pytest.mark.parametrize("kind", ["memory", "read committed"])
def test_a_world_of_several_regions_plays_the_same_again(kind):
    script = calm(region=kind, regions=3, machines=2, latency_ms_max=20, page_rows=1)
    run = play(script)
    assert run.violations == []
    assert run.reached["counter counted in several regions"]
    assert play(script).digest == run.digest


@pytest.mark.parametrize("amount", [0.1, 0.4, 0.9])
@pytest.mark.parametrize("kind", LINK_WINDOWS)
def test_faults_of_links_are_played_and_mended(kind, amount):
    faults = tuple(Fault(200.0 * at, kind, at % 2, 300.0, amount) for at in range(10))
    run = play(replace(calm(pause_ms_max=500), faults=faults))
    assert run.violations == []
    assert run.faults[kind] > 0
    assert play(replace(calm(regions=1), faults=faults)).faults == {}


@pytest.mark.parametrize("kind", LINK_WINDOWS)
def test_stores_run_links_and_others_take_them_over(kind):
    faults = tuple(Fault(400.0 * at, kind, at % 2, 4000.0, 0.4) for at in range(12))
    run = play(replace(calm(nodes=4, machines=4, pause_ms_max=3000, is_direct=True), faults=faults))
    assert run.violations == []
    assert run.faults[kind] > 0
    if kind == "link crash":
        assert run.reached["store that ran a link ended"] > 0
        assert run.reached["link taken over by a store"] > 0


@pytest.mark.parametrize("is_direct", [False, True])
def test_rows_that_lie_in_objects_are_joined(is_direct):
    world = {"families": ("cold",), "operations": 150, "lulls": 0.2, "pause_ms_max": 1000}
    run = play(calm(**world, is_direct=is_direct))
    assert run.violations == []
    assert run.reached["key went cold"] > 0


@pytest.mark.parametrize("family", ["cold set", "cold document"])
def test_what_regions_tell_of_cold_sets_and_documents_waits_there(family):
    world = {"families": (family,), "operations": 150, "lulls": 0.2, "pause_ms_max": 1000}
    run = play(calm(**world))
    assert run.violations == []
    assert run.reached["cold key came home with what waited"] > 0


@pytest.mark.parametrize("is_direct", [False, True])
def test_rot_in_one_region_is_not_held_against_the_other(is_direct):
    world = {"families": ("cold", "journal"), "operations": 150, "lulls": 0.2, "pause_ms_max": 1000}
    faults = tuple(Fault(3000.0 * at, "flip", at % 2, 10.0, 0.4) for at in range(4))
    run = play(replace(calm(**world, is_direct=is_direct), faults=faults))
    assert run.violations == []
    assert run.faults["flip"] > 0


def test_rows_in_files_are_spoilt_and_mended():
    reached = [
        play(replace(calm(region="sqlite"), seed=seed)).reached["region mended by anti-entropy"]
        for seed in range(8)
    ]
    assert 0 < sum(reached) < 8


def test_regions_in_files_are_each_somebody_else(tmp_path, scheduler, process):
    never = Errors(Chance("never"), 0.0)
    sites = [SqliteSite(str(tmp_path), Limits(), number) for number in range(3)]
    regions = [site.open(scheduler, process, ManualRuntime(), never) for site in sites]
    assert len({region.connect(5.0).region for region in regions}) == 3
    for site in sites:
        site.close()


def test_a_link_is_taken_over_when_its_process_ends():
    faults = tuple(Fault(500.0, "link crash", node, 1000.0, 0.1) for node in range(2))
    run = play(replace(calm(pause_ms_max=1000), faults=faults))
    assert run.violations == []
    assert run.reached["link taken over by another process"] > 0


def test_two_processes_that_run_one_link_do_no_harm():
    run = play(calm(is_leased=False, latency_ms_max=200, pause_ms_max=500))
    assert run.violations == []
    assert run.reached["another link was faster"] > 0


def told(owner, name, wrong, script=None):
    """All violations with this mistake."""
    with patched(owner, name, wrong):
        return " ".join(play(script or calm()).violations)


def test_regions_that_differ_are_told():
    assert "regions differ after everything settled" in told(
        Link,
        "take",
        lambda right: lambda link, told, peer, after, **_: link._save(peer, after),
    )


def test_rows_that_go_round_for_ever_are_told():
    def renewed(right):
        def unite(old, told, actor):
            new = right(old, told, actor)
            new.stamp, new.replica = max(new.stamp, told.stamp) + 1, actor
            return new

        return unite

    assert "links never come to rest: rows go round" in told(joining, "unite", renewed)


def test_a_link_that_gets_nowhere_is_told():
    def refuse(right):
        def check(link, standing, peer):
            raise link._restored("so it says")

        return check

    words = told(Link, "_check", refuse)
    assert "was refused" in words
    assert "links never come to rest: region 0 to region 1" in words


def test_what_anti_entropy_leaves_is_told():
    wrong = {
        seed: told(Repair, "_mend", lambda right: lambda *_: None, replace(calm(), seed=seed))
        for seed in range(6)
    }
    assert any("regions differ after anti-entropy" in words for words in wrong.values())


def test_campaigns_of_so_many_regions_are_not_whole():
    world = World(100, regions=2)
    assert not world.is_whole
    assert {world.options(seed).regions for seed in range(20)} == {2}


def test_rules_of_a_policy_are_simulated_in_one_region():
    world = World(100, policy=load({"version": 1}))
    assert {world.options(seed).regions for seed in range(60)} == {1}


def test_a_script_may_be_plainer_by_a_region():
    script = calm(regions=3, links=2, is_chain=True, page_rows=3)
    plainer = [candidate.options for candidate in in_plain_world(script)]
    assert {options.regions for options in plainer} == {2, 3}
    assert play(replace(script, options=replace(script.options, regions=2))).violations == []
