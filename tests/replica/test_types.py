"""Counters and sets of one process: what ends, interruptions and other people do to them."""

from __future__ import annotations

import contextlib
from itertools import count

import pytest

from tierstore.edge.typed import TypedEntry
from tierstore.errors import CorruptionError, TypeMismatchError, UnavailableError
from tierstore.replica.frozen import Frozen
from tierstore.replica.outbox import Outbox

RULES = [
    {"match": "jrn/n", "type": "counter"},
    {"match": "mem/n", "type": "counter", "durability": "memory"},
    {"match": "ttl/n", "type": "counter", "ttl": "5s"},
    {"match": "new/n", "type": "counter", "ttl": "5s", "ttl_renew": "write"},
    {"match": "jrn/s", "type": "set"},
    {"match": "age/n", "type": "counter", "read": {"max_age": "2s"}},
]
POLICY = {"rules": RULES, "replication": {"flush": "1h", "pull": "1h"}}


@pytest.fixture
def pair(new_node, second_node):
    """Two processes, each with a folder of its own, in one region."""
    node = new_node(**POLICY)
    other = second_node(node, "other")
    other.crash()
    other.policy = node.policy
    other.open()
    return node, other


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (TypedEntry, "freeze"),
        (TypedEntry, "forget_pending"),
        (Frozen, "__init__"),
        (Outbox, "_clean"),
    ],
)
def test_ctrl_c_while_freezing_counts_nothing_twice(new_node, monkeypatch, owner, name):
    """An increment that is in a batch already must not go into the next one, too."""
    for n in count(1):
        node = new_node(**POLICY)
        counters = [node.store.counter("jrn/n"), node.store.counter("mem/n")]
        for counter in counters:
            counter.add(1)
        with monkeypatch.context() as patch:
            struck = strike(patch, owner, name, n)
            with contextlib.suppress(KeyboardInterrupt):
                node.store.flush()
        assert [counter.get() for counter in counters] == [1, 1]
        for counter in counters:
            counter.add(1)
        node.store.flush()
        assert [counter.get() for counter in counters] == [2, 2]
        node.pull()
        assert [counter.get() for counter in counters] == [2, 2]
        if not struck:
            return


def strike(patch, owner, name, n):
    """Let the `n`-th call of a function be interrupted just before it; says whether it was."""
    real, struck, calls = getattr(owner, name), [], count(1)

    def call(*arguments, **named):
        if next(calls) == n:
            struck.append(n)
            raise KeyboardInterrupt
        return real(*arguments, **named)

    patch.setattr(owner, name, call)
    return struck


def test_what_a_dead_process_journaled_counts_once(new_node):
    node = new_node(**POLICY)
    node.store.counter("jrn/n").add(2)
    node.store.counter("jrn/n").add(3)
    node.store.members("jrn/s").add("x", "y")
    node.store.members("jrn/s").discard("x") if node.store.members("jrn/s").all() else None
    node.crash()
    node.open()
    assert node.store.counter("jrn/n").get() == 5
    assert node.store.members("jrn/s").all() == {"y"}
    node.store.flush()
    node.pull()
    assert node.store.counter("jrn/n").get() == 5


def test_a_batch_whose_answer_was_lost_with_its_process_counts_once(new_node):
    node = new_node(**POLICY)
    node.store.counter("jrn/n").add(2)
    node.store.flush()
    node.store.counter("jrn/n").add(3)
    for n in count(1):
        node.plan.arm(n, "lost")
        with contextlib.suppress(UnavailableError):
            node.store.flush()
        if node.plan.fired == "region.apply":
            break
        node.plan.arm(0, "error")
    node.crash()
    node.open()
    node.store.counter("jrn/n").add(4)
    assert node.store.counter("jrn/n").get() == 9
    node.store.flush()
    node.pull()
    assert node.store.counter("jrn/n").get() == 9


