"""Edits of a document that are left to an operator while others wait that were made on them."""

from __future__ import annotations

from contextlib import suppress
from itertools import count

import pytest

from tierstore.errors import TierStoreError

RULES = {
    "rules": [{"match": "d/*", "type": "document"}],
    "replication": {"flush": "1h", "pull": "1h"},
}


def edit(node, **fields):
    node.runtime.advance(0.1)
    with node.store.document("d/1").edit() as doc:
        doc.update(fields)
    node.store._core.replica.flusher.freeze()


@pytest.mark.parametrize("max_age", [None, 0])
def test_a_document_is_shown_however_far_that_has_come(new_node, max_age):
    """By a replica that was retired: what is left is not in the region, so nothing stands on it."""
    for at in count(1):
        node = new_node(**RULES)
        edit(node, first=1)
        node.store.flush()
        edit(node, second=2)
        edit(node, second=3, third=3)
        node.region.retire(node.store._core.replica.state.replica, 1.0)
        node.plan.arm(at, "error")
        with suppress(TierStoreError):
            node.store.flush()
        fired = node.plan.fired
        node.plan.arm(0, "error")
        shown = node.store.get("d/1", max_age=max_age)
        assert shown["first"] == 1
        assert shown.keys() <= {"first", "second", "third"}
        node.store.flush()
        assert node.store.get("d/1", max_age=0) == {"first": 1}
        if fired is None:
            break
    assert at > 3
