"""Reads of a few keys in one round trip say what reads in a transaction say."""

from __future__ import annotations

import random

import pytest

from tierstore.errors import CorruptionError

TIMEOUT_S = 30.0
KEYS = [f"k/{number}" for number in range(20)]


def carefully(region, keys, monkeypatch):
    """What is read in a transaction."""
    with monkeypatch.context() as patched:
        patched.setattr(type(region._session.dialect), "few_max", 0)
        return region.read(keys, 7, TIMEOUT_S)


def parts(reply):
    """All of a reply but its moment."""
    rows = {key: (row.record, row.position, row.consistency) for key, row in reply.rows.items()}
    return reply.applied, reply.position, reply.incarnation, rows, reply.corrupt


def test_one_round_trip_or_a_transaction(region, sender, raw, monkeypatch, on_statement):
    statements = []
    on_statement(lambda driver, statement: statements.append(statement))
    region._session.connections.drop_idle()
    sender.region.register(7, TIMEOUT_S)
    for key in KEYS[::2]:
        sender.write(key)
    raw.execute("UPDATE ts_directory SET payload = 'damaged' WHERE key = 'k/4'")
    chance = random.Random(5)
    for size in (2, 3, 10, 20):
        keys = chance.sample([*KEYS, "", "\udc80", "k/0\0"], size)
        statements.clear()
        reply = region.read(keys, 7, TIMEOUT_S)
        if "\udc80" not in keys:
            assert len(statements) == 1
        assert parts(reply) == parts(carefully(region, keys, monkeypatch))
    assert set(region.read(KEYS, 7, TIMEOUT_S).corrupt) == {"k/4"}
    assert region.read(["none", "nor"], 7, TIMEOUT_S).rows == {}


def test_a_damaged_region_is_told(region, sender, raw):
    sender.region.register(7, TIMEOUT_S)
    raw.execute("UPDATE ts_region SET guard = guard + 1")
    with pytest.raises(CorruptionError):
        region.read(KEYS[:3], 7, TIMEOUT_S)
