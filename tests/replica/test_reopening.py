"""What a process writes after opening a store again is later than what it wrote and read before."""

from __future__ import annotations

import pytest

import tierstore
from tierstore.errors import UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta, freeze
from tierstore.runtime import Watermark
from tierstore.stamp import at_ms
from tierstore.testing import ManualRuntime
from tierstore.values import encode

KEY = "jrn/k"
DRIFT_MS = 60_000


@pytest.fixture
def pair(make_node, second_node):
    """Two stores over one journal folder; the first has the file that is taken first."""
    first = make_node()
    first.store.put("jrn/first", 1)
    second = second_node(first)
    second.store.put("jrn/second", 2)
    for node in (first, second):
        node.store.flush()
    return first, second


def put_newest(node):
    node.store.put(KEY, "newest")
    node.store.flush()
    assert node.store.get(KEY, max_age=0) == "newest"
    assert node.region.value(KEY) == encode("newest")


def write_elsewhere(region, runtime, ahead_ms):
    stamp = at_ms(runtime.time_ns() // 1_000_000 + ahead_ms)
    region.register(7, 1.0)
    region.apply(freeze(7, 1, b"", [Delta(KEY, PUT, Record(stamp, 7, encode("theirs")))], []), 1.0)


@pytest.mark.parametrize("is_flushed", [True, False])
def test_a_write_under_another_identity_is_later_within_one_millisecond(pair, is_flushed):
    first, second = pair
    for number in range(9):
        second.store.put(KEY, number)
    old = second.state.replica
    if is_flushed:
        first.store.close()
        second.store.close()
    else:
        first.store.put("jrn/first", "not flushed")
        first.crash()
        second.crash()
    second.open()
    second.store.put(KEY, "newest")
    assert second.state.replica != old
    second.adopt()
    second.store.flush()
    assert second.store.get(KEY, max_age=0) == "newest"
    assert second.region.value(KEY) == encode("newest")


def test_a_write_is_later_though_the_file_with_the_last_stamp_is_in_use(pair):
    first, second = pair
    second.store.put(KEY, "old")
    for number in range(9):
        second.store.put("jrn/other", number)
        second.store.put(KEY, number)
    second.store.flush()
    first.store.close()
    first.open()
    first.store.get("jrn/none")
    first.store.put(KEY, "first")
    first.store.flush()
    assert first.region.value(KEY) == encode("first")


def test_a_blind_write_is_later_than_what_was_read_before(pair, region, runtime):
    first, second = pair
    write_elsewhere(region, runtime, 50_000)
    assert second.store.get(KEY) == "theirs"
    first.store.close()
    second.store.close()
    second.open()
    put_newest(second)


def test_a_clock_that_was_wrong_drags_no_other_identity_along(pair, runtime, region):
    first, second = pair
    runtime.jump(365 * 86_400)
    second.store.put("mem/k", "far ahead")
    second.crash()
    second.open()
    second.store.put("jrn/second", "far ahead")
    first.store.close()
    second.store.close()
    runtime.jump(-365 * 86_400)
    first.open()
    put_newest(first)
    ahead_ms = (first.state.clock.last >> 16) - runtime.time_ns() // 1_000_000
    assert ahead_ms <= 2 * DRIFT_MS


def test_stores_without_a_journal_that_one_process_opens_in_turn_keep_its_order(tmp_path):
    runtime = ManualRuntime(seed=1)
    policy = {"version": 1, "tiers": {"edge": {"journal": "none"}}}
    policy["rules"] = [{"match": "**", "durability": "memory"}]

    def reopen():
        return tierstore.open(policy, base_dir=tmp_path, runtime=runtime)

    for turn in range(5):
        with reopen() as store:
            for number in range(9 - turn):
                store.put("k", f"{turn}/{number}")
        with reopen() as store:
            assert store.get("k") == f"{turn}/{8 - turn}"


def test_a_watermark_is_the_highest_of_all_clocks_there_are_and_were():
    class Clock:
        def __init__(self, last):
            self.last = last

    mark, low, high = Watermark(), Clock(3), Clock(5)
    assert mark.join(low) == 3
    assert mark.join(high) == 5
    high.last = 9
    mark.leave(high)
    mark.leave(high)
    assert mark.join(Clock(1)) == 9
    low.last = 11
    assert mark.join(Clock(1)) == 11


def test_a_process_that_takes_over_goes_back_to_no_older_write(node, second_node, runtime):
    """Of two unflushed writes the newer one was beaten, and the older one was already frozen."""
    other = second_node(node, "other")
    node.store.put("jrn/k", "older")
    assert not node.store.exists("jrn/none")  # registers, without which nothing is frozen
    node.plan.is_region_down = True
    with pytest.raises(UnavailableError):
        node.store.flush()
    node.store.put("jrn/k", "newer")
    runtime.sleep(0.01)
    other.store.put("jrn/k", "theirs")
    other.store.flush()
    node.plan.is_region_down = False
    assert node.store.get("jrn/k", max_age=0) == "theirs"
    node.store.put("jrn/other", 1)
    node.plan.is_region_down = True
    with pytest.raises(UnavailableError):
        node.store.flush()
    node.crash()
    node.open()
    node.plan.is_region_down = True
    assert node.store.get("jrn/k") == "newer"
    node.plan.is_region_down = False
    node.store.flush()
    node.pull()
    assert node.store.get("jrn/k", max_age=0) == "theirs"


def test_the_last_of_several_writes_in_a_journal_is_the_one_that_counts(
    make_node, region, monkeypatch
):
    """Also where an older batch of the key waits, and no copy stays in memory."""
    node = make_node(tiers={"edge": {"capacity": "1B"}})
    assert not node.store.exists("jrn/none")
    node.plan.is_region_down = True
    for value in ("first", "second", "third"):
        node.store.put("jrn/k", value)
        if value == "first":
            with pytest.raises(UnavailableError):
                node.store.flush()
    node.crash()
    node.open()
    node.plan.is_region_down = False
    shown = []
    apply = region.apply

    def look_and_apply(batch, timeout_s):
        shown.append(node.store.get("jrn/k"))
        return apply(batch, timeout_s)

    monkeypatch.setattr(region, "apply", look_and_apply)
    node.store.flush()
    shown.append(node.store.get("jrn/k"))
    assert shown
    assert set(shown) == {"third"}
