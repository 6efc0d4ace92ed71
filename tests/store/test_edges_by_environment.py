"""An edge whose url only the environment knows is the one that it names."""

from __future__ import annotations

import pytest

import tierstore
from tierstore.errors import PolicyError, UnavailableError

POLICY = {
    "tiers": {"edge": {"url": "${env:SOME_EDGE}", "journal": "none"}},
    "rules": [{"match": "**", "durability": "memory"}],
}


@pytest.fixture
def open_store(tmp_path, monkeypatch):
    """Opens a store of `POLICY` where the variable has this value."""

    def open_it(url):
        monkeypatch.setenv("SOME_EDGE", url)
        return tierstore.open(POLICY, base_dir=tmp_path)

    return open_it


def test_a_memory_is_each_process_own(open_store):
    with open_store("memory://") as store:
        store.put("key", 1)
        assert "shared_edge" not in store.stats()


def test_a_server_is_shared(open_store):
    with open_store("redis://someone:canary@127.0.0.1:1/0") as store:
        assert store.stats()["shared_edge"]["reachable"]
        with pytest.raises(UnavailableError) as caught:
            store.put("key", 1)
    assert "canary" not in str(caught.value)


def test_one_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("SOME_EDGE", raising=False)
    with pytest.raises(PolicyError, match="SOME_EDGE is not set"):
        tierstore.open(POLICY, base_dir=tmp_path)


def test_a_scheme_that_nothing_serves_is_refused(open_store):
    with open_store("nobody://here") as store, pytest.raises(PolicyError, match="nobody"):
        store.put("key", 1)
