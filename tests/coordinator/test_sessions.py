"""Sessions on strong keys: a read is the coordinator's, unless it says how old a copy may be."""

from __future__ import annotations

import pytest

from tierstore.errors import UnavailableError


@pytest.fixture
def come(runtime):
    """A function that lets a session go on at a store, a second ago."""

    def come_to(store, came_from):
        session = store.session(came_from.session_token)
        session.get("none")
        runtime.advance(1)
        return session

    return come_to


def test_a_session_reads_strong_keys_at_the_coordinator(store, other, come):
    other.put_many({"s/a": 1, "s/b": 1})
    session = come(other, store.session())
    assert session.get("s/a", max_age=60) == 1
    store.put_many({"s/a": 2, "s/b": 2})
    assert session.get("s/a") == 2
    for n in (3, 4):
        store.put_many({"s/a": n, "s/b": n})
        assert session.get_many(["s/a", "s/b"]) == {"s/a": n, "s/b": n}
    assert session.read("s/a").tier == "regional"
    assert "s/a" not in other._core.replica.state.edge.resident


def test_a_session_is_shown_copies_only_if_it_asks_for_them(store, other, plan, come):
    store.put_many({"s/a": 1, "plain": 1})
    session = come(store, other.session())
    keys = ["s/a", "plain"]
    assert session.get_many(keys, max_age=60) == {"s/a": 1, "plain": 1}
    plan.is_region_down = True
    assert session.get_many(keys, max_age=60) == {"s/a": 1, "plain": 1}
    for read in (lambda: session.get("s/a"), lambda: session.get_many(keys)):
        with pytest.raises(UnavailableError):
            read()
    plan.is_region_down = False


def test_a_session_is_not_shown_copies_from_before_it_came(store, other, come):
    other.put("s/a", 1)
    assert store.get("s/a", max_age=60) == 1
    writer = other.session()
    writer.put("s/a", 2)
    session = come(store, writer)
    assert store.get("s/a", max_age=60) == 1
    assert session.get_many(["s/a"], max_age=60) == {"s/a": 2}
    other.put("s/a", 3)
    assert session.get("s/a", max_age=60) == 2
    assert session.get("s/a") == 3
    assert session.get("s/a", max_age=60) == 3
