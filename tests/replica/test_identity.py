"""Clocks, retirement, restored and foreign regions: what a replica does when it no longer fits."""

from __future__ import annotations

import copy
import shutil

import pytest

from tierstore.errors import FencedError, UnavailableError
from tierstore.record import COUNTER, Record
from tierstore.region.batch import PUT, Delta, freeze
from tierstore.stamp import at_ms
from tierstore.testing import Crash, ManualRuntime
from tierstore.values import encode

KEY = "jrn/k"
DAY_S = 86_400.0
HORIZON_S = 7 * DAY_S


def clone(region):
    """What a backup of a region holds."""
    twin = type(region)(region._runtime, region._limits)
    twin._info = region._info
    twin._position, twin._floor = region._position, region._floor
    twin._replicas = copy.deepcopy(region._replicas)
    twin._held, twin._aside = list(region._held), dict(region._aside)
    twin.rows = dict(region.rows)
    return twin


# Clocks


class TestAhead:
    """A replica whose clock runs two minutes ahead, twice what the region takes."""

    @pytest.fixture
    def ahead(self, make_node, runtime):
        node = make_node("ahead")
        node.store.put(KEY, "ahead")
        return node

    @pytest.fixture(autouse=True)
    def clocks(self, runtime, region):
        region._now_ms = lambda: runtime.time_ns() // 1_000_000 - 120_000

    def test_its_write_is_held_and_stays_visible_to_itself_only(self, ahead, make_node, region):
        ahead.store.flush()
        assert region.value(KEY) is None
        assert ahead.store.stats()["outbox"]["held"] == 1
        assert ahead.store.get(KEY) == "ahead"
        ahead.state.edge.clear_clean()
        assert ahead.store.get(KEY) == "ahead"
        assert [entry.key for entry in ahead.store.scan()] == [KEY]
        assert make_node("other").store.get(KEY) is None

    def test_it_refuses_further_writes_and_names_the_skew(self, ahead):
        ahead.store.flush()
        with pytest.raises(UnavailableError, match=r"\+120\.0 s off the region's"):
            ahead.store.put(KEY, "more")
        assert ahead.store.get(KEY) == "ahead"

    def test_it_writes_again_once_its_clock_is_right(self, ahead, runtime, region):
        ahead.store.flush()
        ahead.state.edge.clear_clean()  # nothing to pull for, nor to flush
        with pytest.raises(UnavailableError):
            ahead.store.put("far/k", "refused")
        region._now_ms = lambda: runtime.time_ns() // 1_000_000
        runtime.advance(61)
        ahead.store.put("far/k", "taken")
        assert region.value("far/k") == encode("taken")

    def test_the_write_is_merged_when_its_time_has_come(self, ahead, runtime, region):
        ahead.store.flush()
        runtime.sleep(119)
        region.maintain(100, 1.0)
        assert region.value(KEY) is None
        runtime.sleep(1)
        region.maintain(100, 1.0)
        assert region.value(KEY) == encode("ahead")
        ahead.pull()
        assert ahead.store.stats()["outbox"]["held"] == 0

    def test_a_held_write_does_not_hide_a_newer_one_for_ever(self, ahead, runtime, region):
        ahead.store.flush()
        ahead.state.edge.clear_clean()
        runtime.sleep(200)
        region.maintain(100, 1.0)
        record = Record(ahead.state.clock.last + at_ms(500_000), 7, encode("newer"))
        region.register(7, 1.0)
        region._now_ms = lambda: runtime.time_ns() // 1_000_000 + 10_000_000
        region.apply(freeze(7, 1, b"", [Delta(KEY, PUT, record)], []), 1.0)
        assert ahead.store.get(KEY) == "newer"

    def test_it_survives_a_restart(self, ahead, runtime, region):
        ahead.store.flush()
        ahead.crash()
        ahead.open()
        assert ahead.store.get(KEY) == "ahead"
        runtime.sleep(120)
        region.maintain(100, 1.0)
        assert ahead.store.get(KEY) == "ahead"
        assert region.value(KEY) == encode("ahead")

    def test_a_touch_of_a_held_write_does_not_take_its_place(self, ahead, runtime):
        ahead.plan.is_region_down = True
        for ttl in (None, 1000):
            if ttl is not None:
                ahead.store.touch(KEY, ttl=ttl)
            with pytest.raises(UnavailableError):
                ahead.store.flush()
        ahead.plan.is_region_down = False
        ahead.store.flush()
        ahead.state.edge.clear_clean()
        reading = ahead.store.read(KEY)
        assert reading.value == "ahead"
        assert reading.expires_at is not None


