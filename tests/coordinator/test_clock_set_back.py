"""The clock of a coordinator is set back: operations go on from the last time that it stored."""

from __future__ import annotations

import pytest

import tierstore
from tierstore.region.apply import Limits
from tierstore.testing import memory_store
from tierstore_sql.region import SqlRegion

HOUR_S = 3600


@pytest.fixture
def store(tmp_path, runtime):
    region = SqlRegion(
        "sqlite:///region.db", runtime=runtime, terms=Limits(), base_dir=str(tmp_path)
    )
    policy = {"rules": [{"match": "s/**", "consistency": "strong"}]}
    store = memory_store(policy, region=region, runtime=runtime)
    yield store
    store.close()
    region.close()


@pytest.mark.parametrize("hours", [0.9, 1.1, 30])
def test_strong_verbs_go_on_after_the_clock_was_set_back(store, runtime, hours):
    """At most one of them has to be asked about; and what is asked about was not done."""
    runtime.jump(hours * HOUR_S)
    store.put("s/a", 1)
    runtime.jump(-hours * HOUR_S)
    try:
        store.put("s/a", 2)
    except tierstore.OutcomeUnknownError:
        assert store.get("s/a") == 1
    for number in range(3, 6):
        store.put("s/a", number)
        runtime.advance(1.0)
        assert store.get("s/a") == number
        store.put("eventual", number)
    first = store.compare_and_set("s/b", 1, expected=None, operation_id="mine")
    assert store.compare_and_set("s/b", 1, expected=None, operation_id="mine") == first
    with store.lease("s/lock", ttl=60):
        store.put("s/a", 6)


def test_ids_follow_the_clock_once_it_has_caught_up(store, runtime):
    """They do not run ahead of it for ever: what is from the future is refused."""
    runtime.jump(2 * HOUR_S)
    store.put("s/a", 1)
    runtime.jump(-2 * HOUR_S)
    with pytest.raises(tierstore.OutcomeUnknownError):
        store.put("s/a", 2)
    store.put("s/a", 3)
    runtime.advance(3 * HOUR_S)
    for number in range(4, 7):
        store.put("s/a", number)
    assert store.get("s/a") == 6
