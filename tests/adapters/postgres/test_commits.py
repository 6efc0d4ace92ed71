"""Commits beside upkeep: what was written meanwhile is not forgotten for what it was before."""

from __future__ import annotations

import pytest

from tierstore.region.commits import PRIVATE, Cell, Check, Commit, Write
from tierstore.testing.conformance.together import together

TIMEOUT_S = 5.0
LEASE = Cell(PRIVATE, "lease")
ACQUIRE = Commit((Check(LEASE, None),), (Write(LEASE, payload=b"\x01", ttl_ms=60_000),))
LATER_MS = 2**52
LOOKS_MAX = 20_000
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"


@pytest.fixture
def beside_upkeep(postgres_server, region, raw):
    """Runs a statement in a transaction for which upkeep is made to wait, then commits it."""
    onlooker = postgres_server.connect_url(postgres_server.url)

    def run(statement, awaited):
        def commit():
            for _ in range(LOOKS_MAX):
                if onlooker.execute(WAITING, (awaited,)).fetchone()[0]:
                    break
            raw.execute("COMMIT")

        raw.execute("BEGIN")
        assert raw.execute(statement, (LATER_MS,)).rowcount == 1
        together(lambda: region.maintain(100, TIMEOUT_S), commit)

    yield run
    onlooker.close()


def test_a_lease_that_is_taken_while_upkeep_forgets_it_stays(region, raw, beside_upkeep):
    """It had expired when upkeep looked, and has another holder when upkeep deletes it."""
    assert region.commit(ACQUIRE, TIMEOUT_S).verdict == "committed"
    raw.execute("UPDATE ts_private SET expires_ms = 1")
    beside_upkeep("UPDATE ts_private SET expires_ms = %s", "DELETE FROM ts_private%")
    assert raw.execute("SELECT count(*) FROM ts_private").fetchone() == (1,)
    assert list(region.peek(["lease"], TIMEOUT_S).rows) == ["lease"]


def test_an_operation_that_begins_again_while_upkeep_forgets_it_is_kept(region, raw, beside_upkeep):
    """Else it would happen once more when it is sent once more."""
    request = Commit((), (Write(Cell(PRIVATE, "k"), payload=b"\x01"),), "mine")
    assert region.commit(request, TIMEOUT_S).verdict == "committed"
    raw.execute("UPDATE ts_operation SET expires_ms = 1")
    beside_upkeep("UPDATE ts_operation SET expires_ms = %s", "DELETE FROM ts_operation%")
    assert region.commit(request, TIMEOUT_S).repeated
