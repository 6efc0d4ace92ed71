"""The verbs of bounded counters: on files, across processes' lives, and what is refused."""

from __future__ import annotations

import pickle

import pytest

from tierstore.errors import (
    InsufficientRightsError,
    InvalidArgumentError,
    InvalidKeyError,
    OutcomeUnknownError,
    PolicyError,
    StoreClosedError,
    TypeMismatchError,
    UnavailableError,
)
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import MemoryRegion, memory_store
from tierstore.testing.faults import (
    KINDS,
    Crash,
    FaultPlan,
    FaultyJournalDirectory,
    FaultyRegion,
)

RULES = [
    {"match": "stock/**", "type": "bounded_counter"},
    {"match": "debt/**", "type": "bounded_counter", "minimum": -5},
    {"match": "strong", "consistency": "strong"},
]


@pytest.fixture
def store(open_store):
    return open_store(rules=RULES)


@pytest.fixture
def stock(store):
    stock = store.bounded_counter("stock/1")
    stock.give(10)
    return stock


def test_a_stock_is_sold_down_to_its_minimum(store, stock):
    assert repr(stock) == "<tierstore.BoundedCounter 'stock/1'>"
    assert (stock.get(), stock.rights()) == (10, 0)
    stock.take(3)
    assert stock.get() == 7
    assert stock.try_take(7)
    assert not stock.try_take()
    with pytest.raises(InsufficientRightsError) as caught:
        stock.take(2)
    assert caught.value.available == 0
    assert stock.get() == 0


def test_the_minimum_may_be_below_zero(store):
    debt = store.bounded_counter("debt/1")
    assert debt.get() == -5
    debt.give(7)
    assert debt.get() == 2
    debt.take(7)
    assert debt.get() == -5
    assert not debt.try_take()


def test_views_have_stocks_of_their_own(store, stock):
    assert store.prefixed("stock/").bounded_counter("1").get() == 10
    assert store.prefixed("stock/a/").bounded_counter("1").get() == 0


def test_sessions_sell_of_the_same_rights(store, stock):
    seen = store.session().bounded_counter("stock/1")
    seen.take(4)
    assert (seen.get(), stock.get(), seen.rights()) == (6, 6, stock.rights())


def test_a_sale_and_a_gift_happen_at_once_in_a_batch(store, stock):
    with store.batch():
        stock.take(4)
        stock.give(1)
        assert stock.get() == 7


@pytest.mark.parametrize("units", [0, -1, True, 1.0, "1", None, 2**53 + 1])
def test_bad_units_are_refused_before_any_io(store, region, units):
    stock, calls = store.bounded_counter("stock/1"), region.calls
    for verb in (stock.give, stock.take, stock.try_take):
        with pytest.raises(InvalidArgumentError, match="units"):
            verb(units)
    assert region.calls == calls


def test_bad_timeouts_are_refused(stock):
    for verb in (stock.give, stock.take, stock.try_take):
        with pytest.raises(InvalidArgumentError, match="timeout"):
            verb(1, timeout=-1)
    with pytest.raises(InvalidArgumentError, match="timeout"):
        stock.get(timeout="1")


@pytest.mark.parametrize("key", ["", 7, "x" * 1025])
def test_bad_keys_are_refused(store, key):
    with pytest.raises(InvalidKeyError):
        store.bounded_counter(key)


@pytest.mark.parametrize("key", ["a", "strong"])
def test_keys_of_other_types_are_refused(store, key):
    with pytest.raises(TypeMismatchError, match=r"store\.put"):
        store.bounded_counter(key)


def test_other_verbs_are_refused(store, stock):
    calls = [
        lambda: store.get("stock/1"),
        lambda: store.read("stock/1"),
        lambda: store.exists("stock/1"),
        lambda: store.get_many(["stock/1"]),
        lambda: store.put("stock/1", 1),
        lambda: store.delete("stock/1"),
        lambda: store.touch("stock/1"),
        lambda: store.counter("stock/1"),
        lambda: store.compare_and_set("stock/1", 1, expected=None),
    ]
    for call in calls:
        with pytest.raises(TypeMismatchError, match=r"store\.bounded_counter"):
            call()
    assert list(store.scan("stock/")) == []
    assert stock.get() == 10


