"""The verbs of a store on strong keys: linearizable, typed, once."""

from __future__ import annotations

import pytest

import tierstore
from tierstore.errors import (
    ConflictError,
    ConsistencyMismatchError,
    EncodingError,
    InvalidArgumentError,
    InvalidKeyError,
    OutcomeUnknownError,
    TypeMismatchError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore.testing import memory_store


def test_every_verb_sees_what_another_store_has_just_written(store, other):
    store.put("s/a", {"n": 1}, ttl=60, metadata={"by": "me"})
    reading = other.read("s/a")
    assert (reading.value, reading.found, reading.tier, reading.age_s) == (
        {"n": 1},
        True,
        "regional",
        0,
    )
    assert (reading.metadata, reading.stale) == ({"by": "me"}, False)
    assert other.get("s/a") == {"n": 1}
    assert other.get_many(["s/a", "s/none"]) == {"s/a": {"n": 1}}
    assert [other.exists(key) for key in ("s/a", "s/none")] == [True, False]
    assert [entry.key for entry in other.scan("s/")] == ["s/a"]
    other.delete("s/a")
    assert store.get("s/a") is None
    assert not store.exists("s/a")
    assert list(store.scan("s/")) == []


def test_compare_and_set_wants_the_very_version(store, other, runtime):
    first = store.compare_and_set("s/a", 1, expected=None)
    assert other.read("s/a").version == first
    second = other.compare_and_set("s/a", 2, expected=first, ttl=10)
    with pytest.raises(ConflictError) as caught:
        store.compare_and_set("s/a", 3, expected=first)
    assert caught.value.current == {"s/a": second}
    assert (caught.value.outcome, caught.value.retry) == ("none", "now")
    with pytest.raises(ConflictError):
        store.compare_and_set("s/a", 3, expected=None)
    runtime.advance(10)
    with pytest.raises(ConflictError) as caught:
        store.compare_and_set("s/a", 3, expected=second)
    assert caught.value.current == {"s/a": None}
    third = store.compare_and_set("s/a", 3, expected=None)
    store.delete("s/a")
    assert len({first, second, third, store.compare_and_set("s/a", 4, expected=None)}) == 4


def test_a_strong_key_lives_by_the_clock_of_the_coordinator(store, runtime):
    store.put("s/a", 1, ttl=10)
    runtime.advance(9)
    assert store.touch("s/a", ttl=10)
    version = store.read("s/a").version
    runtime.advance(9)
    assert store.read("s/a").version == version
    assert store.touch("s/a", ttl=None)
    runtime.sleep(1e6)
    assert store.get("s/a") == 1
    assert store.touch("s/a", ttl=1)
    runtime.advance(1)
    assert store.get("s/a") is None
    assert not store.touch("s/a", ttl=1)


def test_several_strong_keys_are_written_as_one_step(store, other, region):
    commits = region._number
    store.put_many({"s/a": 1, "s/b": 2, "plain": 3})
    assert region._number == commits + 1
    assert other.get_many(["s/a", "s/b"]) == {"s/a": 1, "s/b": 2}
    assert store.get("plain") == 3
    store.delete_many(["s/a", "s/b", "plain"])
    assert region._number == commits + 2
    assert store.get_many(["s/a", "s/b", "plain"]) == {}


def test_a_copy_at_the_edge_is_no_older_than_was_asked_for(store, other, runtime, region, plan):
    other.put("s/a", 1)
    assert store.read("s/a", max_age=60).tier == "regional"
    other.put("s/a", 2)
    runtime.advance(5)
    reading = store.read("s/a", max_age=60)
    assert (reading.value, reading.tier, reading.age_s) == (1, "edge", 5)
    assert store.get("s/a", max_age=4) == 2
    assert store.get("s/a", max_age=60) == 2
    other.put("s/a", 3)
    assert store.get("s/a") == 3
    assert store.get("s/a", max_age=60) == 3
    plan.is_region_down = True
    assert store.get("s/a", max_age=60) == 3
    with pytest.raises(UnavailableError):
        store.get("s/a")


def test_a_copy_never_hides_what_this_store_wrote(store, other):
    store.put("s/a", 1)
    assert store.get("s/a", max_age=60) == 1
    store.put("s/a", 2)
    assert store.get("s/a", max_age=60) == 2
    store.delete("s/a")
    assert store.get("s/a", max_age=60) is None
    store.put("s/a", 3, ttl=60)
    assert store.get("s/a", max_age=60) == 3
    store.touch("s/a", ttl=120)
    assert store.read("s/a", max_age=60).expires_at == other.read("s/a").expires_at


def test_an_absence_is_kept_as_a_copy_too(store, other):
    assert store.get("s/a", max_age=60) is None
    other.put("s/a", 1)
    assert store.get("s/a", max_age=60) is None
    assert store.get("s/a") == 1
    assert store.get("s/a", max_age=60) == 1


def test_a_commit_whose_answer_is_lost_happens_once(store, other, plan):
    store.put("s/a", 1)
    for n in range(1, 4):
        version = other.read("s/a").version
        plan.arm(n, "lost")
        new = store.compare_and_set("s/a", n, expected=version)
        plan.arm(0, "error")
        assert (other.get("s/a"), other.read("s/a").version) == (n, new)


def test_a_commit_that_nobody_confirms_is_resolved_later(store, other, plan, region):
    version = store.compare_and_set("s/a", 1, expected=None)

    def deaf(commit, timeout_s):
        answer(commit, timeout_s)
        raise OutcomeUnknownError("the reply got lost")

    answer, region.commit = region.commit, deaf
    with pytest.raises(OutcomeUnknownError) as caught:
        store.compare_and_set("s/a", 2, expected=version, timeout=1)
    region.commit = answer
    assert other.get("s/a") == 2
    assert store.outcome(caught.value.operation_id) == "applied"

    def mute(commit, timeout_s):
        raise OutcomeUnknownError("the request got lost")

    region.commit = mute
    with pytest.raises(OutcomeUnknownError) as caught:
        store.put("s/a", 3, timeout=1)
    region.commit = answer
    assert store.outcome(caught.value.operation_id) == "abandoned"
    assert store.get("s/a") == 2


def test_a_commit_is_not_doubted_without_reason(store, plan):
    store.put("s/a", 1)
    plan.is_region_down = True
    with pytest.raises(UnavailableError) as caught:
        store.put("s/a", 2)
    assert caught.value.outcome == "none"
    plan.is_region_down = False
    assert store.get("s/a") == 1


def test_an_operation_of_the_callers_happens_once(store, other, runtime):
    first = store.compare_and_set("s/a", 1, expected=None, operation_id="sign-up/7")
    assert other.compare_and_set("s/a", 1, expected=None, operation_id="sign-up/7") == first
    store.put("s/b", 1, operation_id="b")
    store.put("s/b", 2)
    store.put("s/b", 1, operation_id="b")
    assert store.get("s/b") == 2
    store.delete("s/b", operation_id="c")
    store.put("s/b", 3)
    store.delete("s/b", operation_id="c")
    assert store.get("s/b") == 3
    with pytest.raises(InvalidArgumentError, match="another request"):
        store.put("s/a", 9, operation_id="b")
    assert store.outcome("sign-up/7") == "applied"
    assert store.outcome("never") == "unknown"


@pytest.mark.parametrize("name", ["", "a\n", "s1-1-2", "o1-x", "x" * 201, 7, b"x"])
def test_an_operation_id_that_cannot_be(store, name, region):
    calls = region._number
    with pytest.raises(InvalidArgumentError):
        store.put("s/a", 1, operation_id=name)
    assert region._number == calls


def test_what_is_wrong_is_said_before_anything_happens(store, region):
    commits = region._number
    for call, error in (
        (lambda: store.compare_and_set("plain", 1, expected=None), ConsistencyMismatchError),
        (lambda: store.put("plain", 1, operation_id="x"), ConsistencyMismatchError),
        (lambda: store.delete("plain", operation_id="x"), ConsistencyMismatchError),
        (lambda: store.compare_and_set("s/a", 1, expected="nonsense"), InvalidArgumentError),
        (lambda: store.compare_and_set("s/a", 1, expected=7), InvalidArgumentError),
        (lambda: store.compare_and_set("s/a", object(), expected=None), EncodingError),
        (lambda: store.compare_and_set("", 1, expected=None), InvalidKeyError),
        (lambda: store.counter("s/a"), TypeMismatchError),
        (lambda: store.put_many({f"s/{n}": n for n in range(501)}), ValueTooLargeError),
        (lambda: store.put("s/a", b"x" * (26 << 20)), ValueTooLargeError),
    ):
        with pytest.raises(error):
            call()
    assert region._number == commits
    assert store.get("s/a") is None


def test_a_batch_does_not_take_strong_keys(store):
    with pytest.raises(ConsistencyMismatchError, match="transaction"), store.batch():
        store.put("s/a", 1)
    assert store.get("s/a") is None


def test_views_name_the_same_keys(store, other):
    view = store.prefixed("s/")
    version = view.compare_and_set("a", 1, expected=None)
    assert other.read("s/a").version == version
    with view.transaction() as tx:
        tx.put("b", tx.get("a") + 1)
    assert other.get("s/b") == 2
    session = other.session()
    assert session.get("s/b") == 2
    session.put("s/b", 3)
    with session.transaction() as tx:
        tx.put("s/b", tx.get("s/b") + 1)
    assert store.session(session.session_token).get("s/b") == 4


def test_a_key_keeps_its_consistency(runtime, region):
    eventual = memory_store({}, region=region, runtime=runtime)
    strong = memory_store(
        {"rules": [{"match": "**", "consistency": "strong"}]}, region=region, runtime=runtime
    )
    eventual.put("k", 1)
    eventual.flush()
    for call in (lambda: strong.get("k"), lambda: strong.put("k", 2)):
        with pytest.raises(ConsistencyMismatchError):
            call()
    strong.put("l", 1)
    eventual.put("l", 2)
    eventual.flush()
    assert strong.get("l") == 1
    assert eventual.check().ok is False
    strong.close()
    eventual.close()


def test_what_a_strong_key_is_told_of(store):
    store.put("s/a", 1)
    told = store.explain("s/a")
    assert (told.consistency, told.home, told.tiers) == ("strong", "regional", ("regional",))
    assert told.written_at == pytest.approx(told.created_at, abs=1)
    assert any("strong" in reason for reason in told.reasons)
    assert "edge copy is made" not in str(told)


def test_a_watch_tells_of_commits(store, other):
    with store.watch("s/") as changes:
        version = other.compare_and_set("s/a", 1, expected=None)
        change = changes.next(timeout=5)
        assert (change.key, change.kind, change.version) == ("s/a", "put", version)
        other.delete("s/a")
        assert changes.next(timeout=5).kind == "delete"


def test_errors_are_exported():
    for name in ("ConflictError", "LeaseHeldError", "LeaseLostError", "TransactionError"):
        assert issubclass(getattr(tierstore, name), tierstore.TierStoreError)
