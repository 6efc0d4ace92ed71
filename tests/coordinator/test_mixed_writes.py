"""Strong keys written together with others, twice, from several threads at first; lost answers."""

from __future__ import annotations

import threading

import pytest

import tierstore
from tierstore.errors import ConsistencyMismatchError, OutcomeUnknownError, UnavailableError
from tierstore.store import wiring
from tierstore.testing import memory_store


def test_what_was_half_done_is_not_said_to_be_undone(store, other, monkeypatch):
    def refuse(*_):
        raise UnavailableError("the journal is full")

    monkeypatch.setattr(store._core.replica.writer, "write", refuse)
    with pytest.raises(OutcomeUnknownError) as caught:
        store.put_many({"s/a": 1, "k": 1})
    assert other.get("s/a") == 1
    assert store.outcome(caught.value.operation_id) != "applied"
    with pytest.raises(OutcomeUnknownError):
        store.delete_many(["s/a", "k"])
    assert other.get("s/a") is None
    with pytest.raises(UnavailableError) as none:
        store.put_many({"k": 1, "l": 1})
    assert none.value.outcome == "none"


def test_what_was_never_made_is_not_called_applied(tmp_path, monkeypatch):
    """Neither by what a journal has never lost, nor by what was there before."""
    rules = [{"match": "s/*", "consistency": "strong"}]
    with tierstore.open({"version": 1, "rules": rules}, base_dir=tmp_path) as store:
        store.put("k", 0)
        store.flush()

        def refuse(*_):
            raise UnavailableError("the journal is full")

        with monkeypatch.context() as patch:
            patch.setattr(store._core.replica.writer, "write", refuse)
            for key in ("k", "new"):
                with pytest.raises(OutcomeUnknownError) as caught:
                    store.put_many({"s/a": 1, key: 1})
                assert store.outcome(caught.value.operation_id) == "unknown"


def test_the_same_key_twice(store, other):
    store.put("s/a", 1)
    store.delete_many(["s/a", "s/b", "s/a"])
    assert other.get("s/a") is None
    assert store.get_many(["s/a", "s/a"]) == {}


def test_a_touch_is_one_request(store, other, runtime, region, monkeypatch):
    store.put("s/a", 1, ttl=10)
    assert store.get("s/a") == 1
    monkeypatch.setattr(region, "read", None)  # whoever reads breaks
    assert store.touch("s/a", ttl=20)
    assert not store.touch("s/none", ttl=20)
    monkeypatch.undo()
    runtime.advance(15)
    assert other.get("s/a") == 1


def test_a_touch_of_a_key_that_was_created_eventual(runtime, region):
    eventual = memory_store({}, region=region, runtime=runtime)
    strong = memory_store(
        {"rules": [{"match": "**", "consistency": "strong"}]}, region=region, runtime=runtime
    )
    eventual.put("k", 1)
    eventual.flush()
    with pytest.raises(ConsistencyMismatchError):
        strong.touch("k", ttl=20)
    strong.close()
    eventual.close()


def test_threads_that_begin_at_once_use_one_link(store, monkeypatch):
    """Else a lease that one of them takes is not known to who gives it back."""
    make, has_begun, found = wiring.make_strong, threading.Event(), []
    threads = []

    def make_slowly(core):
        if not threads:
            threads.append(threading.Thread(target=lambda: found.append(core.strong)))
            threads[0].start()
            has_begun.wait(0.1)  # no longer, as it may have to wait for this
        else:
            has_begun.set()
        return make(core)

    monkeypatch.setattr(wiring, "make_strong", make_slowly)
    found.append(store._core.strong)
    threads[0].join()
    assert len({id(one) for one in [*found, store._core.strong]}) == 1


def test_answers_that_are_lost_leave_no_sale_in_doubt(open_store, region):
    """What may have happened is a grant, which nobody has sold of."""
    store = open_store(rules=[{"match": "stock/**", "type": "bounded_counter"}])
    stock = store.bounded_counter("stock/1")
    stock.give(10)
    commit = region.commit

    def deaf(*arguments):
        commit(*arguments)
        raise OutcomeUnknownError("the answer got lost")

    region.commit = deaf
    with pytest.raises(UnavailableError, match="nothing was sold") as caught:
        stock.take(3, timeout=1)
    assert caught.value.outcome == "none"
    region.commit = commit
    with store.lease("l") as lease, pytest.raises(OutcomeUnknownError) as unknown:
        region.commit = deaf
        lease.renew(timeout=1)
    assert "store.outcome" not in str(unknown.value)
    region.commit = commit
    assert stock.get() == 10
    stock.take(10)
    assert not stock.try_take()
