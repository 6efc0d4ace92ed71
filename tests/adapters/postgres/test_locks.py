"""Who waits for whom: commits of one key of one region, and nobody else."""

from __future__ import annotations

import pytest

from tierstore.errors import DeadlineExceededError
from tierstore.region.commits import DATA, Cell, Check, Commit, Write
from tierstore.testing.conformance.together import outcomes_of
from tierstore_sql.commits import lock_numbers

TIMEOUT_S = 5.0
SHORT_S = 0.2
PUT = Commit((), (Write(Cell(DATA, "k"), payload=b"\x01"),))
LOOKS_MAX = 20_000
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND application_name = 'tierstore'"
)


def beside(region, call):
    """What `call` returns while a transaction of `region` has the locks of a commit."""
    region.connect(TIMEOUT_S)
    numbers = lock_numbers(PUT.cells())
    return region._session.write_locked(lambda connection: call(), numbers, TIMEOUT_S)


@pytest.fixture
def neighbour(postgres_server, open_region, url, schema):
    """Another region in the same database."""
    region = open_region(url.replace(schema, f"{schema}_beside"))
    yield region
    region.close()
    raw = postgres_server.connect_url(postgres_server.url)
    raw.execute(f"DROP SCHEMA IF EXISTS {schema}_beside CASCADE")
    raw.close()


def test_regions_in_one_database_do_not_wait_for_each_other(region, neighbour):
    """Equal keys of theirs are different keys."""
    neighbour.connect(TIMEOUT_S)
    found = beside(region, lambda: neighbour.commit(PUT, SHORT_S * 5))
    assert found.verdict == "committed"


def test_commits_of_a_key_wait_for_each_other(region, open_region):
    """Whichever process sends them; nothing has happened when the time is up."""
    other = open_region()
    other.connect(TIMEOUT_S)

    def commit():
        with pytest.raises(DeadlineExceededError) as caught:
            other.commit(PUT, SHORT_S)
        assert caught.value.outcome == "none"

    beside(region, commit)
    assert region.read(["k"], 0, TIMEOUT_S).rows == {}


@pytest.fixture
def meanwhile(postgres_server, region, raw):
    """The answer to a commit that has to wait for a row until `statement` is committed."""
    onlooker = postgres_server.connect_url(postgres_server.url)

    def run(statement, parameters, checked):
        def end():
            for _ in range(LOOKS_MAX):
                if onlooker.execute(WAITING).fetchone()[0]:
                    break
            raw.execute("COMMIT")

        raw.execute("BEGIN")
        assert raw.execute(statement, parameters).rowcount == 1
        commit = Commit((Check(Cell(DATA, "k"), checked),), PUT.writes)
        return outcomes_of([lambda: region.commit(commit, TIMEOUT_S), end])[0]

    yield run
    onlooker.close()


@pytest.mark.parametrize("expects_new", [True, False])
def test_a_row_is_judged_as_it_is_once_it_was_waited_for(region, raw, meanwhile, expects_new):
    """Not as it was when the commit began to look."""
    columns = "header, payload, position"
    select = f"SELECT {columns} FROM ts_directory"
    old = region.commit(PUT, TIMEOUT_S).version
    before = raw.execute(select).fetchone()
    new = region.commit(PUT, TIMEOUT_S).version
    after = raw.execute(select).fetchone()
    put_back = f"UPDATE ts_directory SET ({columns}) = (%s, %s, %s)"
    raw.execute(put_back, before)
    reply = meanwhile(put_back, after, new if expects_new else old)
    assert reply.verdict == ("committed" if expects_new else "conflict")
    assert reply.conflicts == ({} if expects_new else {Cell(DATA, "k"): new})


def test_a_row_that_is_gone_once_it_was_waited_for_is_absent(region, raw, meanwhile):
    """It is written as a new one."""
    region.commit(PUT, TIMEOUT_S)
    reply = meanwhile("DELETE FROM ts_directory WHERE key = %s", (b"k",), None)
    assert reply.verdict == "committed"
    assert list(region.read(["k"], 0, TIMEOUT_S).rows) == ["k"]
