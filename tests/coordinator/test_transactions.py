"""Transactions: one step or none, one moment, own writes, typed misuse."""

from __future__ import annotations

import contextvars
import itertools

import pytest

from tierstore.errors import (
    AlreadyCommittedError,
    ConflictError,
    ConsistencyMismatchError,
    InvalidArgumentError,
    LeaseLostError,
    StoreClosedError,
    TransactionError,
    UnavailableError,
    ValueTooLargeError,
)


def test_what_a_block_writes_happens_when_it_ends(store, other):
    store.put_many({"s/a": 1, "s/b": 2})
    with store.transaction() as tx:
        tx.put("s/a", tx.get("s/a") + 10, ttl=60, metadata={"by": "tx"})
        tx.delete("s/b")
        assert (tx.get("s/a"), tx.get("s/b"), tx.get("s/b", 7)) == (11, None, 7)
        assert tx.get_many(["s/a", "s/b", "s/c"]) == {"s/a": 11}
        assert [tx.exists(key) for key in ("s/a", "s/b")] == [True, False]
        assert other.get_many(["s/a", "s/b"]) == {"s/a": 1, "s/b": 2}
    reading = other.read("s/a")
    assert (reading.value, reading.metadata, reading.version) == (11, {"by": "tx"}, tx.version)
    assert other.get("s/b") is None


def test_a_block_that_raises_does_nothing(store, region):
    store.put("s/a", 1)
    with pytest.raises(ZeroDivisionError), store.transaction() as tx:
        tx.put("s/a", 2)
        1 / 0  # noqa: B018
    assert (store.get("s/a"), tx.version) == (1, None)


def test_what_was_read_must_be_as_it_was(store, other):
    store.put_many({"s/read": 1, "s/written": 1})
    with pytest.raises(ConflictError) as caught, store.transaction() as tx:
        tx.put("s/written", tx.get("s/read"))
        other.put("s/read", 2)
    assert caught.value.current == {"s/read": other.read("s/read").version}
    assert store.get("s/written") == 1


def test_an_absence_that_was_read_must_hold(store, other):
    with pytest.raises(ConflictError), store.transaction() as tx:
        assert tx.get("s/none") is None
        tx.put("s/a", 1)
        other.put("s/none", 1)
    assert store.get("s/a") is None


def test_what_has_expired_meanwhile_has_changed(store, runtime):
    store.put("s/a", 1, ttl=5)
    with pytest.raises(ConflictError), store.transaction() as tx:
        tx.put("s/b", tx.get("s/a"))
        runtime.advance(5)
    assert store.get("s/b") is None


def test_a_block_never_sees_two_moments(store, other):
    store.put_many({"s/a": 1, "s/b": 1})
    with pytest.raises(ConflictError) as caught, store.transaction() as tx:
        assert tx.get("s/a") == 1
        other.put_many({"s/a": 2, "s/b": 2})
        tx.get("s/b")
        pytest.fail("a torn state was shown")
    assert set(caught.value.current) == {"s/a"}


def test_a_block_that_only_reads_asks_for_no_commit(store, other, region):
    store.put("s/a", 1)
    commits = region._number
    with store.transaction() as tx:
        assert tx.get("s/a") == 1
        other.put("s/a", 2)
        assert tx.get("s/a") == 1
    assert region._number == commits + 1
    assert tx.version is None


def test_a_lifetime_is_extended_as_part_of_it(store, runtime):
    store.put_many({"s/a": 1, "s/b": 1}, ttl=10)
    with store.transaction() as tx:
        assert tx.touch("s/a", ttl=100)
        assert not tx.touch("s/none", ttl=100)
        tx.put("s/b", 2, ttl=10)
        assert tx.touch("s/b", ttl=100)
        tx.delete("s/c")
        assert not tx.touch("s/c")
        assert tx.get("s/a") == 1
    runtime.sleep(99)
    assert store.get_many(["s/a", "s/b"]) == {"s/a": 1, "s/b": 2}
    runtime.sleep(1)
    assert store.get_many(["s/a", "s/b"]) == {}


def test_a_function_is_run_again_until_nobody_was_faster(store, other):
    store.put("s/n", 0)
    interferences = iter([1, 2, 3])

    def count(tx):
        number = tx.get("s/n")
        if (by := next(interferences, None)) is not None:
            other.put("s/n", number + 100 * by)
        tx.put("s/n", number + 1)
        return number + 1

    assert store.transact(count) == 601
    assert other.get("s/n") == 601


def test_what_another_operation_says_is_not_what_this_one_returned(store, other):
    """The function finds that a step of its own, under an id of its own, was done before."""
    with other.transaction(operation_id="step/1") as tx:
        tx.put("s/step", 1)

    def run(tx):
        tx.put("s/a", 1)
        with other.transaction(operation_id="step/1"):
            pytest.fail("it has happened")

    for operation_id in (None, "whole/1"):
        with pytest.raises(AlreadyCommittedError):
            store.transact(run, operation_id=operation_id)
    assert store.get("s/a") is None


