"""`regional` writes that the region did not confirm: unknown at first, then resolved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import (
    FencedError,
    InvalidArgumentError,
    OutcomeUnknownError,
    UnavailableError,
)
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.replica.operation import decode_operation, encode_operation

KEY = "regional/k"


def unconfirmed(store, region, verb):
    """The operation id of a write that the region, being out, did not confirm."""
    region.is_out = True
    with pytest.raises(OutcomeUnknownError) as caught:
        verb()
    assert caught.value.outcome == "unknown"
    return caught.value.operation_id


VERBS = {
    "put": lambda store: store.put(KEY, 1),
    "put_many": lambda store: store.put_many({"a": 0, KEY: 1}),
    "delete": lambda store: store.delete(KEY),
    "touch": lambda store: store.touch(KEY, 60),
}


@pytest.mark.parametrize("verb", VERBS)
def test_pending_then_applied(store, region, verb):
    store.put(KEY, 0)
    operation = unconfirmed(store, region, lambda: VERBS[verb](store))
    assert store.outcome(operation) == "pending"
    region.is_out = False
    store.flush()
    assert store.outcome(operation) == "applied"


def test_a_write_in_doubt_stays_queued_and_shows(store, region, open_store):
    unconfirmed(store, region, lambda: store.put(KEY, 1))
    assert store.get(KEY) == 1
    store.close()
    region.is_out = False
    again = open_store()
    again.flush()
    assert region.rows[KEY].record.payload == b"\x01"


def test_a_write_that_another_replaced_counts_as_applied(store, region):
    operation = unconfirmed(store, region, lambda: store.put(KEY, 1))
    region.is_out = False
    store.put(KEY, 2)
    assert store.outcome(operation) == "applied"


def test_another_replica_can_ask(store, region, open_store):
    operation = unconfirmed(store, region, lambda: store.put(KEY, 1))
    region.is_out = False
    other = open_store()
    assert other.outcome(operation) == "unknown"
    store.flush()
    assert other.outcome(operation) == "applied"


def test_only_the_region_can_tell_and_it_does_not_answer(store, region):
    region.is_out = True
    with pytest.raises(UnavailableError):
        store.outcome(encode_operation(5, [(7, KEY)]))


def test_a_write_that_the_region_keeps_back_is_quarantined(store, region, runtime):
    """Written before a silence of more than the horizon: see `replication.horizon`."""
    store.put(KEY, 0)
    operation = unconfirmed(store, region, lambda: store.put(KEY, 1))
    runtime.jump(15 * 86_400)
    region.is_out = False
    region.maintain(1000, 1.0)
    store.flush()
    assert store.outcome(operation) == "quarantined"
    assert store.get(KEY) == 0
    assert [entry.key for entry in region.aside(10, 1.0)] == [KEY]


@pytest.mark.parametrize("is_pending", [False, True])
def test_a_timeout_is_checked_whoever_can_tell(store, region, is_pending):
    operation = unconfirmed(store, region, lambda: store.put(KEY, 1))
    region.is_out = is_pending
    if not is_pending:
        store.flush()
    with pytest.raises(InvalidArgumentError):
        store.outcome(operation, timeout=-1)


@pytest.mark.parametrize(
    "verb",
    [
        lambda store, keys: store.put_many(dict.fromkeys(keys, 1)),
        lambda store, keys: store.delete_many(keys),
    ],
)
def test_one_id_is_for_the_whole_set(store, region, open_store, verb):
    keys = ["regional/a", "regional/b", "journaled", "regional/c"]
    operation = unconfirmed(store, region, lambda: verb(store, keys))
    assert store.outcome(operation) == "pending"
    region.is_out = False
    other = open_store()
    for key in keys:
        assert other.outcome(operation) == "unknown"
        other.put(key, 2)
        other.flush()
    assert other.outcome(operation) == "unknown", "later writes prove nothing"
    assert store.outcome(operation) == "pending"
    store.flush()
    assert store.outcome(operation) == "applied"


def test_a_set_with_one_quarantined_write_is_quarantined(store, region, runtime):
    operation = unconfirmed(store, region, lambda: store.put_many({"regional/a": 1, KEY: 1}))
    runtime.jump(15 * 86_400)
    region.is_out = False
    region.maintain(1000, 1.0)
    store.put("regional/a", 2)
    assert store.outcome(operation) == "quarantined"


def test_what_no_journal_has_is_queued_only_while_the_store_is_open(open_store, region):
    rule = {"match": "here/**", "durability": "regional", "place": {"never": ["edge"]}}
    store = open_store(rules=[rule, {"match": "regional/**", "durability": "regional"}])
    region.is_out = True
    for key, said in (("here/k", "it is queued only while this"), (KEY, "it stays queued: store")):
        with pytest.raises(OutcomeUnknownError, match=said):
            store.put(key, 1)
    with pytest.raises(OutcomeUnknownError, match="it is queued only while this"):
        store.put_many({KEY: 1, "here/k": 1})


@given(
    st.integers(1, 2**53 - 1),
    st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.text(min_size=1, max_size=5)),
        min_size=1,
        max_size=5,
    ),
)
def test_operation_ids_come_back(replica, writes):
    assert decode_operation(encode_operation(replica, writes)) == (replica, writes)


def test_ids_of_the_first_format_stay_readable():
    assert decode_operation("o1-1fffffffffffff-4000000000000000-6b") == (2**53 - 1, [(2**62, "k")])


@pytest.mark.parametrize(
    "bad",
    ["", "o1", "o2-1-1-6b", "o1-x-1-6b", "o1-1-1-6", "o1-1-1-ff", "o1-1-1-6b-", "o1-1-1.6b",
     "o1-1-1-", "o2", "o2-1", "o2-1-1.6b-", "o2-1-1.6b.7", "o3-1-1.6b"],
)  # fmt: skip
def test_what_is_no_operation_id(bad):
    with pytest.raises(InvalidArgumentError):
        decode_operation(bad)


def test_fenced_is_another_outcome():
    assert not issubclass(FencedError, (OutcomeUnknownError, UnavailableError))


def test_a_write_of_a_dead_process_is_not_applied_because_a_later_one_is(runtime, region):
    policy = {
        "tiers": {"edge": {"journal": "none"}},
        "rules": [{"match": "**", "durability": "regional"}],
    }
    dead = wire(load(policy), runtime, region=region)
    dead.put("regional/other", 0)
    region.is_out = True
    with pytest.raises(OutcomeUnknownError) as caught:
        dead.put("regional/k", "never sent")
    dead._core.replica.abandon()
    region.is_out = False
    runtime.advance(1)
    with wire(load(policy), runtime, region=region) as store:
        store.put("regional/k", "later")

        assert store.outcome(caught.value.operation_id) == "unknown"
