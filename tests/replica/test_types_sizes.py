"""How large counters and sets count at the edge, and what scans show of them without values."""

from __future__ import annotations

import pytest

from tierstore.errors import ValueTooLargeError

RULES = [
    {"match": "jrn/n", "type": "counter"},
    {"match": "jrn/s", "type": "set"},
    {"match": "ttl/n", "type": "counter", "ttl": "5s"},
    {"match": "new/n", "type": "counter", "ttl": "5s", "ttl_renew": "write"},
    {"match": "few/s", "type": "set", "edge": {"max_value": "1KiB"}},
]
POLICY = {
    "rules": RULES,
    "replication": {"flush": "1h", "pull": "1h"},
    "limits": {"value": "2KiB", "unflushed": "8KiB"},
}


@pytest.mark.parametrize("is_resident", [True, False])
def test_increments_count_as_one_number_however_many_wait(new_node, is_resident):
    node = new_node(**POLICY)
    counter = node.store.counter("jrn/n")
    if is_resident:
        counter.add(1)
        node.store.flush()
        assert counter.get() == 1
    for _ in range(5000):
        counter.add(1)
    assert node.state.outbox.unflushed_bytes < 500
    node.store.flush()
    assert node.state.outbox.unflushed_bytes == 0
    assert node.state.edge.used_bytes < 500


def test_elements_that_are_there_already_make_a_set_no_larger(new_node):
    node = new_node(**POLICY)
    members = node.store.members("jrn/s")
    for round_ in range(200):
        members.add(*(f"element-{n:010}" for n in range(20)))
        if round_ == 100:
            node.store.flush()
            assert members.count() == 20
    members.discard("element-0000000001")
    assert node.state.outbox.unflushed_bytes < 2000
    node.store.flush()
    assert members.count() == 19


def test_a_set_above_its_limit_takes_nothing_more_and_can_be_emptied(new_node):
    node = new_node(**POLICY)
    members = node.store.members("jrn/s")
    for start in range(0, 90, 30):  # blind: nobody here knows how large it is
        members.add(*(f"element-{n:020}" for n in range(start, start + 30)))
        node.store.flush()
    assert members.count() == 90
    with pytest.raises(ValueTooLargeError):
        members.add("one more")
    members.add(f"element-{7:020}")  # it is there already
    members.discard(*(f"element-{n:020}" for n in range(20)))
    node.store.flush()
    assert members.count() == 70
    with pytest.raises(ValueTooLargeError):
        members.add("one more")
    for start in (20, 40, 60):
        members.discard(*(f"element-{n:020}" for n in range(start, start + 20)))
    members.add("one more")
    node.store.flush()
    assert members.count() == 11


def test_a_set_that_outgrows_the_edge_leaves_it(new_node):
    node = new_node(**POLICY)
    members = node.store.members("few/s")
    members.add("a")
    node.store.flush()
    assert members.all() == {"a"}
    assert "few/s" in node.state.edge.resident
    elements = {f"element-{n:020}" for n in range(40)}
    for element in elements:
        members.add(element)
    assert "few/s" not in node.state.edge.resident
    assert members.all() == elements | {"a"}
    node.store.flush()
    assert members.all() == elements | {"a"}
    assert node.state.edge.used_bytes == 0


@pytest.mark.parametrize("key", ["ttl/n", "new/n"])
@pytest.mark.parametrize("waits_s", [3, 6])
def test_scans_without_values_show_the_same_keys(new_node, key, waits_s):
    node = new_node(**POLICY)
    counter = node.store.counter(key)
    counter.add(1)
    node.store.flush()
    node.runtime.advance(waits_s)
    counter.add(1)  # begins a life, or renews it, or neither
    for _ in range(3):
        with_values = [entry.key for entry in node.store.scan()]
        assert [entry.key for entry in node.store.scan(values=False)] == with_values
        node.runtime.advance(2)