def test_a_block_may_end_in_another_context(store):
    """As of a generator whose two halves a framework runs in two of its threads."""
    tx = store.transaction()
    first, second = contextvars.copy_context(), contextvars.copy_context()
    first.run(tx.__enter__)
    first.run(tx.put, "s/a", 1)
    second.run(tx.__exit__, None, None, None)
    assert store.get("s/a") == 1
    first.run(store.transact, lambda tx: tx.put("s/a", 2))
    assert store.get("s/a") == 2


def test_one_within_another_is_refused_across_a_third(store, other):
    with (
        store.transaction(),
        other.transaction(),
        pytest.raises(TransactionError, match="within another"),
        store.transaction(),
    ):
        pytest.fail("it would not be part of the outer one")


def test_attempts_end(store, other):
    runs = []

    def lose(tx):
        runs.append(tx.get("s/n"))
        other.put("s/n", len(runs))
        tx.put("s/n", -1)

    with pytest.raises(ConflictError):
        store.transact(lose, attempts=3)
    assert (len(runs), store.get("s/n")) == (3, 3)


def test_what_a_function_raises_is_raised_at_once(store):
    runs = []

    def fail(tx):
        runs.append(1)
        tx.put("s/n", 1)
        raise KeyError("no")

    with pytest.raises(KeyError):
        store.transact(fail)
    assert (len(runs), store.get("s/n")) == (1, None)


def test_a_payment_happens_once_and_tells_its_first_receipt(store, other):
    store.put("account/1", 100)

    def pay(tx):
        left = tx.get("account/1") - 30
        tx.put("account/1", left)
        return {"left": left}

    assert store.transact(pay, operation_id="payment/17") == {"left": 70}
    assert other.transact(pay, operation_id="payment/17") == {"left": 70}
    assert other.transact(pay, operation_id="payment/18") == {"left": 40}
    with (
        pytest.raises(AlreadyCommittedError) as caught,
        other.transaction(operation_id="payment/17"),
    ):
        pytest.fail("it has happened")
    assert caught.value.result == {"left": 70}


def test_a_payment_that_somebody_else_makes_meanwhile_happens_once(store, other):
    store.put("account/1", 100)
    inner = []

    def pay(tx):
        left = tx.get("account/1") - 30
        if not inner:
            inner.append(1)
            inner.append(other.transact(pay, operation_id="payment/1"))
        tx.put("account/1", left)
        return left

    assert store.transact(pay, operation_id="payment/1") == 70
    assert (inner[1], store.get("account/1")) == (70, 70)


def test_at_every_failure_a_transaction_happens_once_or_not(store, other, plan):
    def add(tx):
        tx.put("s/a", tx.get("s/a", 0) + 1)
        tx.put("s/b", tx.get("s/b", 0) + 1)

    for kind in ("error", "lost"):
        for n in itertools.count(1):
            before = other.get("s/a", 0)
            plan.arm(n, kind)
            try:
                store.transact(add)
                expected = before + 1
            except UnavailableError:
                expected = before
            fired, _ = plan.fired, plan.arm(0, "error")
            assert (other.get("s/a", 0), other.get("s/b", 0)) == (expected, expected)
            if fired is None:
                break
        assert n > 3


def test_misuse_is_told_before_anything_happens(store, region):
    tx = store.transaction()
    for call in (
        lambda: tx.get("s/a"),
        lambda: tx.put("s/a", 1),
        lambda: tx.delete("s/a"),
        lambda: tx.touch("s/a"),
    ):
        with pytest.raises(TransactionError, match="within its block"):
            call()
    commits = region._number
    with tx:
        with pytest.raises(TransactionError, match="cannot scan"):
            tx.scan("s/")
        with pytest.raises(TransactionError, match="within another"), store.transaction():
            pass
        with pytest.raises(TransactionError, match="within another"):
            store.prefixed("s/").transact(lambda inner: inner.put("a", 1))
        with pytest.raises(ConsistencyMismatchError):
            tx.get("plain")
        with pytest.raises(ConsistencyMismatchError):
            tx.put("plain", 1)
        with pytest.raises(TransactionError, match="before the transaction"), store.lease("l"):
            pass
    with pytest.raises(TransactionError, match="within its block"):
        tx.get("s/a")
    with pytest.raises(TransactionError, match="used once"), tx:
        pass
    assert region._number == commits
    with pytest.raises(InvalidArgumentError):
        store.transact(lambda tx: None, attempts=0)


