"""Writes of a machine whose clock was ahead: the region holds them, and they show here."""

from __future__ import annotations

import pytest

from tierstore.errors import TierStoreError

POLICY = {"replication": {"flush": "1h", "pull": "1h"}}


@pytest.mark.parametrize("is_first_known", [False, True])
def test_the_last_one_is_shown_while_nobody_knows_that_it_is_held(new_node, is_first_known):
    """The region says that it has the batch; its row does not show it yet."""
    node = new_node(**POLICY)
    node.store.put("k", 0)
    node.store.flush()
    node.store._core.replica.state.clock.last += 3_600_000 << 16  # as it was when that was ahead
    if is_first_known:
        node.store.put("k", 1)
        node.store.flush()
        assert node.region.aside(9, 1.0)[0].kind == "held"
    node.store.put("k", 2)
    node.store.put("new", 3)
    node.plan.arm(2, "lost")
    with pytest.raises(TierStoreError):
        node.store.flush()
    assert node.plan.fired == "region.apply"
    for _ in range(2):
        assert [entry.value for entry in node.store.scan("")] == [2, 3]
        assert node.store.get("k", max_age=0) == 2
        node.store.flush()