def test_a_handle_is_not_pickled_and_ends_with_its_store(store, stock):
    with pytest.raises(TypeError):
        pickle.dumps(stock)
    store.close()
    for verb in (stock.take, stock.get, stock.rights, stock.give):
        with pytest.raises(StoreClosedError):
            verb()


def test_closing_returns_what_is_left_and_the_next_store_sells_it(open_store):
    with open_store(rules=RULES) as store:
        stock = store.bounded_counter("stock/1")
        stock.give(10)
        stock.take(4)
    with open_store(rules=RULES) as store:
        stock = store.bounded_counter("stock/1")
        assert stock.get() == 6
        stock.take(6)
        assert not stock.try_take()


def test_a_killed_process_is_adopted_by_another_store(open_store, runtime):
    dead, living = open_store(rules=RULES), open_store(rules=RULES)
    stock = dead.bounded_counter("stock/1")
    stock.give(10)
    stock.take(4)
    living.put("other", 1)
    dead._core.replica.state.journal.close()  # what the end of its process does
    assert living.maintain().ok
    assert living.bounded_counter("stock/1").get() == 6
    living.bounded_counter("stock/1").take(6)
    assert dead._core.replica.state.keeper.escrow.figures()["keys"] == 1


def test_a_killed_process_s_rights_are_confirmed_when_its_journal_is_taken(open_store, runtime):
    dead = open_store(rules=RULES)
    stock = dead.bounded_counter("stock/1")
    stock.give(10)
    stock.take(4)
    dead._core.replica.state.journal.close()
    again = open_store(rules=RULES)
    assert again.bounded_counter("stock/1").rights() == 0
    runtime.advance(2.0)
    again.maintain()
    assert again.bounded_counter("stock/1").rights() > 0
    assert again.bounded_counter("stock/1").get() == 6
    again.bounded_counter("stock/1").take(6)


def test_who_only_looks_at_its_rights_gets_those_that_were_left_confirmed(open_store, runtime):
    dead = open_store(rules=RULES)
    dead.bounded_counter("stock/1").give(10)
    dead.bounded_counter("stock/1").take(4)
    dead._core.replica.state.journal.close()
    stock = open_store(rules=RULES).bounded_counter("stock/1")
    assert stock.rights() == 0
    runtime.advance(2.0)
    assert stock.rights() > 0


def test_rights_are_looked_after_in_the_background(store, stock, runtime, region):
    for _ in range(8):
        stock.take(1)
        runtime.advance(0.1)
    runtime.advance(2.0)
    assert store.stats()["escrow"]["unreported"] == 0
    runtime.advance(300.0)
    assert store.stats()["escrow"] == {"keys": 0, "rights": 0, "unconfirmed": 0, "unreported": 0}
    assert stock.get() == 2
    stock.take(2)


def test_a_policy_without_the_rule_still_returns_the_rights(open_store, runtime, region):
    dead = open_store(rules=RULES)
    dead.bounded_counter("stock/1").give(10)
    dead.bounded_counter("stock/1").take(1)
    dead._core.replica.state.journal.close()
    with open_store(rules=[]) as other:
        other.put("a", 1)
        other.maintain()
    with open_store(rules=RULES) as store:
        store.bounded_counter("stock/1").take(9)


def test_a_fork_has_no_rights_of_its_parent(store, stock):
    stock.take(1)
    replica = store._core.replica
    assert stock.rights() > 0
    replica.before_fork()
    replica.after_fork_in_child()
    assert stock.rights() == 0


def test_a_parent_goes_on_after_a_fork(store, stock):
    stock.take(1)
    replica = store._core.replica
    replica.before_fork()
    replica.after_fork_in_parent()
    for _ in range(9):
        stock.take(1)