def test_blind_verbs_need_no_region_and_reads_do(new_node):
    node = new_node(**POLICY)
    node.plan.is_region_down = True
    node.store.counter("jrn/n").add(2)
    node.store.members("jrn/s").add("x")
    node.store.delete("mem/n")
    for read in (
        node.store.counter("jrn/n").get,
        node.store.members("jrn/s").all,
        lambda: node.store.members("jrn/s").discard("x"),
    ):
        with pytest.raises(UnavailableError):
            read()
    node.plan.is_region_down = False
    node.runtime.advance(10)
    assert node.store.counter("jrn/n").get() == 2


def test_concurrent_increments_add_up_and_are_pulled(pair):
    node, other = pair
    node.store.counter("jrn/n").add(1)
    other.store.counter("jrn/n").add(10)
    node.store.flush()
    assert other.store.counter("jrn/n").get() == 11
    other.store.counter("jrn/n").add(100)
    assert other.store.counter("jrn/n").get() == 111
    assert node.store.counter("jrn/n").get() == 1
    other.store.flush()
    node.pull()
    assert node.store.counter("jrn/n").get() == 111


def test_a_delete_at_one_edge_ends_what_another_shows(pair):
    node, other = pair
    node.store.counter("jrn/n").add(1)
    node.store.flush()
    assert other.store.counter("jrn/n").get() == 1
    node.store.delete("jrn/n")
    assert not node.store.exists("jrn/n")
    node.store.flush()
    other.store.counter("jrn/n").add(5)  # applies to whatever there is then
    other.pull()
    assert other.store.counter("jrn/n").get() == 5
    other.store.flush()
    node.pull()
    assert node.store.counter("jrn/n").get() == 5


def test_a_counter_that_expired_begins_anew(pair):
    node, other = pair
    node.store.counter("ttl/n").add(1)
    node.store.flush()
    node.runtime.advance(3)
    node.store.counter("ttl/n").add(1)
    node.store.flush()
    assert node.store.counter("ttl/n").get() == 2
    node.runtime.advance(2.5)
    assert node.store.counter("ttl/n").get() == 0
    node.store.counter("ttl/n").add(7)
    assert node.store.counter("ttl/n").get() == 7
    node.store.flush()
    node.pull()
    assert node.store.counter("ttl/n").get() == other.store.counter("ttl/n").get() == 7


def test_writes_renew_a_ttl_where_the_rule_says_so(pair):
    node, other = pair
    for _ in range(3):
        node.store.counter("new/n").add(1)
        node.store.flush()
        node.runtime.advance(3)
    assert other.store.counter("new/n").get() == 3


def test_a_touch_keeps_the_sum(pair):
    node, other = pair
    node.store.counter("ttl/n").add(4)
    assert node.store.touch("ttl/n", ttl=60)
    node.store.flush()
    node.runtime.advance(30)
    assert other.store.counter("ttl/n").get() == node.store.counter("ttl/n").get() == 4
    other.store.delete("ttl/n")
    assert not other.store.touch("ttl/n", ttl=60)


def test_an_increment_beside_a_damaged_one_is_not_lost(new_node):
    node = new_node(**POLICY)
    for number in (1, 10, 100):
        node.store.counter("jrn/n").add(number)
    node.state.journal._connection.execute(
        "UPDATE deltas SET checksum = checksum + 1 WHERE seq = 2"
    )
    node.state.journal._connection.commit()
    node.crash()
    node.open()
    with pytest.raises(CorruptionError, match="jrn/n"):
        node.store.counter("jrn/n").get()
    node.store.counter("jrn/n").add(1000)
    node.store.flush()
    assert node.store.counter("jrn/n").get() == 1101


def test_a_journal_of_another_type_than_the_policys_is_refused_whole(new_node):
    node = new_node(**POLICY)
    node.store.counter("jrn/n").add(1)
    node.crash()
    before = node.policy
    from tierstore.policy import load

    node.policy = load({"rules": [{"match": "**"}], "tiers": {"edge": {"journal": "journal"}}})
    node.open()
    with pytest.raises(CorruptionError, match="another type"):
        node.store.get("x")
    node.crash()
    node.policy = before
    node.open()
    assert node.store.counter("jrn/n").get() == 1


