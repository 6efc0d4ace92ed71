"""Batches apply exactly once, and what they leave is the join of what was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.crdt import register
from tierstore.region.batch import Poisoned, decode_batch, freeze
from tierstore.region.outcomes import APPLIED, QUARANTINED, SUPERSEDED

TIMEOUT_S = 5.0
KEYS = ("a", "b", "c")


def test_a_repeated_batch_gets_the_stored_answer_and_changes_nothing(sender):
    sender.send(sender.put("k", b"old"))
    batch = sender.batch(sender.put("k", b"new"), sender.put("j", b"1", stamp=1 << 40))
    first = sender.sent(batch)
    before = sender.read("k", "j").rows
    again = sender.region.apply(decode_batch(batch.body), TIMEOUT_S)
    assert (first.verdict, again.verdict) == ("applied", "applied")
    assert (first.repeated, again.repeated) == (False, True)
    assert again.outcomes == first.outcomes
    assert again.position == first.position
    assert sender.read("k", "j").rows == before


def test_a_gap_in_numbers_is_fenced(sender):
    sender.number = 1
    reply = sender.send(sender.put("k", b"1"))
    assert (reply.verdict, reply.applied) == ("fenced", 0)
    assert sender.read("k").rows == {}


def test_a_wrong_predecessor_is_fenced(sender):
    sender.send(sender.put("k", b"1"))
    sender.digest = bytes(16)
    assert sender.send(sender.put("k", b"2")).verdict == "fenced"
    assert sender.payloads("k") == {"k": b"1"}


def test_another_batch_under_an_applied_number_is_fenced(sender):
    sender.send(sender.put("k", b"1"))
    clone = freeze(sender.replica, 1, b"", [sender.put("k", b"2")], [])
    assert sender.region.apply(clone, TIMEOUT_S).verdict == "fenced"


def test_an_unknown_replica_is_fenced(sender):
    for replica in (8, (1 << 64) - 1):
        sender.replica = replica
        assert sender.send().verdict == "fenced"


def test_a_poisoned_delta_is_quarantined_and_the_batch_goes_on(sender):
    batch = sender.batch(sender.put("k", b"1"), sender.put("j", b"2"))
    batch.deltas[0] = Poisoned("k", b"raw", "it makes no sense")
    reply = sender.sent(batch)
    assert list(reply.outcomes) == [QUARANTINED, APPLIED]
    assert sender.payloads("k", "j") == {"j": b"2"}
    (entry,) = sender.region.aside(10, TIMEOUT_S)
    assert (entry.kind, entry.key, entry.number) == ("quarantined", "k", 1)


def test_a_key_with_a_lone_surrogate_is_quarantined(sender):
    batch = sender.batch(sender.put("k", b"1"))
    batch.deltas[:] = [Poisoned("\ud800", b"raw", "lone surrogate")]
    assert list(sender.sent(batch).outcomes) == [QUARANTINED]
    assert len(sender.region.aside(10, TIMEOUT_S)) == 1


def test_metadata_expiry_and_touch_come_back(sender, runtime):
    put = sender.put("k", b"1", metadata={"b": "é", "a": "\0"}, expires_at_ms=1_800_000_000_000)
    sender.send(put)
    sender.send(sender.touch(put, 1_900_000_000_000))
    row = sender.read("k").rows["k"]
    assert row.record.metadata == {"a": "\0", "b": "é"}
    assert row.record.expires_at_ms == 1_900_000_000_000
    assert row.record.touch > row.record.stamp
    assert row.size == len("k") + 1


def test_an_older_write_is_superseded_and_takes_no_position(sender):
    old = sender.stamp()
    position = sender.send(sender.put("k", b"new")).position
    reply = sender.send(sender.put("k", b"old", stamp=old))
    assert list(reply.outcomes) == [SUPERSEDED]
    assert reply.position == position


def test_a_damaged_row_is_quarantined_not_overwritten(sender, tamper):
    sender.send(sender.put("k", b"1"), sender.put("j", b"1"))
    tamper("UPDATE ts_directory SET payload = x'02' WHERE key = CAST('k' AS BLOB)")
    reply = sender.send(sender.put("k", b"2"), sender.put("j", b"2"))
    assert list(reply.outcomes) == [QUARANTINED, APPLIED]
    assert "k" in sender.read("k", "j").corrupt


def test_a_batch_larger_than_one_list_of_keys_applies(sender):
    keys = [f"key/{i}" for i in range(1_000)]
    reply = sender.send(*[sender.put(key, key.encode()) for key in keys])
    assert reply.position == 1_000
    assert sender.payloads(*keys) == {key: key.encode() for key in keys}


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
