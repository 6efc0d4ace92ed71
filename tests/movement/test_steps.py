"""Steps of a mover: how long they are, what goes first, and what they do after a failure."""

from __future__ import annotations

import pytest

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.movement.mover import SLICE_BYTES, Mover
from tierstore.movement.review import Reviewer
from tierstore.policy import load
from tierstore.region.apply import Limits

MIB = 2**20
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
