"""A session's write happened, or it did not: whatever fails as it is noted."""

from __future__ import annotations

from itertools import count

from tierstore.errors import UnavailableError

POLICY = {"rules": [{"match": "mem/*", "durability": "memory"}], "replication": {"flush": "1h"}}


def test_a_write_that_cannot_be_numbered_on_disk_is_no_failed_write(new_node):
    for n in count(1):
        node = new_node(**POLICY)
        node.store.put("jrn/other", 0)
        session = node.store.session()
        node.plan.arm(n, "error")
        try:
            session.put("jrn/x", 1)
        except UnavailableError:
            node.plan.arm(0, "error")
            assert node.store.get("jrn/x") is None
            continue
        has_failed = node.plan.fired is not None
        node.plan.arm(0, "error")
        assert session.get("jrn/x") == 1
        assert node.store.session(session.session_token).get("jrn/x") == 1
        node.store.flush()
        assert node.region.value("jrn/x") is not None
        if not has_failed:
            assert n > 2
            return


def test_a_batch_that_is_numbered_while_a_flush_writes_others_down_is_sent(new_node, monkeypatch):
    """For a token that somebody asked for in that moment."""
    node = new_node(**POLICY)
    replica = node.store._core.replica
    node.store.put("jrn/x", 1)
    write_down = replica.flusher._build

    def ask_meanwhile():
        write_down()
        monkeypatch.undo()
        session = node.store.session()
        session.put("jrn/y", 2)
        assert session.session_token

    monkeypatch.setattr(replica.flusher, "_build", ask_meanwhile)
    node.store.flush()
    assert node.region.value("jrn/x") is not None
    assert node.region.value("jrn/y") is not None
