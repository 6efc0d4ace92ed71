"""Notes of rights: what was put is there after any end, and what is not there is missed."""

from __future__ import annotations

import random
import shutil
import sqlite3
from dataclasses import replace

import pytest

from tierstore.errors import CorruptionError, StoreClosedError, UnavailableError
from tierstore.tiers.journal.directory import JournalDirectory
from tierstore.tiers.journal.escrow import Note

NOTE = Note("stock/ä", 7, "a region", 1, epoch=5, intents=(8, 9), spent=3)
NAME = "worker-0001.journal-escrow"


@pytest.fixture
def directory(tmp_path):
    return JournalDirectory(str(tmp_path / "journal"))


@pytest.fixture
def journal(directory):
    journal, _ = directory.create(7)
    yield journal
    journal.close()


def crashed(journal, directory, tmp_path):
    """A copy of the files as they are now, opened by another process."""
    folder = tmp_path / f"copy-{random.getrandbits(32)}"
    shutil.copytree(directory.path, folder)
    found, _ = JournalDirectory(str(folder)).take(8)
    return found


def test_what_was_put_is_there_after_a_crash_and_after_a_close(journal, directory, tmp_path):
    assert not journal.escrow.exists()
    assert journal.escrow.load() == {}
    other = Note("stock/2", 7, "", 0)
    journal.escrow.put([NOTE])
    journal.escrow.put([replace(NOTE, spent=4), other])
    expected = {NOTE.key: replace(NOTE, spent=4), other.key: other}
    assert journal.escrow.load() == expected
    found = crashed(journal, directory, tmp_path)
    assert found.escrow.load() == expected
    found.close()
    journal.escrow.remove([other.key])
    journal.close()
    again, _ = directory.take(8)
    assert again.escrow.load() == {NOTE.key: replace(NOTE, spent=4)}
    again.escrow.remove([NOTE.key])
    assert again.escrow.load() == {}
    again.close()


def test_each_commit_is_synced(journal):
    journal.escrow.put([NOTE])
    connection = journal.escrow._connection
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_wal_that_was_cut_off_is_noticed(journal, directory, tmp_path):
    for spent in range(1, 6):
        journal.escrow.put([replace(NOTE, spent=spent)])
    folder = tmp_path / "cut"
    shutil.copytree(directory.path, folder)
    wal = folder / (NAME + "-wal")
    wal.write_bytes(wal.read_bytes()[:-1500])
    found, _ = JournalDirectory(str(folder)).take(8)
    with pytest.raises(CorruptionError, match="escrow reclaim"):
        found.escrow.load()
    with pytest.raises(CorruptionError, match="its end is missing"):
        found.escrow.put([NOTE])
    found.close()


def test_a_file_that_is_gone_is_missed(journal, directory, tmp_path):
    journal.escrow.put([NOTE])
    folder = tmp_path / "gone"
    shutil.copytree(directory.path, folder)
    for path in folder.glob(NAME + "*"):
        path.unlink()
    found, _ = JournalDirectory(str(folder)).take(8)
    assert found.escrow.exists()
    with pytest.raises(CorruptionError, match="its end is missing"):
        found.escrow.load()
    found.close()


@pytest.mark.parametrize("seed", range(40))
def test_no_damage_gives_other_notes(seed, journal, directory, tmp_path):
    rng = random.Random(seed)
    journal.escrow.put([replace(NOTE, spent=2)])
    journal.escrow.put([NOTE])
    if seed % 2:
        journal.escrow.close_connection()  # so that all is in the main file
    folder = tmp_path / "damaged"
    shutil.copytree(directory.path, folder)
    path = folder / (NAME if seed % 2 else NAME + "-wal")
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(content))
    found, _ = JournalDirectory(str(folder)).take(8)
    try:
        assert found.escrow.load() == {NOTE.key: NOTE}
    except (CorruptionError, UnavailableError) as error:
        assert NAME in str(error)  # noqa: PT017
    finally:
        found.close()


def test_another_format_is_refused(journal, directory):
    journal.escrow.put([NOTE])
    journal.escrow.close_connection()
    connection = sqlite3.connect(journal.escrow.path)
    connection.execute("PRAGMA user_version=9")
    connection.close()
    with pytest.raises(CorruptionError, match="has format 9, this version of tierstore reads 1"):
        journal.escrow.load()


def test_nothing_is_put_after_the_end(journal):
    journal.escrow.put([NOTE])
    journal.close()
    with pytest.raises(StoreClosedError):
        journal.escrow.put([NOTE])
