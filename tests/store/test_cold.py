"""What a store tells of keys that go cold, and of what moves them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import CorruptionError, TierStoreError
from tierstore.movement.recognition import MARK
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.region.objects import mint_name
from tierstore.region.protocol import Region
from tierstore.testing import (
    FaultPlan,
    FaultyObjects,
    FaultyRegion,
    ManualRuntime,
    MemoryObjects,
    MemoryRegion,
    memory_store,
)

REGION_VERBS = [name for name in vars(Region) if not name.startswith("_")] + ["capabilities"]
HOUR_S, DAY_S = 3600, 86_400
POLICY = {
    "tiers": {
        "edge": {"journal": "journal"},
        "regional": {"url": "sqlite:///region.db"},
        "cold": {"url": "file:cold"},
    },
    "replication": {"flush": "1h", "pull": "1h"},
    "movement": {"interval": "1h"},
    "rules": [
        {
            "match": "product/**",
            "hotness": {"hot": "6/h", "cold": "1/d"},
            "min_residency": {"edge": "0s", "regional": "12h"},
        },
        {"match": "plain/**"},
    ],
}


class PlainRegion:
    """A region without the part that movers use."""

    def __init__(self, inner):
        for name in REGION_VERBS:
            setattr(self, name, getattr(inner, name))


class World:
    """Tiers that outlive the stores over them: in memory if `is_memory`, else in files."""

    def __init__(self, folder, *, is_memory):
        self.folder = folder
        self.runtime = ManualRuntime(seed=3)
        self.plan = FaultPlan()
        self.objects = MemoryObjects() if is_memory else None
        self.region = MemoryRegion(self.runtime, Limits(is_tiered=True)) if is_memory else None
        self.opened = []

    def open(self, **fields):
        tiers = {} if self.region is None else {"region": self.region}
        if self.objects is not None:
            tiers["objects"] = FaultyObjects(self.objects, self.plan)
        self.opened.append(wire(load({**POLICY, **fields}, self.folder), self.runtime, **tiers))
        return self.opened[-1]

    def object_names(self):
        """All but the mark."""
        if self.objects is not None:
            return sorted(name for name, data in self.objects.blobs.items() if data != MARK)
        root = self.folder / "cold"
        paths = [path for path in root.glob("*/*") if path.read_bytes() != MARK]
        return sorted(str(path.relative_to(root)) for path in paths)

    def close(self):
        for store in self.opened:
            with contextlib.suppress(TierStoreError):
                store.close(0)


@pytest.fixture(params=["memory", "files"])
def world(request, tmp_path):
    made = World(tmp_path, is_memory=request.param == "memory")
    yield made
    made.close()


@pytest.fixture
def memory_world(tmp_path):
    made = World(tmp_path, is_memory=True)
    yield made
    made.close()


def filled(world, count=3, **fields):
    """A store with `count` products that the region has, old enough to go cold."""
    store = world.open(**fields)
    store.put_many({f"product/{n}": {"n": n, "text": "x" * 100} for n in range(count)})
    store.flush()
    world.runtime.sleep(2 * DAY_S)
    return store


# explain


def test_a_key_is_explained_all_its_life_long(world):
    store = world.open()
    store.put("product/1", "x" * 100)
    store.flush()
    start_s = world.runtime.time_ns() / 1e9
    store.maintain()
    young = store.explain("product/1")
    assert (young.home, young.object, young.moves, young.wanted) == ("regional", None, 0, None)
    assert young.tiers == ("regional",)
    clocks = young.created_at, young.written_at, young.accessed_at, young.entered_at
    assert clocks == pytest.approx([start_s] * 4, abs=0.01)
    assert young.review_at == pytest.approx(start_s + 12 * HOUR_S, abs=0.1)
    assert any("in the region for 0s of 12h" in reason for reason in young.reasons)

    world.runtime.sleep(12 * HOUR_S + 1)
    due = store.explain("product/1")
    assert (due.home, due.wanted, due.tries) == ("regional", "cold", 0)
    assert "\n  next move   to the cold tier, at the next pass of the mover\n" in str(due)

    assert store.maintain().ok
    cold = store.explain("product/1")
    assert (cold.home, cold.moves, cold.wanted, cold.tiers[-1]) == ("cold", 1, None, "cold")
    assert [cold.object] == world.object_names()
    assert cold.entered_at == pytest.approx(start_s + 12 * HOUR_S + 1, abs=0.01)
    assert cold.written_at == young.written_at
    assert cold.size_bytes == young.size_bytes
    assert cold.version == young.version == store.read("product/1").version
    assert cold.object in str(cold)
    assert "1 move so far" in str(cold)

    for _ in range(8):
        store.get("product/1", max_age=0)
    store.maintain()
    back = store.explain("product/1")
    assert (back.home, back.object, back.moves) == ("regional", None, 2)
    assert back.accesses_per_s * DAY_S > 1
    assert store.stats()["moves"]["promoted"] == 1


def test_the_report_names_rates_thresholds_and_clocks(world):
    store = filled(world)
    store.maintain()
    store.get("product/1")
    told = str(store.explain("product/1"))
    assert "(register, eventual, journal); hot from 6/h on, cold below 1/d\n" in told
    assert "  heat        read 0.693/h and written " in told
    assert "/d, as the region counts\n" in told
    assert all(f"{name} 2023-11-14T22:13:20Z" in told for name in ("created", "written"))
    assert len(told.splitlines()) <= 12


def test_a_dead_key_tells_of_its_death_alone(world):
    store = filled(world)
    store.maintain()
    store.delete("product/1")
    store.flush()
    explanation = store.explain("product/1")
    assert (explanation.found, explanation.home, explanation.moves) == (False, None, None)
    assert explanation.reasons[1:] == ("it was deleted",)
    assert len(str(explanation).splitlines()) == 4


@given(
    waits_h=st.lists(st.sampled_from([7, 13, 30, 100]), min_size=1, max_size=6),
    reads=st.lists(st.integers(0, 6), min_size=6, max_size=6),
)
def test_what_is_explained_is_what_the_mover_does(tmp_path_factory, waits_h, reads):
    world = World(tmp_path_factory.mktemp("world"), is_memory=True)
    store = filled(world, 2)
    for wait_h, count in zip(waits_h, reads, strict=False):
        for _ in range(count):
            store.get("product/1", max_age=0)
        store.maintain()
        world.runtime.sleep(wait_h * HOUR_S)
        before = [store.explain(f"product/{n}") for n in range(2)]
        assert store.maintain().ok
        after = [store.explain(f"product/{n}") for n in range(2)]
        assert [e.home for e in after] == [e.wanted or e.home for e in before]
        assert [e.wanted for e in after] == [None, None]
        rows = [world.region.rows[f"product/{n}"] for n in range(2)]
        assert [e.home == "cold" for e in after] == [row.cold is not None for row in rows]
    world.close()


# mode: plan


def test_a_plan_moves_nothing_and_is_told(world):
    store = filled(world, movement={"interval": "1h", "mode": "plan"})
    store.put("plain/1", 1)
    for _ in range(3):
        assert store.maintain().ok
        world.runtime.sleep(HOUR_S + 1)
    explanation = store.explain("product/1")
    assert (explanation.home, explanation.wanted) == ("regional", "cold")
    assert explanation.tries >= 2
    assert explanation.last_error is None
    assert "if movement.mode were apply" in str(explanation)
    moves = store.stats()["moves"]
    assert (moves["waiting"], moves["waiting_failed"], moves["demoted"]) == (3, 0, 0)
    assert world.object_names() == []
    assert world.plan.count == 0
    homes = [store.explain(f"product/{n}") for n in range(3)]
    assert {(e.home, e.moves) for e in homes} == {("regional", 0)}


def test_a_deleted_key_is_planned_no_more(world):
    store = filled(world, movement={"interval": "1h", "mode": "plan"})
    store.maintain()
    assert store.stats()["moves"]["waiting"] == 3
    store.delete("product/1")
    store.flush()
    store.maintain()
    assert store.stats()["moves"]["waiting"] == 2


def test_a_plan_is_carried_out_once_the_mode_is_apply(world):
    filled(world, movement={"interval": "1h", "mode": "plan"}).maintain()
    world.opened[0].close()
    world.runtime.sleep(HOUR_S + 1)
    store = world.open()
    store.maintain()
    moves = store.stats()["moves"]
    assert (moves["waiting"], moves["demoted"]) == (0, 3)


# Failures


def test_a_move_that_fails_is_told_until_it_succeeds(memory_world):
    world = memory_world
    store = filled(world)
    world.plan.is_cold_down = True
    assert not store.maintain().ok
    explanation = store.explain("product/1")
    assert (explanation.home, explanation.wanted, explanation.tries) == ("regional", "cold", 1)
    assert "made unreachable" in explanation.last_error
    assert explanation.next_try_at > explanation.tried_at
    assert "next move   to the cold tier, tried 1 time, last " in str(explanation)
    stats = store.stats()
    assert stats["moves"]["failed"] == stats["moves"]["waiting_failed"] == 3
    assert "made unreachable" in stats["moves"]["last_error"]
    assert stats["cold"]["reachable"] is False
    wrong = {f.subject: f.detail for f in store.check().findings if not f.ok}
    assert sorted(wrong) == ["cold tier", "moves"]
    assert "product/1" in wrong["moves"]

    world.plan.is_cold_down = False
    world.runtime.sleep(5 * HOUR_S)
    assert store.maintain().ok
    explanation = store.explain("product/1")
    assert (explanation.home, explanation.last_error, explanation.tries) == ("cold", None, 0)
    assert store.check().ok
    stats = store.stats()
    assert (stats["moves"]["last_error"], stats["cold"]["reachable"]) == (None, True)


def test_a_key_whose_object_is_missing_is_explained_all_the_same(memory_world):
    store = filled(memory_world)
    store.maintain()
    (name,) = memory_world.object_names()
    memory_world.objects.blobs.clear()
    with pytest.raises(CorruptionError, match=f"{name} is missing"):
        store.get("product/1", max_age=0)
    explanation = store.explain("product/1")
    assert (explanation.home, explanation.object) == ("cold", name)


def test_an_object_that_is_missing_when_a_key_should_return(memory_world):
    world = memory_world
    store = filled(world)
    store.maintain()
    for _ in range(8):
        store.get("product/1", max_age=0)
    for name in world.object_names():
        del world.objects.blobs[name]
    store.maintain()
    explanation = store.explain("product/1")
    assert (explanation.home, explanation.wanted) == ("cold", "regional")
    assert "its object is missing" in explanation.last_error
    (wrong,) = [f for f in store.check().findings if not f.ok]
    assert wrong.subject == "moves"
    assert "'product/1': 'its object is missing'" in wrong.detail


# check


def test_check_leaves_no_object_behind(world):
    store = world.open()
    report = store.check()
    assert report.ok
    told = {finding.subject: finding.detail for finding in report.findings}
    assert "written, read and deleted" in told["cold tier"]
    assert world.object_names() == []


def test_check_leaves_a_cold_tier_alone_that_no_key_may_enter(memory_world):
    store = memory_world.open(rules=[])
    assert [f.subject for f in store.check().findings] == ["journal", "region", "operator"]
    assert memory_world.plan.count == 0


@pytest.mark.parametrize("kind", ["error", "lost"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_check_tells_which_call_of_the_cold_tier_failed(memory_world, n, kind):
    store = filled(memory_world)
    memory_world.plan.arm(n, kind)
    report = store.check()
    assert not report.ok
    assert {f.subject for f in report.findings if not f.ok} <= {"cold tier", "cold names"}
    assert store.check().ok
    left = len(memory_world.objects.blobs)
    assert left <= 1  # at most the probe that could not be deleted, which the sweeper does


def test_a_foreign_name_is_a_finding_and_left_alone(world):
    store = filled(world)
    store.maintain()
    (name,) = world.object_names()
    foreign = f"{name.partition('/')[0]}/notes.txt"
    if world.objects is not None:
        world.objects.blobs[foreign] = b"mine"
    else:
        (world.folder / "cold" / foreign).write_bytes(b"mine")
    (wrong,) = [f for f in store.check().findings if not f.ok]
    assert wrong.subject == "cold names"
    assert foreign in wrong.detail
    world.runtime.sleep(30 * DAY_S)
    store.maintain()
    assert foreign in world.object_names()


# maintain


def test_one_call_moves_all_that_is_due(memory_world):
    store = filled(memory_world, 2_500)
    assert store.maintain().ok
    assert store.stats()["moves"]["demoted"] == 2_500


def test_one_call_moves_as_far_as_the_budget_allows(memory_world):
    movement = {"interval": "1h", "budget": {"operations": "1/s"}}
    store = filled(memory_world, 5_000, movement=movement)
    assert store.maintain().ok
    first = store.stats()["moves"]["demoted"]
    assert 3_600 - 1_000 < first <= 3_600 + 1_000
    assert store.maintain().ok
    assert store.stats()["moves"]["demoted"] - first <= 1_000
    memory_world.runtime.sleep(HOUR_S)
    store.maintain()
    assert store.stats()["moves"]["demoted"] == 5_000


def test_one_call_sweeps_every_page(memory_world):
    world = memory_world
    store = filled(world)
    store.maintain()
    (name,) = world.object_names()
    info = world.region.connect(1.0)
    for _ in range(2_500):
        orphan = mint_name(world.runtime, info.region, info.incarnation, "seg")
        world.objects.blobs[orphan] = b"of a mover that crashed"
    world.runtime.sleep(8 * DAY_S)
    assert store.maintain().ok
    assert world.object_names() == [name]
    assert store.stats()["moves"]["swept"] == 2_500


def test_what_a_put_that_crashed_left_is_swept(tmp_path):
    world = World(tmp_path, is_memory=False)
    store = filled(world)
    store.maintain()
    (name,) = world.object_names()
    left = world.folder / "cold" / f"{name}.{'0' * 16}.tmp"
    left.write_bytes(b"half an object")
    world.runtime.sleep(6 * DAY_S)
    store.maintain()
    assert left.exists()
    world.runtime.sleep(2 * DAY_S)
    store.maintain()
    assert world.object_names() == [name]
    assert store.check().ok
    world.close()


def test_one_process_moves_and_the_next_need_not_wait(world):
    first, second = world.open(), world.open(tiers={**POLICY["tiers"], "edge": {"journal": "b"}})
    first.maintain()
    second.maintain()
    assert [s.stats()["moves"]["is_mover"] for s in (first, second)] == [True, False]
    first.close()
    second.maintain()
    assert second.stats()["moves"]["is_mover"] is True


# stats


def test_stats_tell_what_is_in_the_cold_tier(world):
    store = filled(world, 4)
    store.put("product/large", b"x" * 200_000)
    store.flush()
    store.maintain()
    cold = store.stats()["cold"]
    assert (cold["objects"], cold["dead_objects"], cold["live_ratio"]) == (2, 0, 1.0)
    assert cold["bytes"] >= 100
    store.put("product/0", 1)
    store.delete("product/large")
    store.flush()
    cold = store.stats()["cold"]
    assert (cold["objects"], cold["dead_objects"], cold["live_ratio"]) == (2, 1, 3 / 5)
    world.runtime.sleep(8 * DAY_S)
    store.maintain()
    stats = store.stats()
    assert stats["moves"]["swept"] == 1
    assert stats["cold"]["dead_objects"] == 0


def test_stats_count_reads_that_an_object_answered(world):
    store = filled(world)
    store.maintain()
    store.get("product/1", max_age=0)
    assert store.stats()["counts"]["cold"] == 1
    assert store.read("product/2", max_age=0).tier == "cold"


# Other regions, other tiers


def test_a_region_that_cannot_move_keys_is_lived_with(memory_world):
    world = memory_world
    world.region = PlainRegion(world.region)
    store = filled(world)
    (failure,) = store.maintain().failures
    assert "this region cannot move keys" in str(failure)
    explanation = store.explain("product/1")
    assert (explanation.home, explanation.wanted) == ("regional", "cold")
    stats = store.stats()
    assert (stats["moves"]["waiting"], stats["cold"]["objects"]) == (None, None)
    assert store.check().ok


def test_a_key_that_must_not_stand_in_the_region_leaves_it(memory_world):
    rule = {"match": "away/**", "place": {"never": ["regional"]}}
    store = memory_world.open(rules=[rule])
    store.put("away/1", 1)
    store.maintain()
    explanation = store.explain("away/1")
    assert (explanation.home, explanation.wanted, explanation.cold_per_s) == ("cold", None, "never")
    assert "place keeps it out of the region: home is the cold tier" in explanation.reasons
    assert store.get("away/1") == 1


def test_stats_do_not_wait_for_a_region_that_is_away(memory_world):
    world = memory_world
    world.region = FaultyRegion(world.region, world.plan)
    store = world.open()
    world.plan.is_region_down = True
    assert store.stats()["moves"]["waiting"] is None
    assert store.stats()["region"]["reachable"] is False


def test_a_store_in_memory_has_a_cold_tier_in_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runtime = ManualRuntime()
    rule = {"match": "**", "hotness": {"cold": "1/d"}, "min_residency": {"regional": "0s"}}
    with memory_store({"rules": [rule]}, runtime=runtime) as store:
        store.put("k", "x" * 1000)
        store.maintain()
        assert store.explain("k").home == "cold"
    assert list(tmp_path.iterdir()) == []
