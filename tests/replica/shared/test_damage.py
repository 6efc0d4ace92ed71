"""Copies and queues that cannot be understood, full servers, and servers that may lose."""

from __future__ import annotations

import pytest

from tierstore.errors import CorruptionError, OverloadedError, PolicyError, ValueTooLargeError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.shared import CopiesReply, Queued, tag_of
from tierstore.testing import ManualRuntime, MemoryRegion, MemoryShared


class HarmedEdge(MemoryShared):
    """One in which keys can be damaged until they are dropped."""

    def __init__(self, runtime, **options):
        super().__init__(runtime, **options)
        self.damaged = set()
        self.spoilt = set()

    def read(self, keys, timeout_s):
        reply = super().read(keys, timeout_s)
        hit = self.damaged & set(keys)
        copies = {key: copy for key, copy in reply.copies.items() if key not in hit}
        return CopiesReply(copies, dict.fromkeys(hit, "its check fails"))

    def withdraw(self, keys, timeout_s):
        for key in self.damaged & set(keys):
            self.copies.pop(key, None)
        self.damaged -= set(keys)
        super().withdraw(keys, timeout_s)

    def queue(self, *arguments):
        entries = super().queue(*arguments)
        return [Queued(e.number, None, b"?") if e.number in self.spoilt else e for e in entries]


@pytest.fixture
def runtime():
    return ManualRuntime()


@pytest.fixture
def edge(runtime):
    return HarmedEdge(runtime)


@pytest.fixture
def region(runtime):
    return MemoryRegion(runtime)


@pytest.fixture
def make_store(runtime, region, edge):
    made = []

    def make(policy=None):
        made.append(wire(load(policy or {"version": 1}), runtime, region=region, edge=edge))
        return made[-1]

    yield make
    for store in made:
        store.close()


def test_a_damaged_copy_is_replaced_by_the_row(make_store, edge):
    store = make_store()
    store.put("key", 1)
    store.flush()
    edge.damaged.add("key")
    assert store.get("key") == 1
    assert edge.damaged == set()
    assert store.read("key").tier == "edge"


def test_a_damaged_copy_hides_no_write_that_waits(make_store, edge):
    store = make_store()
    store.put("key", 1)
    edge.damaged.add("key")
    assert store.get("key") == 1


def test_a_damaged_entry_stops_its_queue_and_is_told(make_store, edge):
    store = make_store()
    store.put("key", 1)
    edge.spoilt.add(1)
    with pytest.raises(CorruptionError, match="entry 1 of queue"):
        store.flush()
    assert store.stats()["shared_edge"]["queues_stopped"]
    assert not store.check().ok
    assert store.get("key") == 1
    edge.spoilt.clear()
    store.flush()
    assert store.check().ok


def test_a_server_that_may_lose_is_refused_where_a_rule_says_journal(runtime, make_store, edge):
    edge.is_durable = False
    with pytest.raises(PolicyError, match=r"journal \(default\) needs an edge server"):
        make_store().put("key", 1)
    rules = [{"match": "**", "durability": "memory"}]
    make_store({"version": 1, "rules": rules}).put("key", 1)


def test_what_may_wait_is_bounded_and_drained(make_store, region):
    policy = {"version": 1, "limits": {"value": "1KiB", "unflushed": "32KiB"}}
    store = make_store(policy)
    for number in range(100):
        store.put("key", "x" * 500 + str(number))
    assert store.get("key").endswith("99")


def fill_up(store, taken):
    """Write until that is refused, and note what was taken."""
    for number in range(100):
        value = "x" * 500 + str(number)
        store.put("key", value)
        taken.append(value)


def test_it_is_refused_while_the_region_is_away(make_store, region, monkeypatch):
    from tierstore.errors import UnavailableError

    def away(*_):
        raise UnavailableError("the region is away")

    store = make_store({"version": 1, "limits": {"value": "1KiB", "unflushed": "32KiB"}})
    store.put("key", 0)
    with monkeypatch.context() as patch:
        patch.setattr(region, "apply", away)
        taken = []
        with pytest.raises(OverloadedError, match="wait for the region"):
            fill_up(store, taken)
        assert taken
        assert store.get("key") == taken[-1]


@pytest.mark.parametrize("count", [1, 40])
def test_what_is_more_than_a_queue_may_hold_is_written_once_nothing_else_waits(make_store, count):
    """A value, or a call, that is larger than a queue's share of what may wait."""
    store = make_store({"version": 1, "limits": {"value": "16KiB", "unflushed": "32KiB"}})
    size = 10_000 // count
    written = {f"key/{number}": "x" * size for number in range(count)}
    store.put_many(dict.fromkeys(written, "before"))
    store.put_many(written)
    assert store.get_many(written) == written


def test_what_can_never_wait_is_refused_in_words(make_store):
    store = make_store({"version": 1, "limits": {"value": "1KiB", "unflushed": "1KiB"}})
    keys = [key for key in map(str, range(100)) if tag_of(key) == tag_of("0")]
    with pytest.raises(ValueTooLargeError, match=r"limits\.unflushed"):
        store.put_many(dict.fromkeys(keys[:5], "x" * 300))
    assert store.get("0") is None