def test_a_gift_without_an_answer_can_be_asked_about(tmp_path, runtime):
    plan = FaultPlan()
    region = FaultyRegion(MemoryRegion(runtime), plan)
    with wire(load({"rules": RULES}, tmp_path), runtime, region=region) as store:
        stock = store.bounded_counter("stock/1")
        assert stock.get() == 0
        for n in (1, 2, 3, 4):
            plan.arm(n, "lost")
            try:
                stock.give(1)
            except (UnavailableError, OutcomeUnknownError) as error:
                assert "made to get lost" in str(error)  # noqa: PT017
        plan.arm(0, "error")
        given = stock.get()
        stock.give(2, operation_id="delivery 7")
        stock.give(2, operation_id="delivery 7")
        assert stock.get() == given + 2


def test_a_full_disk_sells_nothing(store, stock, monkeypatch):
    stock.take(1)
    notes, rights = store._core.replica.state.journal.escrow, stock.rights()

    def fail(_):
        raise UnavailableError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(notes, "put", fail)
        with pytest.raises(UnavailableError, match="disk is full"):
            stock.take(1)
        assert stock.rights() == rights
    assert stock.try_take(9)
    assert not stock.try_take()


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_io_fails_each_unit_is_sold_once(kind, tmp_path, runtime):
    """On files: a gift, sales and a step, with the n-th I/O failing or ending the process."""
    for n in range(1, 60):
        plan, folder = FaultPlan(), tmp_path / f"{kind} {n}"
        region, sold = MemoryRegion(runtime), [0, 0]
        journals = FaultyJournalDirectory(str(folder / "journal"), plan)
        edge = {"url": "memory://", "journal": "journal"}
        policy = load({"tiers": {"edge": edge}, "rules": RULES}, folder)
        faulty = FaultyRegion(region, plan)
        store = wire(policy, runtime, region=faulty, journals=journals)
        store.bounded_counter("stock/1").give(10)
        plan.arm(n, kind)
        try:
            _sell_some(store, sold)
        except (UnavailableError, OutcomeUnknownError, Crash):
            sold[1] += 3
        is_over = plan.fired is None
        plan.arm(0, "error")
        if kind.startswith("crash"):
            journals.abandon()
            store._core.replica.state.closed = True
        else:
            store.close(60)
        with wire(policy, runtime, region=region) as again:
            again.maintain()
            left = again.bounded_counter("stock/1").get()
            assert sold[0] <= 10 - left <= sum(sold)
            again.bounded_counter("stock/1").take(left)
            assert not again.bounded_counter("stock/1").try_take()
        if is_over:
            return
    raise AssertionError("more I/Os than are tried")


def _sell_some(store, sold):
    for _ in range(2):
        store.bounded_counter("stock/1").take(3)
        sold[0] += 3
        store._core.replica.state.keeper.step()


def test_explain_tells_the_books(store, stock):
    stock.take(2)
    text = str(store.explain("stock/1"))
    assert "10 units were given, and 0 are reported as sold" in text
    assert f"this replica may sell {stock.rights()} without asking" in text


def test_a_memory_store_sells_too(runtime):
    region = MemoryRegion(runtime)
    with (
        memory_store({"rules": RULES}, region=region, runtime=runtime) as one,
        memory_store({"rules": RULES}, region=region, runtime=runtime) as two,
    ):
        one.bounded_counter("stock/1").give(5)
        taken = sum(s.bounded_counter("stock/1").try_take() for s in (one, two) * 5)
        assert taken == 5


def test_an_edge_that_workers_share_is_refused():
    with pytest.raises(PolicyError, match="a Redis edge may lose that"):
        load({"tiers": {"edge": {"url": "redis://localhost"}}, "rules": RULES[:1]})


def test_a_region_must_be_asked_within_the_timeout(store, stock, region, runtime):
    stock.take(1)
    region.is_out = True
    stock.take(stock.rights())
    with pytest.raises(UnavailableError):
        stock.take(1, timeout=0.5)
