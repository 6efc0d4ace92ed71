"""Commits in the way of upkeep, of clients that stand still, and of clients that are gone."""

from __future__ import annotations

import pytest

from tierstore.errors import DeadlineExceededError, UnavailableError
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


@pytest.fixture
def stalled(open_region, on_statement):
    """`stalled(meanwhile)` commits, and calls that while the commit holds its locks."""

    def run(meanwhile):
        seen = []

        def before(driver, statement):
            if b"INSERT INTO ts_private" in statement and not seen:
                seen.append(True)
                meanwhile(driver)

        on_statement(before)
        slow = open_region()
        slow.connect(TIMEOUT_S)
        return slow.commit(ACQUIRE, TIMEOUT_S)

    return run


def test_who_waits_for_a_commit_that_stands_still_gives_up_in_time(region, stalled):
    """And nothing of what it wanted happens later."""
    region.connect(TIMEOUT_S)

    def meanwhile(driver):
        with pytest.raises(DeadlineExceededError):
            region.commit(Commit((), (Write(LEASE, payload=b"\x02"),)), 0.2)
        other = Commit((), (Write(Cell(PRIVATE, "other"), payload=b"\x03"),))
        assert region.commit(other, TIMEOUT_S).verdict == "committed"

    assert stalled(meanwhile).verdict == "committed"
    assert region.peek(["lease"], TIMEOUT_S).rows["lease"].record.payload == b"\x01"


def test_the_locks_of_a_client_that_is_gone_are_free(region, stalled, raw):
    """As soon as the server knows; and the client is told that nothing happened."""
    region.connect(TIMEOUT_S)
    taken = Commit((Check(LEASE, None),), (Write(LEASE, payload=b"\x02"),))

    def meanwhile(driver):
        raw.execute("SELECT pg_terminate_backend(%s, 5000)", (driver.info.backend_pid,))
        assert region.commit(taken, TIMEOUT_S).verdict == "committed"

    with pytest.raises(UnavailableError) as caught:
        stalled(meanwhile)
    assert caught.value.outcome == "none"
    assert region.peek(["lease"], TIMEOUT_S).rows["lease"].record.payload == b"\x02"