def test_a_key_keeps_the_type_it_was_created_as(new_node):
    from tierstore.policy import load

    node = new_node(**POLICY)
    node.store.counter("jrn/n").add(1)
    node.store.flush()
    node.crash()
    node.policy = load(
        {
            "rules": [{"match": "jrn/n", "type": "set"}],
            "tiers": {"edge": {"journal": "journal"}},
        }
    )
    node.open()
    with pytest.raises(TypeMismatchError, match="created as a counter"):
        node.store.members("jrn/n").all()
    node.store.members("jrn/n").add("x")
    node.store.flush()
    assert not node.store.check().ok
    assert node.region.aside(10, 1.0)[0].key == "jrn/n"


def test_a_copy_with_a_bounded_age_is_compared_again(pair):
    node, other = pair
    node.store.counter("age/n").add(1)
    node.store.flush()
    assert other.store.counter("age/n").get() == 1
    node.store.counter("age/n").add(1)
    node.store.flush()
    other.store.counter("age/n").add(10)
    assert other.store.counter("age/n").get() == 11
    node.runtime.advance(3)
    assert other.store.counter("age/n").get() == 12


def test_a_retired_replica_counts_on_under_its_next_identity(new_node):
    node = new_node(**POLICY)
    node.store.counter("jrn/n").add(1)
    node.store.members("jrn/s").add("x")
    node.store.flush()
    assert node.store.counter("jrn/n").get() == 1
    node.runtime.advance(8 * 86_400)
    node.region.maintain(1000, 1.0)
    node.store.counter("jrn/n").add(10)
    node.store.members("jrn/s").discard("x")
    node.store.flush()
    node.pull()
    assert node.store.counter("jrn/n").get() == 11
    assert node.store.members("jrn/s").all() == set()


@pytest.mark.parametrize("is_touched", [False, True])
def test_a_change_after_what_waits_has_expired_is_not_stored_dead(new_node, is_touched):
    """It was acknowledged while the region was away, beside one whose life is over."""
    node = new_node(**POLICY)
    key = "jrn/n" if is_touched else "ttl/n"
    if is_touched:
        node.store.counter(key).add(1)
        node.store.flush()
        assert node.store.counter(key).get() == 1
        node.store.touch(key, ttl=3)
    else:
        node.store.counter(key).add(1)
    node.runtime.sleep(6)
    node.store.counter(key).add(10)
    node.store.flush()
    node.pull()
    assert node.store.counter(key).get() in (10, 11)


@pytest.mark.parametrize("key", ["ttl/n", "new/n"])
def test_what_is_added_after_the_lifetime_of_what_still_waits_lives_its_own(new_node, key):
    """A process that began while the region was away has flushed nothing for longer than a TTL."""
    node = new_node(**POLICY)
    node.plan.is_region_down = True
    node.store.counter(key).add(1)
    node.runtime.advance(7)
    node.store.counter(key).add(10)
    node.plan.is_region_down = False
    node.store.flush()
    node.pull()
    assert node.store.counter(key).get() >= 10
    node.runtime.advance(4)
    assert node.store.counter(key).get() >= 10
    node.runtime.advance(2)
    assert node.store.counter(key).get() == 0


@pytest.mark.parametrize("is_touched_first", [True, False])
def test_a_change_renews_the_life_that_it_joins_though_another_one_was_touched(
    pair, is_touched_first
):
    """Here the copy had expired, and a life begun that the region never had."""
    node, other = pair
    counter = node.store.counter("new/n")
    counter.add(1)
    node.store.flush()
    assert counter.get() == 1
    node.runtime.advance(4)
    other.store.counter("new/n").add(10)
    other.store.flush()
    node.runtime.advance(2)
    counter.add(100)
    if is_touched_first:
        assert node.store.touch("new/n", 4.5)
    counter.add(1000) if is_touched_first else node.store.touch("new/n", 4.5)
    node.store.flush()
    node.runtime.advance(4)  # later than what the other one had renewed
    node.pull()
    assert node.store.get("new/n", max_age=0) == (1111 if is_touched_first else 111)
