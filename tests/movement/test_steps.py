"""Steps of a mover: how long they are, what goes first, and what they do after a failure."""

from __future__ import annotations

import pytest

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.movement.mover import SLICE_BYTES, Mover
from tierstore.movement.review import Reviewer
from tierstore.policy import load
from tierstore.region.apply import Limits

MIB = 2**20
INTERVAL_S = 10
QUIET = {"replication": {"flush": "1h", "pull": "1h"}}


def put_large(process, count):
    for number in range(count):
        process.store.put(f"large/{number}", b"x" * MIB)
        process.store.flush()


def test_a_step_ends_after_a_slice_and_the_next_follows_soon(site):
    process = site.open()
    put_large(process, 20)
    process.step()
    assert process.moving.tally["demoted"] == SLICE_BYTES // MIB
    assert process.moving.pause_s() < 1
    assert process.moving.next_slice() is not None
    while (work := process.moving.next_slice()) is not None:
        work()
    assert process.moving.tally["demoted"] == 20
    assert process.moving.pause_s() > 1


def test_a_step_on_a_slow_tier_moves_one_pack(site, monkeypatch):
    process = site.open()
    put_large(process, 3)
    put = site.objects.put

    def put_slowly(*arguments):
        site.runtime.sleep(0.3)
        put(*arguments)

    monkeypatch.setattr(site.objects, "put", put_slowly)
    process.step()
    assert process.moving.tally["demoted"] == 1


def test_a_budget_below_one_operation_an_interval_still_moves(site):
    process = site.open(movement={"budget": {"operations": "60/h", "bytes": "1B/s"}}, **QUIET)
    for key in "abc":
        process.store.put(key, 1)
    process.store.flush()
    site.runtime.sleep(3600)
    process.step(60)
    assert site.cold_keys() >= {"a"}


@pytest.mark.parametrize("is_large", [False, True])
def test_keys_come_back_though_others_cannot_go_cold(site, monkeypatch, is_large):
    process = site.open(**QUIET)
    process.store.put("used", 1)
    process.store.flush()
    site.runtime.sleep(120)
    process.step(2)
    assert site.cold_keys() == {"used"}
    for number in range(3):
        process.store.put(f"idle/{number}", "x" * (140_000 if is_large else 1))
    process.store.flush()
    site.runtime.sleep(120)

    def refuse(*_):
        raise UnavailableError("no room is left")

    monkeypatch.setattr(site.objects, "put", refuse)
    process.heat("used")
    with pytest.raises(UnavailableError, match="no room"):
        process.step()
    assert site.cold_keys() == set()
    stays = [site.region.stay(f"idle/{number}", 1.0) for number in range(3)]
    assert all(stay.error == "no room is left" for stay in stays)
    process.step()  # they wait: nothing is tried


def fill_a_full_disk(site, monkeypatch, error, *, count, size=1):
    """A process with a key that is cold and used, and others that should go cold and cannot."""
    process = site.open(**QUIET)
    process.store.put("used", 1)
    process.store.flush()
    site.runtime.sleep(120)
    process.step()
    assert site.cold_keys() == {"used"}
    for start in range(0, count, 1000):
        numbers = range(start, min(count, start + 1000))
        process.store.put_many({f"idle/{number}": "x" * size for number in numbers})
        process.store.flush()
    site.runtime.sleep(120)

    def refuse(*_):
        process.refused += 1
        raise error

    process.refused = 0
    monkeypatch.setattr(site.objects, "put", refuse)
    process.replica.start()
    return process


def is_cold(site, key):
    return site.region.read([key], 0, 1.0).rows[key].cold is not None


ERRORS = [UnavailableError("no room is left"), OutcomeUnknownError("the answer was lost")]


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ERRORS[0], 5),
        pytest.param(ERRORS[0], 0, marks=pytest.mark.further),
        pytest.param(ERRORS[1], 1, marks=pytest.mark.further),
    ],
)
def test_a_used_key_comes_back_soon_though_30000_others_fail(site, monkeypatch, error, passes):
    process = fill_a_full_disk(site, monkeypatch, error, count=30_000)
    site.runtime.advance(passes * INTERVAL_S)
    process.heat("used")
    site.runtime.advance(2 * INTERVAL_S)
    assert not is_cold(site, "used")
    assert process.refused <= 3 * (passes + 3), "a tier that refuses is asked again and again"
    assert site.region.overview(0, 1.0).failed == 30_000
    stay = site.region.stay("idle/29999", 1.0)
    assert (stay.wanted, stay.error) == ("cold", str(error))


def test_a_used_key_comes_back_soon_though_large_values_fail(site, monkeypatch):
    """Each of them is a pack of its own."""
    error = OutcomeUnknownError("the answer was lost")
    process = fill_a_full_disk(site, monkeypatch, error, count=300, size=140_000)
    site.runtime.advance(INTERVAL_S)
    process.heat("used")
    site.runtime.advance(2 * INTERVAL_S)
    assert not is_cold(site, "used")
    assert site.region.overview(0, 1.0).failed == 300


def test_what_failed_as_a_group_goes_cold_once_there_is_room(site, monkeypatch):
    with monkeypatch.context() as full:
        process = fill_a_full_disk(site, full, ERRORS[0], count=3000)
        site.runtime.advance(5 * INTERVAL_S)
        assert site.cold_keys() == {"used"}
    process.store.put("new", 1)
    process.store.flush()
    site.runtime.advance(90)
    assert "new" in site.cold_keys(), "one that has not failed does not wait for those that have"
    site.runtime.sleep(3600)
    site.runtime.advance(60)
    assert len(site.cold_keys()) == 3002
    assert process.moving.last_error is None


