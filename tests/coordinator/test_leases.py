"""Leases: one holder, tokens that grow, and a holder who notices that it is over."""

from __future__ import annotations

import contextlib
import copy

import pytest

from tierstore.errors import (
    InvalidArgumentError,
    InvalidKeyError,
    LeaseHeldError,
    LeaseLostError,
    TransactionError,
    UnavailableError,
)
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store


def test_one_holder_at_a_time(store, other):
    with store.lease("jobs/n", ttl=30) as lease:
        assert not lease.lost
        lease.check()
        with pytest.raises(LeaseHeldError) as caught, other.lease("jobs/n", ttl=30):
            pass
        assert 0 < caught.value.remaining_s <= 30
        with other.lease("jobs/other"):
            pass
    with other.lease("jobs/n") as next_lease:
        assert next_lease.token > lease.token
    assert lease.lost


def test_a_lease_is_renewed_as_long_as_its_block_lasts(store, other, runtime):
    with store.lease("l", ttl=3) as lease:
        for _ in range(10):
            runtime.advance(2)
            lease.check()
            with pytest.raises(LeaseHeldError), other.lease("l"):
                pass


def test_a_holder_that_cannot_renew_notices_before_another_may_begin(store, other, runtime, plan):
    with store.lease("l", ttl=10) as lease:
        plan.is_region_down = True
        runtime.advance(9)
        assert not lease.lost
        runtime.advance(0.6)
        assert lease.lost
        with pytest.raises(LeaseLostError):
            lease.check()
        plan.is_region_down = False
        with pytest.raises(LeaseLostError):
            lease.renew()
        runtime.advance(0.5)
        with other.lease("l") as taken:
            assert taken.token > lease.token


def test_who_was_paused_cannot_commit_under_its_lease(store, other, runtime):
    """As a process that is stopped: no step of it runs until another has the lease."""
    with store.lease("l", ttl=10) as lease:
        with store.transaction() as tx:
            tx.require(lease)
            tx.put("s/a", "held")
        runtime.sleep(9.4)
        with pytest.raises(LeaseLostError), store.transaction() as tx:
            tx.require(lease)
            tx.put("s/a", "paused")
            runtime.sleep(1)
            with other.lease("l") as later, other.transaction() as inner:
                inner.require(later)
                inner.put("s/b", "other")
        assert store.get_many(["s/a", "s/b"]) == {"s/a": "held", "s/b": "other"}


def test_waiting_for_a_lease(store, other, runtime):
    first = store.lease("l", ttl=5)
    first.claim()
    first.take()
    store._core.strong.leases._watchdog.stop()
    with other.lease("l", wait=10) as lease:
        assert lease.token > first.token
    with pytest.raises(LeaseHeldError), store.lease("m", ttl=60), other.lease("m", wait=2):
        pass


def test_a_lease_whose_answer_is_lost_is_taken_once(store, other, plan):
    store.get("s/a")
    for n in range(1, 4):
        plan.arm(n, "lost")
        with store.lease(f"l{n}", ttl=30) as lease:
            plan.arm(0, "error")
            with pytest.raises(LeaseHeldError), other.lease(f"l{n}"):
                pass
            lease.renew()
            assert not lease.lost


def test_a_lease_that_cannot_be_had_says_so(store, plan):
    store.get("s/a")
    plan.is_region_down = True
    with pytest.raises(UnavailableError), store.lease("l", wait=0):
        pytest.fail("nobody gave it")


def test_a_closed_store_gives_its_leases_back(open_store, other):
    store = open_store()
    lease = store.lease("l", ttl=1000)
    lease.claim()
    lease.take()
    store.close()
    assert lease.lost
    with other.lease("l"):
        pass


def test_what_nobody_refers_to_any_more_is_not_renewed(store, other, runtime):
    """As after Ctrl-C before the block had it, or in a generator that was dropped."""
    lease = store.lease("l", ttl=6)
    lease.claim()
    lease.take()
    runtime.advance(5)
    with pytest.raises(LeaseHeldError), other.lease("l"):
        pass
    del lease
    runtime.advance(7)
    with other.lease("l"):
        pass