def test_a_write_by_an_older_clock_loses_and_its_writer_shows_the_winner(make_node, runtime):
    winner, loser = make_node("winner"), make_node("loser")
    loser.store.put(KEY, "older")
    runtime.sleep(1)
    winner.store.put(KEY, "newer")
    winner.store.flush()
    assert loser.store.get(KEY) == "older"
    loser.store.flush()
    assert loser.store.get(KEY) == "newer"
    assert loser.store.stats()["counts"]["lost_races"] == 1


def test_a_write_after_reading_wins_though_its_clock_is_behind(make_node, region, runtime):
    ahead = at_ms(runtime.time_ns() // 1_000_000 + 50_000)
    region.register(7, 1.0)
    region.apply(freeze(7, 1, b"", [Delta(KEY, PUT, Record(ahead, 7, encode("ahead")))], []), 1.0)
    node = make_node()
    assert node.store.get(KEY) == "ahead"
    node.store.put(KEY, "behind")
    node.store.flush()
    assert region.value(KEY) == encode("behind")


def test_no_version_repeats_when_the_clock_goes_back_over_a_restart(node, runtime):
    node.store.put(KEY, 1)
    first = node.store.read(KEY).version
    node.store.flush()
    node.crash()
    runtime.jump(-30)
    node.open()
    node.store.put(KEY, 2)
    assert node.store.get(KEY) == 2
    assert node.store.read(KEY).version != first
    node.store.flush()
    assert node.region.value(KEY) == encode(2)


# Silence


def test_a_silent_replica_is_retired_and_comes_back_as_another(make_node, runtime, region):
    silent, other = make_node("silent"), make_node("other")
    silent.store.put(KEY, "old")
    silent.store.put("jrn/mine", "mine")
    silent.store.flush()
    old_id = silent.state.replica
    silent.plan.is_region_down = True
    silent.store.put("jrn/stuck", "stuck")
    with pytest.raises(UnavailableError):
        silent.store.flush()
    runtime.sleep(1)  # so that the deletion is the later write, whichever id is higher
    other.store.delete(KEY)
    other.store.flush()
    runtime.sleep(HORIZON_S + 1)
    assert region.maintain(100, 1.0).retired >= 1
    runtime.sleep(DAY_S)
    other.store.put("jrn/alive", 1)
    other.store.flush()
    region.maintain(100, 1.0)
    silent.crash()
    silent.open()
    assert silent.state.replica in (old_id, silent.state.replica)
    silent.store.put("jrn/new", "new")
    silent.store.flush()
    assert silent.state.replica != old_id
    assert silent.store.get(KEY) is None
    assert silent.store.get("jrn/stuck") is None
    assert silent.store.get("jrn/new") == "new"
    kept = {(entry.kind, entry.key) for entry in region.aside(100, 1.0)}
    assert ("retired", "jrn/stuck") in kept
    assert region.value("jrn/stuck") is None
    assert region.value("jrn/new") == encode("new")
    assert not silent.store.check().ok


def test_tombstones_outlive_whoever_may_still_send_something_older(make_node, runtime, region):
    node = make_node()
    node.store.put(KEY, 1)
    node.store.delete(KEY)
    node.store.flush()
    other = make_node("other")
    other.store.get("jrn/x")
    runtime.sleep(6 * DAY_S)
    for one in (node, other):
        one.pull()
        one.store._core.replica._acknowledge()
    assert region.maintain(100, 1.0).collected == 0
    runtime.sleep(1.1 * DAY_S)
    assert region.maintain(100, 1.0).collected == 1
    assert node.store.get(KEY) is None


def test_a_cursor_below_what_was_collected_starts_again(make_node, runtime, region):
    node, other = make_node(), make_node("other")
    other.store.put(KEY, 1)
    other.store.flush()
    assert node.store.get(KEY) == 1
    other.store.delete(KEY)
    other.store.flush()
    region._floor = region._position + 1
    region._position += 1
    region.rows.clear()
    node.pull()
    assert KEY not in node.state.edge.resident
    assert node.store.get(KEY) is None


# What is never merged


def test_writes_from_before_the_horizon_are_kept_aside(make_node, runtime, region):
    node = make_node()
    node.store.put(KEY, "ancient")
    node.plan.is_region_down = True
    runtime.sleep(HORIZON_S + 1)
    node.store.put("jrn/recent", "recent")
    node.plan.is_region_down = False
    node.store.flush()
    assert region.value(KEY) is None
    assert region.value("jrn/recent") == encode("recent")
    assert [(entry.kind, entry.key) for entry in region.aside(10, 1.0)] == [("aside", KEY)]
    assert node.store.get(KEY) is None
    assert node.store.stats()["outbox"]["quarantined"] == 1


def test_a_poisoned_write_is_quarantined_and_the_rest_of_its_batch_is_not(node, region, runtime):
    stamp = at_ms(runtime.time_ns() // 1_000_000)
    region.register(7, 1.0)
    node.store.get(KEY)
    node.store.flush()
    row = Record(stamp - 1, 7, encode(1))
    region.apply(freeze(7, 1, b"", [Delta(KEY, PUT, row)], []), 1.0)
    region.rows[KEY].record.type = COUNTER
    node.store.put_many({KEY: "poison", "jrn/fine": "fine"})
    node.store.flush()
    assert region.value("jrn/fine") == encode("fine")
    assert [(entry.kind, entry.key) for entry in region.aside(10, 1.0)] == [("quarantined", KEY)]
    assert node.store.stats()["outbox"]["quarantined"] == 1
    assert not node.store.check().ok


@pytest.mark.parametrize("kind", ["lost", "crash after"])
def test_what_a_lost_answer_refused_is_learned_from_its_repetition(node, region, kind):
    node.store.put(KEY, 1)
    node.store.flush()
    region.rows[KEY].record.type = COUNTER
    node.store.put(KEY, "poison")
    node.plan.arm(2, kind)
    with pytest.raises(UnavailableError if kind == "lost" else Crash):
        node.store.flush()
    assert node.plan.fired == "region.apply"
    node.crash()
    node.open()
    node.store.flush()
    assert node.store.stats()["outbox"]["quarantined"] == 1


def test_a_quarantined_regional_write_is_reported_to_its_writer(node, region):
    node.store.put("reg/k", 1)
    region.rows["reg/k"].record.type = COUNTER
    with pytest.raises(FencedError, match="check"):
        node.store.put("reg/k", 2)


# The wrong region, the wrong journal


def test_a_region_restored_from_an_older_backup_is_refused(make_node, region):
    node = make_node()
    node.store.put(KEY, 1)
    node.store.flush()
    backup = clone(region)
    node.store.put(KEY, 2)
    node.store.flush()
    node.store.put("jrn/unflushed", 3)
    node.crash()
    node.region = backup
    node.open()
    with pytest.raises(FencedError, match="restored from a backup"):
        node.store.flush()
    assert node.store.get("jrn/unflushed") == 3
    assert backup.value(KEY) == encode(1)
    node.crash()
    node.region = region
    node.open()
    node.store.flush()
    assert region.value("jrn/unflushed") == encode(3)


def test_a_region_that_begins_a_new_life_under_way_is_met_anew(node, region):
    node.store.put(KEY, 1)
    node.store.flush()
    region._info = type(region._info)(region._info.region, 2)
    node.store.put(KEY, 2)
    with pytest.raises(UnavailableError, match="another life"):
        node.store.flush()
    assert node.store.get(KEY) == 2
    node.store.flush()
    assert region.value(KEY) == encode(2)


def test_a_region_without_this_replica_is_refused(node, region):
    node.store.put(KEY, 1)
    node.store.flush()
    region._replicas.clear()
    node.store.put(KEY, 2)
    with pytest.raises(FencedError, match="does not know this replica"):
        node.store.flush()
    assert node.store.get(KEY) == 2
    node.crash()
    node.open()
    with pytest.raises(FencedError, match="restored from a backup"):
        node.store.flush()


def test_a_journal_goes_to_no_other_region(make_node, make_region):
    node = make_node()
    node.store.put(KEY, 1)
    node.store.flush()
    node.store.put(KEY, 2)
    node.crash()
    home, node.region = node.region, make_region()
    node.open()
    with pytest.raises(UnavailableError, match="the journal belongs to region"):
        node.store.flush()
    assert node.region.kept == []
    node.crash()
    node.region = home
    node.open()
    node.store.flush()
    assert home.value(KEY) == encode(2)


@pytest.mark.parametrize("flushed", [0, 1, 2])
def test_a_copied_journal_loses_nothing_silently(make_node, region, flushed):
    node = make_node("original")
    node.store.put("jrn/first", 1)
    node.store.flush()
    node.crash()
    shutil.copytree(node.folder, node.folder.parent / "copy")
    node.open()
    for number in range(flushed):
        node.store.put(KEY, number)
        node.store.flush()
    twin = make_node("copy")
    twin.store.put(KEY, "twin")
    twin.plan.is_region_down = True
    with pytest.raises(UnavailableError):
        twin.store.flush()
    twin.crash()
    twin.open()
    if flushed:
        with pytest.raises(FencedError):
            twin.store.flush()
        assert twin.store.get(KEY) == "twin"
    else:
        twin.store.flush()
        assert region.value(KEY) == encode("twin")


def test_an_orphan_that_is_refused_does_not_hold_up_the_next(make_node, second_node, region):
    first, second, heir = (make_node("shared") for _ in range(3))
    for node, key in ((first, "jrn/1"), (second, "jrn/2"), (heir, "jrn/3")):
        node.store.put(key, key)
        node.store.flush()
        node.store.put(key, "unflushed")
    first_id = first.state.replica
    first.crash()
    second.crash()
    region._replicas[first_id].applied = 0
    assert heir.adopt() == 1
    assert region.value("jrn/1") == encode("jrn/1")
    assert region.value("jrn/2") == encode("unflushed")
    assert not heir.store.check().ok


def test_an_identity_is_never_in_two_files(new_node):
    node = new_node()
    node.plan.arm(1, "lost")
    with pytest.raises(UnavailableError):
        node.store.put(KEY, 1)
    assert node.plan.fired.startswith("journal.")
    node.store.put(KEY, 2)
    assert len(list(node.folder.glob("journal/*.journal"))) == 1


def test_runtimes_of_the_tests_do_not_share_identities():
    assert ManualRuntime(seed=1).random_bytes(8) != ManualRuntime(seed=2).random_bytes(8)


class TestTwoClocks:
    """Two clocks within drift of the region's, but almost twice that apart."""

    @pytest.fixture
    def region(self, region, runtime):
        region._now_ms = lambda: runtime.time_ns() // 1_000_000 + region.offset_ms
        region.offset_ms = 0
        return region

    def test_a_put_after_reading_the_faster_clocks_write_wins(self, make_node, runtime, region):
        region.offset_ms = -55_000  # the writer runs ahead …
        ahead = make_node("ahead")
        ahead.store.put(KEY, "ahead")
        ahead.store.flush()
        runtime.jump(-110)
        region.offset_ms = 55_000  # … and the reader behind
        behind = make_node("behind")
        assert behind.store.get(KEY) == "ahead"
        behind.store.put(KEY, "behind")
        assert behind.store.get(KEY) == "behind"
        behind.store.flush()
        assert region.value(KEY) == encode("behind")


def test_a_process_that_slept_past_the_horizon_loses_nothing_it_wrote_since(
    make_node, runtime, region
):
    sleeper, other = make_node("sleeper"), make_node("other")
    sleeper.store.put(KEY, "before")
    sleeper.store.flush()
    runtime.sleep(HORIZON_S + 1)
    other.store.put("jrn/other", 1)
    other.store.flush()
    assert region.maintain(100, 1.0).retired == 1
    sleeper.store.put("jrn/since", "since")
    sleeper.store.flush()
    assert region.value("jrn/since") == encode("since")
    assert region.aside(10, 1.0) == []


def test_the_journal_forgets_what_is_no_longer_held(make_node, runtime, region):
    region._now_ms = lambda: runtime.time_ns() // 1_000_000 - 120_000
    node = make_node("ahead")
    node.store.put(KEY, "ahead")
    node.store.flush()
    runtime.sleep(120)
    region._now_ms = lambda: runtime.time_ns() // 1_000_000
    region.maintain(100, 1.0)
    node.pull()
    node.store.put("jrn/next", 1)
    node.store.flush()
    node.crash()
    node.open()
    assert node.store.get(KEY) == "ahead"
    assert node.store.stats()["outbox"]["held"] == 0


def test_touches_at_one_stamp_end_alike_everywhere(make_node, runtime):
    left, right = make_node("left"), make_node("right")
    left.store.put(KEY, 1)
    left.store.flush()
    assert right.store.get(KEY) == 1
    assert left.store.touch(KEY, ttl=None)
    assert right.store.touch(KEY, ttl=1)
    assert left.state.edge.resident[KEY].touch == right.state.edge.resident[KEY].touch
    for first, second in (left, right), (right, left):
        first.store.flush()
        second.store.flush()
    for node in left, right:
        node.pull()
    assert left.store.read(KEY).expires_at == right.store.read(KEY).expires_at
