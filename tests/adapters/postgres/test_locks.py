"""Who waits for whom: commits of one key of one region, and nobody else."""

from __future__ import annotations

import pytest

from tierstore.errors import DeadlineExceededError
from tierstore.region.commits import DATA, Cell, Commit, Write
from tierstore_sql.commits import lock_numbers

TIMEOUT_S = 5.0
SHORT_S = 0.2
PUT = Commit((), (Write(Cell(DATA, "k"), payload=b"\x01"),))


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
