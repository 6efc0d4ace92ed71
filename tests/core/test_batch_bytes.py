"""The bytes of batches: the hand-made ones are those of the general encoder, and come back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.record import BOUNDED_COUNTER, REGISTER, REPLICA_MAX, Record
from tierstore.region.batch import (
    PUT,
    TOUCH,
    Delta,
    Heat,
    decode_batch,
    decode_delta,
    encode_delta,
    freeze,
)
from tierstore.stamp import STAMP_MAX
from tierstore.values.msgpack import pack, unpack

STAMPS = st.integers(0, STAMP_MAX) | st.sampled_from((0, 2**32 - 1, 2**32, STAMP_MAX))
KEYS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)
REPLICAS = st.integers(0, REPLICA_MAX) | st.just(7)
RECORDS = st.builds(
    Record,
    STAMPS,
    REPLICAS,
    st.none()
    | st.binary(min_size=1, max_size=40)
    | st.sampled_from((bytes(255), bytes(256), bytes(70_000))),
    st.none() | STAMPS,
    st.just(0) | STAMPS,
    st.none() | st.dictionaries(st.text("ab", max_size=3), st.text("ab", max_size=3), min_size=1),
    st.just(REGISTER) | st.integers(REGISTER, BOUNDED_COUNTER),
    st.just(0) | STAMPS,
)
DELTAS = st.builds(Delta, KEYS, st.sampled_from((PUT, TOUCH)), RECORDS)


def wire_fields(delta, replica):
    """The array that the format's description demands."""
    record = delta.record
    return [
        delta.key,
        delta.op,
        record.type,
        record.generation,
        record.stamp,
        None if record.replica == replica else record.replica,
        record.touch,
        record.expires_at_ms,
        record.metadata,
        record.payload,
    ]


@given(DELTAS, REPLICAS)
def test_a_delta_has_the_bytes_of_its_array_and_comes_back(delta, replica):
    raw = encode_delta(delta, replica)
    assert raw == pack(wire_fields(delta, replica))
    assert decode_delta(raw, replica) == delta


@given(st.lists(DELTAS, max_size=20), REPLICAS, st.integers(1, 2**40), st.binary(max_size=16))
def test_a_batch_has_the_bytes_of_its_array_and_comes_back(deltas, replica, number, predecessor):
    heat = [Heat(delta.key, 1, 2, 3) for delta in deltas]
    batch = freeze(replica, number, predecessor, deltas, heat)
    wire = [wire_fields(delta, replica) for delta in deltas]
    told = [[delta.key, 1, 2, 3] for delta in deltas]
    assert unpack(batch.body) == [2, replica, number, predecessor, wire, told]
    assert batch.body == pack(unpack(batch.body))
    again = decode_batch(batch.body)
    assert (again.deltas, again.heat, again.digest) == (deltas, heat, batch.digest)