def test_a_transaction_that_is_too_large(store, region):
    commits = region._number
    with pytest.raises(ValueTooLargeError), store.transaction() as tx:
        for number in range(501):
            tx.put(f"s/{number}", 1)
    with pytest.raises(ValueTooLargeError), store.transaction() as tx:
        tx.get_many([f"s/{number}" for number in range(501)])
    with pytest.raises(ValueTooLargeError), store.transaction() as tx:
        for number in range(3):
            tx.put(f"s/{number}", b"x" * (12 << 20))
    with pytest.raises(ValueTooLargeError):
        store.transact(lambda tx: tx.put("s/a", 1) or "x" * 5000, operation_id="large")
    assert region._number == commits


def test_transactions_of_two_stores_may_be_open_at_once(store, other):
    with store.transaction() as tx:
        tx.put("s/a", 1)
        with other.transaction() as inner:
            inner.put("s/b", 1)
    assert store.get_many(["s/a", "s/b"]) == {"s/a": 1, "s/b": 1}


def test_a_closed_store_begins_no_transaction(open_store):
    store = open_store()
    tx = store.transaction()
    store.close()
    with pytest.raises(StoreClosedError), tx:
        pass
    with pytest.raises(StoreClosedError):
        store.transaction()


def test_a_store_that_is_closed_meanwhile_commits_nothing(open_store, other):
    store = open_store()
    with pytest.raises(StoreClosedError), store.transaction() as tx:
        tx.put("s/a", 1)
        store.close()
        with pytest.raises(StoreClosedError):
            tx.get("s/b")
    assert other.get("s/a") is None


@pytest.mark.parametrize("order", sorted(set(itertools.permutations("aabb"))), ids="".join)
def test_two_transfers_in_every_order(store, other, order):
    """Reads and commits of two transactions interleaved: one after the other, or one of them."""
    store.put_many({"account/1": 10, "account/2": 10})

    def transfer(by, amount):
        tx = by.transaction()
        tx.start()
        one, two = tx.get("account/1"), tx.get("account/2")
        yield
        tx.put("account/1", one - amount)
        tx.put("account/2", two + amount)
        tx.finish()
        yield

    running = {"a": transfer(store, 1), "b": transfer(other, 2)}
    moved = {"a": 1, "b": 2}
    for name in order:
        try:
            next(running[name])
        except ConflictError:
            del moved[name]
    total = sum(moved.values())
    assert store.get_many(["account/1", "account/2"]) == {
        "account/1": 10 - total,
        "account/2": 10 + total,
    }
    is_overlapping = order[:2] in (("a", "b"), ("b", "a"))
    assert len(moved) == (1 if is_overlapping else 2)


def test_what_differs_is_told_apart_by_where_it_is(store, other, open_store):
    """A key may be named like a record of a lease."""
    named = open_store(rules=[{"match": "**", "consistency": "strong"}])
    named.put("lease/jobs", 1)
    with named.lease("jobs") as lease:
        with pytest.raises(ConflictError) as caught, named.transaction() as tx:
            tx.require(lease)
            tx.put("s/a", tx.get("lease/jobs"))
            named.put("lease/jobs", 2)
        assert caught.value.current == {"lease/jobs": named.read("lease/jobs").version}
        with pytest.raises(LeaseLostError) as lost, named.transaction() as tx:
            tx.require(lease)
            tx.put("s/a", tx.get("lease/jobs"))
            named._core.strong.leases.give_back(lease._hold, named._core.deadline(None))
        assert named.get("s/a") is None
        assert lost.value.__cause__ is None
    with named.lease("jobs") as lease, pytest.raises(LeaseLostError), named.transaction() as tx:
        tx.require(lease)
        tx.put("s/a", tx.get("lease/jobs"))
        named.put("lease/jobs", 3)
        named._core.strong.leases.give_back(lease._hold, named._core.deadline(None))


def test_own_writes_are_read_as_they_will_be(store, other, runtime):
    store.put("s/touched", 1, ttl=10, metadata={"by": "store"})
    store.put_many({"s/put": 1, "s/deleted": 1, "s/kept": 1}, metadata={"by": "store"})
    with store.transaction() as tx:
        assert tx.touch("s/touched", ttl=100)
        tx.put("s/put", 2, ttl=50, metadata={"by": "tx"})
        tx.put("s/plain", 3)
        tx.delete("s/deleted")
        seen = {key: tx.read(f"s/{key}") for key in ("touched", "put", "plain", "deleted", "kept")}
        assert tx.touch("s/touched", ttl=None)
        assert tx.read("s/touched").expires_at is None
        assert tx.touch("s/touched", ttl=100)
        assert tx.touch("s/plain", ttl=7)
        assert tx.read("s/plain").expires_at == runtime.time_ns() // 10**9 + 7
        assert tx.touch("s/plain", ttl=None)
    for key, reading in seen.items():
        now = other.read(f"s/{key}")
        assert (reading.value, reading.found) == (now.value, now.found)
        assert (reading.metadata, reading.tier, reading.rule) == (now.metadata, now.tier, now.rule)
        assert reading.expires_at == now.expires_at
        assert reading.version == (None if key in ("put", "plain") else now.version)
