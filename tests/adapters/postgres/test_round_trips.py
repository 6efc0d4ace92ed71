"""How often a commit waits for the server while it has its locks: others wait for it meanwhile."""

from __future__ import annotations

import pytest

from tierstore.region.commits import DATA, DELETE, PRIVATE, Cell, Check, Commit, Write

TIMEOUT_S = 5.0
ROUND_TRIPS_MAX = 3
"""What there is, what becomes of it, COMMIT."""


@pytest.fixture
def sent(on_statement, open_region):
    """The statements that a commit sends, once it has its locks: `sent(*items)`."""
    statements = []
    on_statement(lambda driver, statement: statements.append(statement))
    region = open_region()
    region.connect(TIMEOUT_S)
    region._session.dialect.notice_pause_s = 0.0  # so that each one tells of its change

    def send(*items, operation_id="", verdict="committed"):
        checks = tuple(item for item in items if isinstance(item, Check))
        writes = tuple(item for item in items if isinstance(item, Write))
        statements.clear()
        reply = region.commit(Commit(checks, writes, operation_id), TIMEOUT_S)
        assert reply.verdict == verdict
        return reply.version, [*statements]

    return send


def put(key, space=DATA):
    return Write(Cell(space, key), payload=b"\x01")


def has(key, version):
    return Check(Cell(DATA, key), version)


def test_a_commit_takes_three_round_trips_under_its_locks(sent):
    """Of one key or of several, new ones or known."""
    version, first = sent(has("k", None), put("k"), operation_id="one")
    assert len(first) == ROUND_TRIPS_MAX
    again, second = sent(has("k", version), put("k"), operation_id="two")
    assert len(second) == ROUND_TRIPS_MAX
    keys = [f"k{number}" for number in range(4)]
    assert len(sent(*map(put, keys), operation_id="three")[1]) == ROUND_TRIPS_MAX
    assert len(sent(has("k", again), *map(put, keys), operation_id="four")[1]) == ROUND_TRIPS_MAX
    deleted = Write(Cell(DATA, "k"), DELETE)
    assert len(sent(deleted, operation_id="five")[1]) == ROUND_TRIPS_MAX


def test_a_conflict_takes_two(sent):
    """It looks, and ends."""
    version, _ = sent(put("k"))
    sent(put("k"))
    _, looked = sent(has("k", version), put("k"), operation_id="one", verdict="conflict")
    assert len(looked) == ROUND_TRIPS_MAX - 1


def test_a_commit_of_private_records_alone_keeps_its_operation(sent):
    """There is no row beside which it could be kept."""
    _, first = sent(put("k", PRIVATE), operation_id="one")
    _, again = sent(put("k", PRIVATE), operation_id="one")
    assert len(again) < len(first)
