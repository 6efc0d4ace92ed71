"""Databases that are new, foreign, of another version, or in the way."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tierstore.errors import CorruptionError, PolicyError, TierStoreError, UnavailableError
from tierstore_sql.creation import SCHEMA_VERSION

TIMEOUT_S = 5.0


def test_constructing_touches_nothing_and_connecting_creates_the_folder(open_region, path):
    region = open_region()
    assert not path.parent.exists()
    info = region.connect(TIMEOUT_S)
    assert path.exists()
    assert (len(info.region), info.incarnation > 0) == (32, True)


def test_an_absolute_path_is_taken_as_it_is(open_region, tmp_path):
    region = open_region(f"sqlite:///{tmp_path}/elsewhere.db")
    region.connect(TIMEOUT_S)
    assert (tmp_path / "elsewhere.db").exists()


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a?b=c", "mysql://u:secret@h/d"],
)
def test_a_url_without_a_file_is_refused(open_region, url):
    with pytest.raises(PolicyError) as caught:
        open_region(url)
    assert "secret" not in str(caught.value)


def test_the_repr_names_the_url(region):
    assert repr(region) == "SqlRegion('sqlite:///data/region.db')"


def test_the_database_syncs_fully_and_writes_ahead(region):
    region.connect(TIMEOUT_S)
    (connection,) = region._session.connections.idle
    pragma = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
    }
    assert pragma == {
        "journal_mode": b"wal",
        "synchronous": 2,
        "busy_timeout": 0,
        "foreign_keys": 0,
    }


def test_a_newer_schema_is_refused_with_advice(open_region, tamper):
    open_region().connect(TIMEOUT_S)
    tamper("UPDATE ts_region SET schema_version = ?", SCHEMA_VERSION + 1)
    with pytest.raises(TierStoreError, match="upgrade tierstore"):
        open_region().connect(TIMEOUT_S)
    assert tamper("SELECT schema_version FROM ts_region") == [(SCHEMA_VERSION + 1,)]


def test_a_schema_too_old_to_migrate_is_refused(open_region, tamper):
    open_region().connect(TIMEOUT_S)
    tamper("UPDATE ts_region SET schema_version = -1")
    with pytest.raises(UnavailableError, match="cannot migrate"):
        open_region().connect(TIMEOUT_S)


def test_a_database_of_another_application_is_left_alone(open_region, path, tamper):
    path.parent.mkdir()
    tamper("CREATE TABLE theirs (a)")
    with pytest.raises(UnavailableError, match="another application"):
        open_region().connect(TIMEOUT_S)
    assert tamper("SELECT name FROM sqlite_master") == [("theirs",)]


def test_a_file_that_is_no_database_is_corruption(open_region, path):
    path.parent.mkdir()
    path.write_bytes(b"This is a text, and a long one, not a database. " * 100)
    with pytest.raises(CorruptionError) as caught:
        open_region().connect(TIMEOUT_S)
    assert caught.value.tier == "regional"


def test_a_directory_in_the_way_is_named(open_region, path):
    path.mkdir(parents=True)
    with pytest.raises(UnavailableError, match=r"region\.db"):
        open_region().connect(TIMEOUT_S)


def test_a_file_where_the_folder_should_be_is_named(open_region, path):
    path.parent.write_text("")
    with pytest.raises(UnavailableError, match=r"region\.db"):
        open_region().connect(TIMEOUT_S)


def test_opening_an_existing_region_imports_no_sqlalchemy(open_region, tmp_path):
    open_region().connect(TIMEOUT_S)
    script = (
        "import sys\n"
        "from tierstore.region.apply import Limits\n"
        "from tierstore.runtime import Runtime\n"
        "from tierstore_sql.region import SqlRegion\n"
        "region = SqlRegion('sqlite:///data/region.db', runtime=Runtime(), terms=Limits(),"
        " base_dir=sys.argv[1])\n"
        "region.connect(5)\n"
        "region.close()\n"
        "sys.exit('sqlalchemy' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)]).returncode == 0
