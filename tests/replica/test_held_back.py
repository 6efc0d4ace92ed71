"""A feed that is held back, as a transaction that stays open does: copies are never younger than
they look."""

from __future__ import annotations

import pytest

from tierstore.replica import pull


class HeldBack:
    """A region whose position stays where it was, while rows behind it can be seen."""

    def __init__(self, inner):
        self._inner = inner
        self.at = None
        self.limits = []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def hold(self):
        self.at = self._inner._position

    def changes(self, cursor, limit, replica, timeout_s):
        self.limits.append(limit)
        page = self._inner.changes(cursor, limit, replica, timeout_s)
        if self.at is not None:
            page.position = self.at
            page.cursor = min(page.cursor, self.at)
        return page


@pytest.fixture
def held_back(node):
    region = HeldBack(node.region)
    node.store._core.replica._source.get()._inner = region
    return region


@pytest.fixture
def other(node, second_node):
    other = second_node(node, "other")
    return other


def put(other, keys):
    other.runtime.sleep(0.01)
    other.store.put_many(dict.fromkeys(keys, "new"))
    other.store.flush()


def test_what_can_be_seen_behind_the_position_is_shown(node, other, held_back):
    put(other, ["age/k"])
    assert node.store.get("age/k") == "new"
    held_back.hold()
    other.runtime.sleep(0.01)
    other.store.put("age/k", "newer")
    other.store.flush()
    node.pull()
    reading = node.store.read("age/k")
    assert (reading.value, reading.tier, reading.age_s) == ("newer", "edge", 0.0)
    assert node.state.cursor == held_back.at


def test_it_is_told_again_and_not_read_again(node, other, held_back):
    put(other, ["age/k"])
    node.store.get("age/k")
    held_back.hold()
    put(other, ["age/k"])
    node.pull()
    before = node.state.tally.pulled
    node.pull()
    assert node.state.tally.pulled == before
    held_back.at = None
    node.pull()
    assert node.state.tally.pulled == before
    assert node.state.cursor == node.region._position


def test_more_than_a_page_of_it_is_asked_for_at_once(node, other, held_back, monkeypatch):
    monkeypatch.setattr(pull, "PAGE", 2)
    keys = [f"age/{number}" for number in range(5)]
    put(other, keys)
    node.store.get_many(keys)
    held_back.hold()
    put(other, keys)
    node.runtime.sleep(1.0)
    node.pull()
    assert held_back.limits[-2:] == [2, 8]
    assert {node.store.read(key).age_s for key in keys} == {0.0}


def test_copies_go_on_ageing_where_no_page_is_large_enough(node, other, held_back, monkeypatch):
    monkeypatch.setattr(pull, "PAGE", 2)
    monkeypatch.setattr(pull, "PAGE_MAX", 4)
    keys = [f"age/{number}" for number in range(9)]
    put(other, keys)
    node.store.get_many(keys)
    held_back.hold()
    put(other, keys)
    node.runtime.sleep(1.5)
    node.pull()
    assert node.store.read("age/8").age_s >= 1.5
    node.runtime.sleep(1.0)
    node.pull()
    reading = node.store.read("age/8")
    assert (reading.tier, reading.value) == ("regional", "new")  # older than max_age: asked for
