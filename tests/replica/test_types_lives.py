"""Changes that wait while the life that they began comes to its end, and Ctrl-C at any line."""

from __future__ import annotations

import contextlib
import sys
from itertools import count

import pytest

from tierstore.edge.entry import CLEAN
from tierstore.edge.typed import TypedEntry
from tierstore.replica import changing
from tierstore.replica.outbox import Outbox
from tierstore.replica.writes import Writer

RULES = [
    {"match": "ttl/n", "type": "counter", "ttl": "5s"},
    {"match": "ttl/s", "type": "set", "ttl": "5s"},
    {"match": "mem/n", "type": "counter", "durability": "memory", "ttl": "5s"},
    {"match": "jrn/n", "type": "counter"},
    {"match": "mem/m", "type": "counter", "durability": "memory"},
]
POLICY = {"rules": RULES, "replication": {"flush": "1h", "pull": "1h"}}


def begin_two_lives(node, key):
    """Add 1 in a life that ends, unflushed, and 10 in the next one."""
    counter = node.store.counter(key)
    counter.add(1)
    node.runtime.advance(6)
    counter.add(10)
    return counter


@pytest.mark.parametrize("key", ["ttl/n", "mem/n"])
def test_what_begins_a_life_after_one_that_was_never_flushed_is_kept(new_node, key):
    node = new_node(**POLICY)
    counter = begin_two_lives(node, key)
    assert counter.get() == 10
    node.store.flush()
    node.pull()
    assert counter.get() == 10
    assert node.state.outbox.unflushed_bytes == 0
    node.runtime.advance(6)
    assert counter.get() == 0


def test_lives_that_ended_while_the_region_was_away_are_told_in_their_order(new_node):
    node = new_node(**POLICY)
    counter = node.store.counter("ttl/n")
    for number in (1, 10, 100):
        counter.add(number)
        node.runtime.advance(6)
    node.store.members("ttl/s").add("x")
    counter.add(1000)
    assert node.store._core.replica.state.outbox.unflushed == 5
    node.store.flush()
    assert counter.get() == 1000
    assert node.region.rows["ttl/n"].record.generation == 4


def test_of_a_life_that_others_prolonged_all_counts(new_node, second_node):
    node = new_node(**POLICY)
    other = second_node(node, "other")
    other.crash()
    other.policy = node.policy
    other.open()
    other.store.counter("ttl/n").add(100)
    other.store.touch("ttl/n", ttl=None)
    other.store.flush()
    counter = begin_two_lives(node, "ttl/n")
    node.store.flush()
    assert counter.get() == 111


def test_a_life_that_ended_survives_a_crash(new_node):
    node = new_node(**POLICY)
    begin_two_lives(node, "ttl/n")
    node.crash()
    node.open()
    assert node.store.counter("ttl/n").get() == 10
    node.store.flush()
    assert node.store.counter("ttl/n").get() == 10


def test_a_delete_also_ends_what_waits_of_an_earlier_life(new_node):
    node = new_node(**POLICY)
    counter = begin_two_lives(node, "ttl/n")
    node.store.delete("ttl/n")
    counter.add(5)
    node.store.flush()
    node.pull()
    assert counter.get() == 5


@contextlib.contextmanager
def interrupted_at_line(number, *functions):
    """Raises KeyboardInterrupt at the `number`-th line run of `functions`; says whether it did."""
    codes, lines, struck = {function.__code__ for function in functions}, count(1), []

    def follow(frame, event, argument):
        if event == "line" and next(lines) == number:
            struck.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
            raise KeyboardInterrupt
        return follow

    sys.settrace(lambda frame, event, argument: follow if frame.f_code in codes else None)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield struck
    finally:
        sys.settrace(None)


def test_ctrl_c_at_any_line_of_freezing_counts_nothing_twice_nor_unbalances_the_books(new_node):
    functions = Outbox.take_dirty, Outbox._clean, Outbox._take_ended
    for number in count(1):
        node = new_node(**POLICY)
        counters = [node.store.counter("mem/m"), node.store.counter("jrn/n")]
        for counter in counters:
            counter.add(1)
        node.store.flush()
        for counter in counters:
            assert counter.get() == 1  # so the entries are resident
            counter.add(1)
        late = begin_two_lives(node, "ttl/n")
        with interrupted_at_line(number, *functions) as struck:
            node.store.flush()
        node.store.flush()
        assert late.get() == 10, struck
        for counter in counters:
            counter.add(1)
        node.store.flush()
        node.pull()
        assert [counter.get() for counter in counters] == [3, 3], struck
        assert node.region.rows["ttl/n"].record.generation == 2, struck
        outbox = node.state.outbox
        assert (outbox.dirty_bytes, outbox.frozen_bytes) == (0, 0), struck
        node.store.close()
        if not struck:
            return


CHANGING = (
    changing.take, TypedEntry.take, TypedEntry.show_change, Writer._show_change, Outbox.end_life,
    Outbox.mark, Outbox.unmark, TypedEntry.freeze, TypedEntry.forget_pending,
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "crashes"),
    [("jrn/n", False), ("jrn/n", True), ("mem/m", False), ("ttl/n", False), ("ttl/n", True)],
)
def test_ctrl_c_at_any_line_of_a_change_leaves_the_others_as_they_were(new_node, key, crashes):
    for number in count(1):
        node = new_node(**POLICY)
        counter = node.store.counter(key)
        counter.add(1)
        node.store.flush()
        assert counter.get() == 1
        counter.add(4)
        certain = 1 + 4 + 64
        if key == "ttl/n":
            node.runtime.advance(6)
            certain = 64
        with interrupted_at_line(number, *CHANGING) as struck:
            counter.add(16)
        counter.add(64)
        if crashes:
            node.crash()
            node.open()
        node.store.flush()
        node.pull()
        total = node.store.counter(key).get()
        assert total - certain in ((0, 16) if struck else (16,)), struck
        outbox, edge = node.state.outbox, node.state.edge
        assert (outbox.dirty_bytes, outbox.frozen_bytes) == (0, 0), struck
        assert edge.used_bytes == sum(entry.size for entry in edge if entry.dirty == CLEAN)
        node.store.close()
        if not struck:
            return
