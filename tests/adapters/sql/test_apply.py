"""Batches apply exactly once, and what they leave is the join of what was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.crdt import register
from tierstore.region.batch import decode_batch

TIMEOUT_S = 5.0
KEYS = ("a", "b", "c")


deliveries = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.lists(st.tuples(st.sampled_from(KEYS), st.none() | st.binary(min_size=1)), min_size=1),
        st.sampled_from(["delivered", "lost", "reply lost", "repeated"]),
    ),
    max_size=20,
)


@given(deliveries)
def test_rows_equal_the_join_of_what_was_written(fresh_region, new_sender, deliveries):
    """The model is a dict of joined registers; a lost batch is given up for another."""
    model = {}
    with fresh_region() as (region, runtime):
        senders = [new_sender(region, replica, runtime) for replica in (1, 2, 3)]
        for at, writes, fate in deliveries:
            batch = senders[at].batch(*[senders[at].put(*write) for write in writes])
            if fate != "lost":
                deliver(senders[at], batch, model, fate)
            check(senders[at], model)


def deliver(sender, batch, model, fate):
    before = sender.region.read(KEYS, sender.replica, TIMEOUT_S).position
    if fate in ("reply lost", "repeated"):
        sender.region.apply(decode_batch(batch.body), TIMEOUT_S)
    reply = sender.sent(batch)
    assert reply.verdict == "applied"
    for delta in batch.deltas:
        model[delta.key] = register.join(model.get(delta.key), delta.record)
    touched = {delta.key for delta in batch.deltas}
    assert reply.position - before <= len(touched)


def check(sender, model):
    reply = sender.read(*KEYS)
    assert {key: row.record for key, row in reply.rows.items()} == model
    assert reply.applied == sender.number
    positions = [row.position for row in reply.rows.values()]
    assert len(set(positions)) == len(positions)
