"""What a link reads of a region: in portions, with what lies in objects, and not what is strong."""

from __future__ import annotations

from dataclasses import replace

from linked import World

from tierstore.linking.ends import KEYS_MAX, PORTION_BYTES, End
from tierstore.linking.link import Link
from tierstore.record import ELSEWHERE, with_payload
from tierstore.region.rows import STRONG
from tierstore.tiers.cold import ColdReply


def end_of(world, name="A", **options):
    return End(name, lambda: world.regions[name], 2.0, **options)


def sizes(end, keys):
    """How many rows came in each portion."""
    return [len(portion.rows) for portion in end.portions(keys, 1)]


def test_portions_of_small_rows_grow_and_of_large_ones_shrink():
    world = World()
    small = [f"small/{number:05}" for number in range(4000)]
    large = [f"large/{number}" for number in range(12)]
    for key in small:
        world.put("A", key, b"x")
    for key in large:
        world.put("A", key, bytes(PORTION_BYTES // 2))
    end = end_of(world)
    found = sizes(end, small)
    assert (sum(found), max(found)) == (4000, KEYS_MAX)
    assert found[0] < found[1] < found[2]
    first, *later = sizes(end, large)
    assert first == len(large)  # nobody knew
    assert sizes(end, large) == [2] * 6
    assert later == []


def cold(world, key):
    """Let the payload of a row lie in an object; what it was."""
    rows = world.rows("A")
    row = rows[key]
    rows[key] = replace(row, record=with_payload(row.record, ELSEWHERE), cold=b"pointer")
    return row.record.payload


def test_what_lies_in_objects_is_brought_along():
    world = World()
    for key in ("a", "b", "c"):
        world.put("A", key, key.encode())
    payloads = {key: cold(world, key) for key in ("b", "c")}
    asked = []

    def read_cold(rows, timeout_s):
        asked.append(sorted(rows))
        if len(asked) == 1:
            return ColdReply({"b": payloads["b"]}, {"c"})  # it was moved meanwhile
        return ColdReply({"c": payloads["c"]})

    end = end_of(world, read_cold=read_cold)
    (portion,) = end.portions(["a", "b", "c"], 1)
    assert {row.key: row.record.payload for row in portion.rows} == {
        "a": b"a", "b": b"b", "c": b"c",
    }  # fmt: skip
    assert all(row.cold is None for row in portion.rows)
    assert asked == [["b", "c"], ["c"]]
    assert portion.corrupt == {}


def test_an_object_that_stays_away_and_a_tier_that_is_not_known_are_told():
    world = World()
    for key in ("a", "b"):
        world.put("A", key, key.encode())
    cold(world, "b")

    def read_nothing(rows, timeout_s):
        return ColdReply(missing=set(rows))

    for options, why in (({"read_cold": read_nothing}, "missing"), ({}, "not known here")):
        (portion,) = end_of(world, **options).portions(["a", "b"], 1)
        assert [row.key for row in portion.rows] == ["a"]
        assert why in portion.corrupt["b"]


def test_strong_rows_are_left_out():
    world = World()
    for key in ("a", "b"):
        world.put("A", key, b"x")
    world.rows("A")["b"] = replace(world.rows("A")["b"], consistency=STRONG)
    (portion,) = end_of(world).portions(["a", "b"], 1)
    assert [row.key for row in portion.rows] == ["a"]


def test_keys_that_may_not_stand_in_the_target_are_not_read():
    world = World()
    target = end_of(world, "B", admits=lambda key: not key.startswith("eu/"))
    link = Link(end_of(world), target, world.runtime, 60_000)
    for key in ("eu/1", "all/1"):
        world.put("A", key, b"x")
    while link.step():
        pass
    assert set(world.rows("B")) == {"all/1"}
