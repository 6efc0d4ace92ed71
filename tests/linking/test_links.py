"""Links: what one region has, the other one gets; nothing twice, nothing for ever."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linked import DRIFT_MS, HORIZON_MS, World

from tierstore.errors import FencedError, OutcomeUnknownError, PolicyError, UnavailableError
from tierstore.linking.link import Link
from tierstore.linking.repair import Repair
from tierstore.record import COUNTER, SET

BOTH = (("A", "B"), ("B", "A"))
CHAIN = (("A", "B"), ("B", "A"), ("B", "C"), ("C", "B"))
FAULTS = (UnavailableError, OutcomeUnknownError)


def test_a_register_that_one_region_wrote_is_in_the_other(world):
    world.put("A", "k", b"1")
    world.settle(*BOTH)
    assert world.records("A") == world.records("B")
    assert world.rows("B")["k"].record.payload == b"1"


def test_counters_add_up(world):
    for name, number in (("A", 3), ("B", 4), ("A", -1)):
        world.add(name, "c", number)
        world.settle(BOTH[0])
    world.settle(*BOTH)
    assert (world.count("A", "c"), world.count("B", "c")) == (6, 6)
    assert world.records("A") == world.records("B")


def test_what_one_adds_while_the_other_discards_it_stays(world):
    world.add_element("A", "s", "x")
    world.settle(*BOTH)
    world.discard("A", "s", "x")
    world.add_element("B", "s", "x")
    world.settle(*BOTH)
    assert world.elements("A", "s") == world.elements("B", "s") == {"x"}


def test_an_idle_link_asks_once_a_step_and_moves_nothing(world):
    for key in range(50):
        world.add("A", f"c/{key}", 1)
    world.settle(*BOTH)
    for flaky in world.regions.values():
        flaky.calls.clear()
    for _ in range(10):
        assert not world.link("A", "B").step()
    assert world.regions["A"].calls == ["changes"] * 10
    assert world.regions["B"].calls == []


def test_what_comes_back_is_not_read_again(world):
    world.put("A", "k", b"1")
    world.settle(*BOTH)
    world.put("A", "k", b"2")
    world.link("A", "B").step()
    world.regions["B"].calls.clear()
    world.link("B", "A").step()
    assert "read" not in world.regions["B"].calls


def test_a_new_region_gets_everything_page_after_page(world):
    for key in range(2500):
        world.put("A", f"k/{key:04}", b"x")
    assert world.link("A", "B").step()
    assert 0 < len(world.rows("B")) < 2500
    world.links.clear()  # another process goes on
    world.settle(BOTH[0])
    assert world.records("A") == world.records("B")


def test_what_changes_while_all_is_read_is_not_missed(world):
    for key in range(2500):
        world.put("A", f"k/{key:04}", b"x")
    link = world.link("A", "B")
    link.step()
    world.put("A", "k/0000", b"y")
    world.put("A", "k/9999", b"z")
    world.settle(BOTH[0])
    assert world.records("A") == world.records("B")


@given(st.data())
def test_regions_converge_whatever_happens(data):
    """Any writes at three regions in a row, links that fail anywhere: the same rows in the end."""
    world = World("ABC")
    sums = {}
    key = st.sampled_from("ab")
    for _ in range(data.draw(st.integers(1, 25))):
        name, at = data.draw(st.sampled_from("ABC")), data.draw(st.integers(0, 1))
        deed = data.draw(st.sampled_from(("put", "delete", "add", "element", "discard", "reset",
                                          "link", "link", "fault")))  # fmt: skip
        drawn = data.draw(key)
        if deed == "put":
            world.put(name, f"r/{drawn}", data.draw(st.binary(min_size=1, max_size=2)), at=at)
        elif deed == "delete":
            world.put(name, f"r/{drawn}", None, at=at)
        elif deed == "add":
            number = data.draw(st.integers(-9, 9))
            world.add(name, f"c/{drawn}", number, at=at)
            sums[drawn] = sums.get(drawn, 0) + number
        elif deed == "element":
            world.add_element(name, f"s/{drawn}", data.draw(key), at=at)
        elif deed == "discard":
            world.discard(name, f"s/{drawn}", data.draw(key), at=at)
        elif deed == "reset":
            world.reset(name, f"t/{drawn}", COUNTER if at else SET, at=at)
        elif deed == "link":
            _try_step(world.link(*data.draw(st.sampled_from(CHAIN))))
        else:
            nth = len(world.regions[name].calls) + data.draw(st.integers(1, 6))
            world.regions[name].arm(nth, is_after=data.draw(st.booleans()))
    for flaky in world.regions.values():
        flaky.left = None
    world.settle(*CHAIN)
    plain = {
        name: {k: v for k, v in world.records(name).items() if not k.startswith("t/")}
        for name in "ABC"
    }
    assert plain["A"] == plain["B"] == plain["C"]
    for drawn, total in sums.items():
        assert [world.count(name, f"c/{drawn}") for name in "ABC"] == [total] * 3


def _try_step(link: Link) -> None:
    with suppress(*FAULTS):
        link.step()


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("where", ["A", "B"])
def test_a_link_goes_on_after_a_fault_at_any_call(where, is_after):
    nth = fired = 0
    while True:
        nth += 1
        world = World()
        for number in range(3):
            world.add("A", "c", 1)
            world.put("A", f"k/{number}", b"x")
        world.regions[where].calls.clear()
        world.regions[where].arm(nth, is_after=is_after)
        for _ in range(8):
            _try_step(world.link("A", "B"))
            world.add("A", "c", 1)
            world.runtime.advance(2)
        if world.regions[where].left is not None:
            break
        fired += 1
        world.settle(*BOTH)
        assert world.records("A") == world.records("B"), f"call {nth} of {where}"
        assert not world.regions["A"].inner.peers(1)[0].is_late, f"call {nth} of {where}"
    assert fired >= 6


def test_the_source_keeps_tombstones_until_the_target_has_them(world):
    world.put("A", "k", b"1")
    world.settle(*BOTH)
    old = world.position("A")
    reader = world.regions["B"].inner.peers(2.0)[0].replica
    world.put("A", "k", None)
    for _ in range(20):  # the link is heard of, and is behind
        world.runtime.advance(HORIZON_MS / 1000 / 10)
        for at in range(2):
            world.senders["A", at].acknowledge(world.position("A"))
        world.regions["A"].inner.acknowledge(reader, old, 2.0)
        assert world.regions["A"].maintain(100, 2.0).collected == 0
    world.settle(*BOTH)
    world.runtime.advance(2)
    world.link("A", "B").step()
    assert world.rows("B")["k"].record.payload is None
    assert world.regions["A"].maintain(100, 2.0).collected == 1


def away_for_too_long(world):
    """B has not heard of A's deletion of "old" when A forgets it."""
    world.put("A", "old", b"1")
    world.settle(*BOTH)
    world.put("A", "old", None)
    for _ in range(20):
        world.runtime.advance(HORIZON_MS / 1000 / 10)
        for at in range(2):
            world.senders["A", at].acknowledge(world.position("A"))
        world.regions["A"].maintain(100, 2.0)
    assert "old" not in world.rows("A")
    assert world.rows("B")["old"].record.payload == b"1"


