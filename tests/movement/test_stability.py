"""Keys do not go to and fro: whole stores on virtual time, with all running behind them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tierstore.region.moves import Stay
from tierstore.region.pointer import decode_pointer

HOUR_S, DAY_S = 3600, 86_400
MOVEMENT = {"interval": "30s"}
REPLICATION = {"flush": "10s", "pull": "30s"}


class Watch:
    """Moves of every key as they happen, told by the rows."""

    def __init__(self, site):
        self.site = site
        self.epochs, self.moves = {}, {}

    def look(self):
        """Note the moves since the last look: at most one of a key, so look often."""
        for key, row in self.site.rows().items():
            if row.epoch != self.epochs.get(key, 0):
                assert row.epoch == self.epochs.get(key, 0) + 1
                self.epochs[key] = row.epoch
                kind = "cold" if row.cold is not None else "regional"
                self.moves.setdefault(key, []).append((kind, self.site.runtime.monotonic()))

    def of(self, key):
        return [kind for kind, _ in self.moves.get(key, [])]


def use(site, process, watch, rates, duration_s, *, step_s=30):
    """Read keys at constant rates per hour, missing the edge each time; look at what moves."""
    owed = dict.fromkeys(rates, 0.0)
    for _ in range(int(duration_s / step_s)):
        site.runtime.advance(step_s)
        for key, per_h in rates.items():
            owed[key] += per_h * step_s / HOUR_S
            for _ in range(int(owed[key])):
                process.store.get(key, max_age=0)
            owed[key] %= 1
        watch.look()


def open_store(site, rules, **fields):
    base = {"movement": MOVEMENT, "replication": REPLICATION}
    return site.open(rules=rules, **{**base, **fields})


COLD = {"hotness": {"cold": "4/h", "half_life": "30min"}, "min_residency": {"regional": "2h"}}


def test_under_constant_load_no_key_moves_twice_within_its_residency(site):
    """At most once each way, in fact, and above the threshold not at all."""
    process = open_store(site, [COLD])
    rates = {f"{rate}/h": rate for rate in (0.1, 1, 3, 3.9, 4.1, 6, 7.9, 8.1, 12)}
    for key in rates:
        process.store.put(key, 1)
    watch = Watch(site)
    use(site, process, watch, rates, 2 * DAY_S, step_s=120)
    assert watch.of("0.1/h") == watch.of("1/h") == ["cold"]
    assert watch.of("12/h") == []
    for key, moves in watch.moves.items():
        assert len(moves) <= 2, (key, moves)
        for (_, first), (_, second) in pairwise(moves):
            assert second - first >= 2 * HOUR_S, (key, moves)


def test_after_a_burst_a_key_moves_at_most_once_each_way(site):
    process = open_store(site, [COLD])
    keys = ["a burst", "a few", "nothing"]
    for key in keys:
        process.store.put(key, 1)
    watch = Watch(site)
    use(site, process, watch, {}, 6 * HOUR_S)
    assert [watch.of(key) for key in keys] == [["cold"]] * 3
    use(site, process, watch, {"a burst": 600, "a few": 12}, HOUR_S / 2)
    assert watch.of("a burst") == ["cold", "regional"]
    use(site, process, watch, {}, 2 * DAY_S)
    assert watch.of("a burst") == ["cold", "regional", "cold"]
    assert len(watch.of("a few")) in (1, 3)
    assert watch.of("nothing") == ["cold"]


def test_a_copy_is_made_at_hot_and_given_up_below(site):
    hot = {"hotness": {"hot": "60/h", "half_life": "10min"}, "min_residency": {"edge": "5min"}}
    process = open_store(site, [{**hot, "hotness": {**hot["hotness"], "cold": "1/d"}}])
    process.store.put("k", 1)
    process.store.flush()
    resident = process.replica.state.edge.resident
    seen = []

    def use_at(per_h, duration_s):
        owed = 0.0
        for _ in range(int(duration_s / 30)):
            site.runtime.advance(30)
            owed += per_h / 120
            while owed >= 1:
                owed -= 1
                process.store.get("k")
            seen.append("k" in resident)

    use_at(20, 4 * HOUR_S)
    assert seen[-1] is False
    use_at(200, HOUR_S)
    assert seen[-1] is True
    use_at(50, 4 * HOUR_S)
    assert seen[-1] is True  # not below hot / hysteresis
    use_at(2, 4 * HOUR_S)
    assert seen[-1] is False
    changes = sum(before != after for before, after in pairwise(seen))
    assert changes <= 3


@pytest.mark.parametrize("per_h", [40, 55, 60, 65, 90, 118, 122, 200])
def test_copies_do_not_come_and_go_under_constant_load(site, per_h):
    process = open_store(site, [{"hotness": {"hot": "60/h", "cold": "1/d", "half_life": "10min"}}])
    process.store.put("k", 1)
    process.store.flush()
    site.runtime.advance(HOUR_S)
    resident, seen, owed = process.replica.state.edge.resident, [], 0.0
    for _ in range(int(12 * HOUR_S / 30)):
        site.runtime.advance(30)
        owed += per_h / 120
        while owed >= 1:
            owed -= 1
            process.store.get("k")
        seen.append("k" in resident)
    changes = sum(before != after for before, after in pairwise(seen))
    assert changes <= 2, changes


# Where keys belong


def test_large_values_are_cold_soon_after_birth_and_come_back_small(site):
    process = open_store(site, [COLD])
    process.store.put("large", "x" * 140_000)
    process.store.put("small", "x")
    site.runtime.advance(90)
    assert site.cold_keys() == {"large"}
    process.heat("large", times=100)
    site.runtime.advance(90)
    assert site.cold_keys() == {"large"}
    assert process.store.get("large", max_age=0) == "x" * 140_000
    process.store.put("large", "now small")
    site.runtime.advance(90)
    assert site.cold_keys() == set()


def test_a_large_value_that_is_rewritten_goes_cold_once_in_a_residency(site):
    process = open_store(site, [{**COLD, "min_residency": {"regional": "1h"}}])
    for _ in range(90):
        process.store.put("large", "x" * 140_000)
        process.store.flush()
        site.runtime.advance(60)
    assert process.moving.tally["demoted"] == 2
    site.runtime.advance(HOUR_S)
    assert process.moving.tally["demoted"] == 3
    assert site.cold_keys() == {"large"}


def test_places_bind(site):
    rules = [
        {"match": "never cold/*", **COLD, "place": {"never": ["cold"]}},
        {"match": "only cold/*", "place": {"only": ["cold"]}, "durability": "regional"},
        {"match": "never/*", "hotness": {"cold": "never"}},
        {**COLD, "match": "**"},
    ]
    process = open_store(site, rules)
    for match in ("never cold", "only cold", "never", "other"):
        process.store.put(f"{match}/small", 1)
        process.store.put(f"{match}/large", "x" * 140_000)
    process.store.flush()
    site.runtime.advance(120)
    assert site.cold_keys() == {"only cold/small", "only cold/large", "other/large"}
    site.runtime.advance(6 * HOUR_S)
    assert site.cold_keys() == {f"{m}/{s}" for m in ("only cold", "other") for s in SIZES}
    assert not [k for k in process.replica.state.edge.resident if k.startswith("only cold")]


SIZES = ["small", "large"]


def cached_keys(process):
    cache = process.replica.state.cold._reader._cache
    return {key for block in cache._blocks.values() for key, _ in block.entries()}


@pytest.mark.parametrize("was_barred", [True, False], ids=["packed apart", "packed before"])
def test_what_must_not_be_at_the_edge_is_not_in_its_cache_of_blocks_either(site, was_barred):
    secret = {"match": "secret", **COLD, "durability": "regional", "place": {"never": ["edge"]}}
    rules = [{**COLD, "match": "**"}]
    first = open_store(site, [secret, *rules] if was_barred else rules)
    first.store.put_many({"secret": 1, "open": 2})
    first.store.flush()
    site.runtime.advance(6 * HOUR_S)
    assert site.cold_keys() == {"secret", "open"}
    assert len(site.blobs()) == (2 if was_barred else 1)

    second = open_store(site, [secret, *rules])
    assert (second.store.get("secret"), second.store.get("open")) == (1, 2)
    assert cached_keys(second) == ({b"open"} if was_barred else set())


def test_values_of_other_residencies_get_objects_of_their_own(site):
    places = [{}, {"residency": ["eu"]}, {"residency": ["eu", "us"]}, {"residency": ["us", "eu"]}]
    rules = [{**COLD, "match": f"{i}/**", "place": place} for i, place in enumerate(places)]
    tiers = {tier: {"location": "eu"} for tier in ("edge", "regional", "cold")}
    tiers["edge"]["journal"] = "none"
    process = open_store(site, [*rules, {**COLD, "match": "**"}], tiers=tiers)
    process.store.put_many({f"{i}/k": i for i in range(4)} | {"k": 9})
    process.store.flush()
    site.runtime.advance(6 * HOUR_S)
    objects = {}
    for key, row in site.rows().items():
        objects.setdefault(decode_pointer(row.cold, key=key).name, set()).add(key)
    assert sorted(map(sorted, objects.values())) == [["0/k", "k"], ["1/k"], ["2/k", "3/k"]]


def test_a_rule_whose_place_is_the_cold_tier_alone_needs_no_rate(site):
    rule = {"hotness": {}, "place": {"only": ["cold"]}, "durability": "regional"}
    process = open_store(site, [rule])
    process.store.put("k", 1)
    site.runtime.advance(120)
    assert site.cold_keys() == {"k"}
    assert process.store.get("k") == 1


def test_values_above_the_edge_bound_and_written_ones_keep_no_copy(site):
    rules = [
        {"match": "big/*", **COLD, "edge": {"max_value": "64B"}},
        {"match": "**", **COLD, "min_residency": {"edge": "0s"}},
    ]
    process = open_store(site, rules)
    process.store.put("big/a", "x" * 100)
    process.store.flush()
    site.runtime.advance(60)
    process.store.get("big/a")
    assert "big/a" not in process.replica.state.edge.resident
    for number in range(40):
        process.store.put("written", number)
        process.store.flush()
    site.runtime.advance(60)
    assert "written" not in process.replica.state.edge.resident
    assert process.store.get("written") == 39


# Policies, replicas, budgets, plans


def test_every_key_is_reviewed_again_under_another_policy(site):
    first = open_store(site, [COLD])
    for number in range(30):
        first.store.put(f"{'odd' if number % 2 else 'even'}/{number}", number)
    first.store.flush()
    site.runtime.advance(6 * HOUR_S)
    assert len(site.cold_keys()) == 30
    first.store.close()
    warm = open_store(site, [{"match": "odd/*", "hotness": {"cold": "never"}}, COLD])
    warm.replica.start()
    site.runtime.advance(300)
    assert site.cold_keys() == {f"even/{number}" for number in range(0, 30, 2)}
    warm.store.close()
    again = open_store(site, [{**COLD, "min_residency": {"regional": "0s"}}])
    again.replica.start()
    site.runtime.advance(300)
    assert len(site.cold_keys()) == 30


def test_a_lease_that_comes_back_from_another_policy_reviews_again(site):
    rules = [{"match": "k", "hotness": {"cold": "never"}}, COLD]
    cold, warm = open_store(site, [COLD]), open_store(site, rules)
    cold.store.put("k", 1)
    cold.store.flush()
    site.runtime.sleep(6 * HOUR_S)
    cold.step(3)
    assert site.cold_keys() == {"k"}
    site.runtime.sleep(HOUR_S)
    warm.step(3)
    assert site.cold_keys() == set()
    site.runtime.sleep(6 * HOUR_S)
    cold.step(3)
    assert site.cold_keys() == {"k"}


def test_of_two_replicas_one_moves(site):
    first, second = open_store(site, [COLD]), open_store(site, [COLD])
    for number, process in enumerate((first, second)):
        for index in range(20):
            process.store.put(f"{number}/{index}", index)
    site.runtime.advance(5 * HOUR_S)
    tallies = [process.moving.tally for process in (first, second)]
    assert sorted(tally["demoted"] for tally in tallies) == [0, 40]
    assert [tally["failed"] + tally["raced"] for tally in tallies] == [0, 0]
    site.check_objects(is_swept=False)


@pytest.mark.parametrize(
    ("budget", "size", "moved_per_s"),
    [({"operations": "2/s"}, 10, 2), ({"bytes": "2KiB/s"}, 1000, 2), ({}, 10, 500)],
)
def test_budgets_are_kept(site, budget, size, moved_per_s):
    """What was saved up in one interval, and what one pack exceeds it by, comes on top."""
    process = open_store(site, [COLD], movement={**MOVEMENT, "budget": budget})
    process.store.put_many({f"k{number:04}": "x" * size for number in range(1500)})
    process.store.flush()
    site.runtime.sleep(6 * HOUR_S)
    begun_s = site.runtime.monotonic()
    counts = []
    for _ in range(60):
        site.runtime.advance(10)
        counts.append(len(site.cold_keys()))
        allowed = moved_per_s * (site.runtime.monotonic() - begun_s + 30) + 1000
        assert counts[-1] <= allowed
    expected = min(1500, moved_per_s * 600)
    assert counts[-1] >= 0.8 * expected


def test_large_values_do_not_overdraw_the_budget_by_more_than_one(site):
    budget = {"bytes": "64KiB/s"}
    process = open_store(site, [COLD], movement={**MOVEMENT, "budget": budget})
    process.store.put_many({f"k{number:02}": "x" * 140_000 for number in range(60)})
    process.store.flush()
    site.runtime.advance(40)
    assert 0 < len(site.cold_keys()) <= (30 + 40) * 64 * 1024 / 140_000 + 1
    site.runtime.advance(300)
    assert len(site.cold_keys()) == 60


def test_a_plan_moves_nothing_and_says_what_it_would(site):
    process = open_store(site, [COLD], movement={**MOVEMENT, "mode": "plan"})
    process.store.put("k", 1)
    site.runtime.advance(6 * HOUR_S)
    assert site.cold_keys() == set()
    assert site.blobs() == set()
    stay = site.region.stay("k", 1.0)
    assert isinstance(stay, Stay)
    assert (stay.wanted, stay.error) == ("cold", None)
    assert stay.tries > 10
