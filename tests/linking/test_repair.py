"""Anti-entropy: what differs behind the links' backs is found and mended."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from linked import World

from tierstore.linking.repair import Repair

BOTH = (("A", "B"), ("B", "A"))


def repaired(world):
    """One round in both directions; how many ranges differed."""
    found = 0
    for pair in BOTH:
        repair = Repair(world.link(*pair))
        while repair.step():
            pass
        assert repair.rounds == 1
        found += repair.differing
    return found


def filled(count=30):
    world = World()
    for number in range(count):
        world.put("A", f"k/{number:04}", b"x")
        world.add("B", f"c/{number:04}", number)
    world.settle(*BOTH)
    return world


def test_equal_regions_exchange_fingerprints_and_nothing_else():
    world = filled()
    for flaky in world.regions.values():
        flaky.calls.clear()
    assert repaired(world) == 0
    assert world.regions["A"].calls == world.regions["B"].calls == ["fingerprint"] * 2


def test_a_wiped_region_is_filled_again():
    world = filled()
    kept = world.records("A")
    world.rows("B").clear()
    assert repaired(world)
    world.settle(*BOTH)
    assert world.records("A") == world.records("B") == kept


@given(st.data())
def test_any_planted_divergence_is_mended(data):
    world = filled(6)
    keys = sorted(world.rows("A"))
    for key in data.draw(st.sets(st.sampled_from(keys))):
        name = data.draw(st.sampled_from("AB"))
        if data.draw(st.booleans()):
            del world.rows(name)[key]
        else:
            _write_behind(world, name, key)
    repaired(world)
    world.settle(*BOTH)
    assert world.records("A") == world.records("B")
    assert set(world.rows("A")) >= {key for key in keys if key in world.rows("B")}


def _write_behind(world, name, key):
    """A write that the feed does not tell of: the position of its row stays."""
    rows = world.rows(name)
    if key not in rows:
        return
    position = rows[key].position
    if key.startswith("k/"):
        world.put(name, key, b"y")
    else:
        world.add(name, key, 100)
    rows[key] = replace(rows[key], position=position)


def test_ranges_of_unequal_size_are_compared_whole():
    world = filled(10)
    for number in range(3000):
        world.put("B", f"m/{number:04}", b"x")
    rows = world.rows("B")
    for key in [key for key in rows if key.startswith("m/")]:
        rows[key] = replace(rows[key], position=1)
    assert repaired(world)
    assert len(world.rows("A")) == len(world.rows("B"))
    assert repaired(world) == 0