def test_who_was_away_for_longer_than_the_horizon_resurrects_nothing(world):
    away_for_too_long(world)
    world.put("A", "new", b"a")
    world.senders["B", 0] = type(world.senders["B", 0])(world.regions["B"], 99, world.runtime)
    world.put("B", "late", b"b")
    for pairs in ((BOTH[1], BOTH[0]), BOTH):  # whichever link comes back first
        world.settle(*pairs)
        assert "old" not in world.rows("A")
    repair = Repair(world.link("B", "A"))
    while repair.step():
        pass
    assert "old" not in world.rows("A")
    assert world.rows("A")["late"].record.payload == b"b"
    assert world.rows("B")["new"].record.payload == b"a"
    (kept,) = {entry.key for entry in world.regions["A"].aside(10, 2.0) if entry.kind == "late"}
    assert kept == "old"
    assert world.regions["A"].peers(2.0)[0].is_late


def test_who_is_trusted_again_brings_what_it_has(world):
    away_for_too_long(world)
    world.settle(*BOTH)
    region = world.regions["B"].inner.connect(1.0).region
    assert world.regions["A"].trust(region, 2.0)
    assert not world.regions["A"].trust(region, 2.0)
    repair = Repair(world.link("B", "A"))
    while repair.step():
        pass
    assert world.rows("A")["old"].record.payload == b"1"


def test_clocks_that_are_too_far_apart_are_refused(world):
    region = world.regions["B"].inner
    ahead_ms = region._now_ms() + DRIFT_MS + 1000
    region._now_ms = lambda: ahead_ms
    with pytest.raises(UnavailableError, match="61 s apart"):
        world.link("A", "B").step()


def test_a_link_of_a_region_with_itself_is_refused(world):
    world.regions["B"] = world.regions["A"]
    with pytest.raises(PolicyError, match="'A' and 'B' are the same region"):
        world.link("A", "B").step()


def test_a_source_that_was_restored_and_goes_on_is_refused(world):
    for number in range(5):
        world.put("A", f"k/{number}", b"x")
    world.settle(*BOTH)
    world.regions["A"].inner._position -= 2
    for link in (world.link("A", "B"), Link(world.end("A"), world.end("B"), world.runtime, 60_000)):
        with pytest.raises(FencedError, match="tierstore region reincarnate"):
            link.step()


def test_damage_at_the_source_keeps_nothing_else_back(world):
    world.put("A", "k", b"1")
    world.put("A", "bad", b"2")
    inner = world.regions["A"].inner
    read = inner.read

    def damaged(keys, replica, timeout_s):
        reply = read(keys, replica, timeout_s)
        if reply.rows.pop("bad", None):
            reply.corrupt["bad"] = "its row fails its checksum"
        return reply

    inner.read = damaged
    world.settle(BOTH[0])
    link = world.link("A", "B")
    assert set(world.rows("B")) == {"k"}
    assert link.tally.corrupt == 1


def test_lag_is_told_in_positions_and_seconds(world):
    world.settle(*BOTH)
    link = world.link("A", "B")
    now_s = world.runtime.monotonic()
    assert link.current_s == now_s
    world.runtime.advance(5)
    world.put("A", "k", b"1")
    link.step()
    assert (link.position, link.current_s) == (world.position("A"), now_s + 5)