def test_objects_are_swept_though_keys_cannot_go_cold(site, monkeypatch):
    """On a full disk, that makes the room."""
    process = site.open(**QUIET)
    process.store.put("old", 1)
    process.store.flush()
    site.runtime.sleep(120)
    process.step()
    process.store.delete("old")
    process.store.flush()
    site.runtime.sleep(3601)
    monkeypatch.setattr(site.objects, "put", lambda *_: (_ for _ in ()).throw(ERRORS[0]))
    for number in range(3):
        process.store.put(f"idle/{number}", 1)
        process.store.flush()
        site.runtime.sleep(60)
        with pytest.raises(UnavailableError, match="no room"):
            process.step()
    assert site.blobs() == set()


def test_all_that_fails_is_told_at_the_end_of_maintain(site, monkeypatch):
    process = fill_a_full_disk(site, monkeypatch, ERRORS[0], count=2500)
    failures = process.store.maintain().failures
    assert [str(failure) for failure in failures] == ["no room is left"]
    assert site.region.overview(0, 1.0).failed == 2500


def test_an_intent_whose_answer_was_lost_is_ended(site, monkeypatch):
    process = site.open()
    process.store.put("k", 1)
    process.store.flush()
    site.runtime.sleep(120)
    begin = site.region.begin_move

    def lose(*arguments):
        begin(*arguments)
        raise OutcomeUnknownError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(site.region, "begin_move", lose)
        with pytest.raises(TierStoreError):
            process.step()
    assert site.region.intents
    process.step()
    assert not site.region.intents


def test_the_fingerprint_tells_locations_apart(site):
    def fingerprint(location):
        process = site.open()
        rule = {"match": "**", "durability": "memory", "place": {"residency": ["eu"]}}
        tiers = {name: {"location": "eu"} for name in ("edge", "regional")}
        tiers["cold"] = {"location": location}
        tiers["edge"]["journal"] = "none"
        process.moving.ground.policy = load({"version": 1, "tiers": tiers, "rules": [rule]})
        return Reviewer(process.moving.ground).fingerprint

    assert fingerprint("eu") != fingerprint("us")
    assert fingerprint("eu") == fingerprint("eu")


def test_a_review_of_all_goes_on_at_once(site, monkeypatch):
    process = site.open()
    asked = []
    monkeypatch.setattr(
        site.region, "review_all", lambda epoch, after, limit, timeout_s: asked.append(after) or 7
    )
    mover = Mover(process.moving.ground, 1)
    mover.step()
    assert asked == [0]
    assert mover.pause_s < 1


def test_closing_gives_the_lease_no_more_time_than_it_has(site, monkeypatch):
    process = site.open(**QUIET)
    process.store.put("k", 1)
    process.store.flush()
    process.step()
    lease, given = site.region.lease, []

    def note(holder, ttl_ms, text, timeout_s):
        given.append((ttl_ms, timeout_s))
        return lease(holder, ttl_ms, text, timeout_s)

    monkeypatch.setattr(site.region, "lease", note)
    process.store.close(timeout=0.5)
    assert given == [(0, 0.5)]


@pytest.mark.parametrize("is_sql", [False, True])
def test_what_a_process_without_a_mover_writes_is_reviewed(new_site, is_sql):
    site = new_site(is_sql=is_sql)
    process = site.open()
    process.store.put("old", 1)
    process.store.flush()
    process.step()
    other = site.open(rules=[{"hotness": {}}])
    assert other.moving is None
    other.store.put_many({"old": 2, "new": 3})
    other.store.flush()
    site.limits = Limits(is_tiered=True)
    site.runtime.sleep(120)
    process.step(2)
    assert site.cold_keys() == {"old", "new"}
    assert process.store.get("old", max_age=0) == 2


@pytest.mark.parametrize("is_sql", [False, True])
def test_a_region_that_never_had_a_mover_reviews_nothing(new_site, is_sql):
    site = new_site(is_sql=is_sql)
    process = site.open(rules=[{"hotness": {}}])
    process.store.put("k", 1)
    process.store.flush()
    site.runtime.sleep(120)
    assert site.region.due(9, 9.0) == []


@pytest.mark.parametrize("is_sql", [False, True])
def test_what_went_cold_comes_back_under_a_policy_without_a_cold_rate(new_site, is_sql):
    site = new_site(is_sql=is_sql)
    process = site.open()
    process.store.put_many({"kept": 1, "rewritten": 2})
    process.store.flush()
    site.runtime.sleep(120)
    process.step()
    process.store.put("rewritten", 3)
    process.store.close()
    assert site.cold_keys() == {"kept"}
    other = site.open(rules=[{"hotness": {}}])
    other.store.maintain()
    assert other.moving is not None
    other.step(3)
    assert site.cold_keys() == set()
    site.runtime.sleep(3700)
    other.step(2)
    assert site.blobs() == set()
    site.check_objects()


def test_without_leftovers_the_region_is_asked_once(site, monkeypatch):
    process = site.open(rules=[{"hotness": {}}])
    objects, asked = site.region.objects, []
    monkeypatch.setattr(site.region, "objects", lambda *a: asked.append(a) or objects(*a))
    for _ in range(3):
        process.store.maintain()
    assert len(asked) == 1
    assert process.moving is None
