"""Joining 100,000 registers as a region does, beside msgspec's decoding and documents of pycrdt.

    python benchmarks/joins.py [--keys 100000] [--rounds 3]

Registers of 100 bytes come in batches of 1,000, as edges send them, and are joined with rows that
have older ones. A document of pycrdt for each key, with one map of one entry, takes an update
that sets it anew. What a register has on the wire above key and value is told, too.
"""

from __future__ import annotations

import argparse
import sys

import common
import msgspec
from common import Contest, Goal

from tierstore import values
from tierstore.crdt import register
from tierstore.record import Record
from tierstore.region.apply import Terms, plan_apply
from tierstore.region.batch import PUT, Delta, decode_batch, freeze
from tierstore.region.rows import Row
from tierstore.stamp import at_ms

NOW_MS = 1_795_000_000_000
REPLICA = 0x1F3DEC905EF9C5
BATCH = 1000
WIRE_BYTES_MAX = 40


def make_batches(keys, payload):
    """The wire forms of as many registers, in batches."""
    bodies = []
    for first in range(0, keys, BATCH):
        deltas = [
            Delta(f"k/{number}", PUT, Record(at_ms(NOW_MS) + number, REPLICA, payload))
            for number in range(first, min(keys, first + BATCH))
        ]
        bodies.append(freeze(REPLICA, first // BATCH + 1, b"", deltas, []).body)
    return bodies


def overhead_bytes(bodies, keys, payload):
    """What one register has on the wire above its key and value."""
    content = sum(len(f"k/{number}") + len(payload) for number in range(keys))
    return (sum(map(len, bodies)) - content) / keys


def join_states(bodies, records):
    """Decode the batches and join their records with older ones."""
    for body in bodies:
        for delta in decode_batch(body).deltas:
            key = delta.key
            records[key] = register.join(records[key], delta.record)


def apply_all(bodies, rows):
    """Decode the batches and plan what a region does to its rows."""
    terms = Terms(NOW_MS)
    for body in bodies:
        batch = decode_batch(body)
        found = {delta.key: rows[delta.key] for delta in batch.deltas}
        plan = plan_apply(found, batch, terms)
        assert len(plan.writes) == len(batch.deltas)


def make_documents(keys, value):
    """A document for each key, its bytes, and an update for each that sets its entry anew."""
    from pycrdt import Doc, Map

    documents, stored, updates = [], [], []
    for _ in range(keys):
        document, other = Doc({"m": Map()}), Doc({"m": Map()})
        document["m"]["v"] = "old"
        other.apply_update(document.get_update())
        before = other.get_state()
        other["m"]["v"] = value
        documents.append(document)
        stored.append(document.get_update())
        updates.append(other.get_update(before))
    return documents, stored, updates


def join_stored(stored, updates):
    """Open each document, join its update, and get its bytes, as a region would."""
    from pycrdt import Doc

    for old, update in zip(stored, updates, strict=True):
        document = Doc()
        document.apply_update(old)
        document.apply_update(update)
        document.get_update()


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--keys", type=int, default=100_000)
    options.add_argument("--documents", type=int, default=5_000)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    print(common.machine())
    values.use_msgspec()
    payload = msgspec.msgpack.encode("x" * 98)
    bodies = make_batches(chosen.keys, payload)
    old = Record(at_ms(NOW_MS - 1000), REPLICA, payload)
    rows = {f"k/{n}": Row(f"k/{n}", old, position=1) for n in range(chosen.keys)}
    decoder = msgspec.msgpack.Decoder()
    contest = Contest(f"{chosen.keys:,} registers of 100 bytes", "msgspec decodes them")
    contest.add(
        "msgspec decodes them", lambda: [decoder.decode(body) for body in bodies], chosen.keys
    )
    records = {}

    def make_old():
        records.update((key, row.record) for key, row in rows.items())

    contest.add("joined", lambda: join_states(bodies, records), chosen.keys, make_old)
    contest.add("planned as rows", lambda: apply_all(bodies, rows), chosen.keys)
    made = {}

    def prepare():
        made["open"], made["stored"], made["updates"] = make_documents(chosen.documents, "x" * 98)

    def apply_updates():
        for document, update in zip(made["open"], made["updates"], strict=True):
            document.apply_update(update)

    contest.add("pycrdt, an open document a key", apply_updates, chosen.documents, prepare)
    contest.add("pycrdt, from its bytes and back",
                lambda: join_stored(made["stored"], made["updates"]), chosen.documents)  # fmt: skip
    contest.run(chosen.rounds)
    met = contest.report(
        [
            Goal("joined", "msgspec decodes them", 3.0),
            Goal("joined", "pycrdt, an open document a key", 4.0, faster=True),
            Goal("planned as rows", "pycrdt, from its bytes and back", 4.0, faster=True),
        ]
    )
    above = overhead_bytes(bodies, chosen.keys, payload)
    is_small = above <= WIRE_BYTES_MAX
    word = "met" if is_small else "MISSED"
    print(f"  {word:<8}{above:.1f} bytes on the wire above key and value, at most {WIRE_BYTES_MAX}")
    return 0 if met and is_small else 1


if __name__ == "__main__":
    sys.exit(main())