def test_a_store_that_nobody_closed_renews_nothing(open_store, other, runtime):
    store = memory_store({}, region=other._core.replica.region, runtime=runtime)
    lease = store.lease("l", ttl=6)
    lease.claim()
    lease.take()
    with pytest.warns(ResourceWarning):
        store._core.abandon()
    assert lease.lost
    runtime.advance(7)
    with other.lease("l"):
        pass


def test_closing_with_many_leases_takes_no_longer_than_it_may(open_store, region, runtime):
    store = open_store()
    leases = [store.lease(f"l{n}", ttl=3600) for n in range(10)]
    for lease in leases:
        lease.claim()
        lease.take()

    def hang(commit, timeout_s):
        runtime.sleep(timeout_s)
        raise UnavailableError("no answer")

    region.commit, begun_s = hang, runtime.monotonic()
    store.close(timeout=5)
    assert runtime.monotonic() - begun_s < 11
    assert all(lease.lost for lease in leases)
    del region.commit


def test_names_of_leases_are_no_keys(store):
    with store.lease("s/a"), store.prefixed("s/").lease("b"):
        assert store.get("s/a") is None
        assert list(store.scan("")) == []
        with pytest.raises(LeaseHeldError), store.lease("s/b"):
            pass


@pytest.mark.parametrize("ttl", [0, -1, 0.01, None, "1", "never", True, float("nan")])
def test_a_lease_has_to_last(store, ttl):
    with pytest.raises(InvalidArgumentError):
        store.lease("l", ttl=ttl)


def test_bad_arguments(store):
    for call, error in (
        (lambda: store.lease(""), InvalidKeyError),
        (lambda: store.lease("l", wait=-1), InvalidArgumentError),
        (lambda: store.lease("l", timeout="x"), InvalidArgumentError),
        (lambda: store.lease("l").token, TransactionError),
        (lambda: store.lease("l").check(), TransactionError),
    ):
        with pytest.raises(error):
            call()
    lease = store.lease("l")
    with lease:
        assert "held" in repr(lease)
    with pytest.raises(TransactionError, match="taken once"), lease:
        pass


def test_tokens_grow_over_a_life_of_the_coordinator(runtime, region, store):
    tokens = []
    for _ in range(3):
        with store.lease("l") as lease:
            tokens.append(lease.token)
        runtime.advance(1)
        region.reincarnate(1.0)
        with pytest.raises(UnavailableError, match="another life"):
            store.get("s/a")
    assert tokens == sorted(set(tokens))
    assert tokens[-1] < 2**63


def test_sequences_give_each_number_once():
    runtime = ManualRuntime(seed=3)
    region = MemoryRegion(runtime)
    stores = [memory_store({}, region=region, runtime=runtime) for _ in range(3)]
    given = {0: [], 1: [], 2: []}
    for step in range(600):
        index = (step * 7 + step // 11) % 3
        given[index].append(stores[index].sequence("orders").next())
        if step % 50 == 0:
            runtime.advance(2)
    every = [number for numbers in given.values() for number in numbers]
    assert len(set(every)) == 600
    assert all(numbers == sorted(numbers) for numbers in given.values())
    assert min(every) == 1
    assert stores[0].prefixed("a/").sequence("b").next() == 1
    assert stores[1].sequence("a/b").next() == 2
    for store in stores:
        store.close()


def test_a_sequence_skips_what_was_not_confirmed(store, other, plan):
    sequence = store.sequence("n")
    given = [sequence.next()]
    for n in range(1, 5):
        plan.arm(n, "lost")
        with contextlib.suppress(UnavailableError):
            given.append(sequence.next())
        plan.arm(0, "error")
        given += [sequence.next(), other.sequence("n").next()]
    assert len(set(given)) == len(given) > 10


def test_a_block_of_a_former_life_is_given_up(region, store, other):
    """After a restore the coordinator gives its numbers again: whoever has them must not."""
    backup = copy.deepcopy(region._private)
    sequence = store.sequence("n")
    given = [sequence.next() for _ in range(4)]  # more are reserved
    region._private = backup
    region.reincarnate(1.0)
    again = [other.sequence("n").next() for _ in range(8)]
    with contextlib.suppress(UnavailableError):
        store.get("s/a")  # and hears of it
    store.get("s/a")
    assert given == [1, 2, 3, 4]
    assert not {sequence.next() for _ in range(4)} & set(again)
