"""Taking, creating and finding journal files, each by one process only."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.record import Record
from tierstore.region.batch import PUT, Delta, encode_delta, freeze
from tierstore.tiers.journal import directory as directory_module
from tierstore.tiers.journal.content import FrozenBatch
from tierstore.tiers.journal.directory import JournalDirectory

REPLICA = 7
# Takes a file of the folder given, says which one, and holds it until its input ends.
HOLDER = """
import sys
from tierstore.tiers.journal.directory import JournalDirectory
journal, state = JournalDirectory(sys.argv[1]).take(9)
print(journal.path.rpartition("/")[2], state.replica, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


@pytest.fixture
def directory(folder):
    return JournalDirectory(str(folder))


@pytest.fixture
def take(directory):
    """`directory.take`, for as many files as a test wants."""
    taken = []

    def take_one(replica=REPLICA):
        journal, state = directory.take(replica)
        taken.append(journal)
        return journal, state

    yield take_one
    for journal in taken:
        journal.close()


def delta(key, payload=b"\x01", stamp=1 << 40):
    return Delta(key, PUT, Record(stamp, REPLICA, payload))


def append(journal, *keys):
    return [journal.append(key, encode_delta(delta(key), REPLICA)) for key in keys]


def frozen(number, predecessor, *deltas):
    batch = freeze(REPLICA, number, predecessor, list(deltas), [])
    return FrozenBatch(number, batch.digest, batch)


def test_a_new_directory_is_unused_until_a_file_is_taken(directory, folder, take):
    assert directory.is_unused()
    assert not folder.exists()
    journal, state = take()
    assert (state.replica, state.unflushed, state.last_seq) == (REPLICA, 0, 0)
    assert journal.path == str(folder / "worker-0001.journal")
    assert not directory.is_unused()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_each_takes_a_file_of_its_own(take):
    files = [take(replica) for replica in (1, 2, 3)]
    assert len({journal.path for journal, _ in files}) == 3
    assert [state.replica for _, state in files] == [1, 2, 3]


def test_a_free_file_is_taken_over_with_its_identity(take):
    journal, _ = take(1)
    append(journal, "a", "b")
    journal.close()
    again, state = take(2)
    assert (again.path, state.replica) == (journal.path, 1)
    assert [d.key for d in state.deltas] == ["a", "b"]


def test_one_with_unflushed_writes_is_preferred(take):
    files = [take(replica)[0] for replica in (1, 2, 3)]
    append(files[1], "a")
    for journal in files:
        journal.close()
    assert [take(9)[1].replica for _ in range(4)] == [2, 1, 3, 9]


def test_two_empty_files_never_get_one_identity(take, folder):
    folder.mkdir()
    for number in (1, 2, 3):
        (folder / f"worker-000{number}.journal").touch()
    first, _ = take(5)
    first.close()
    assert sorted(take(replica)[1].replica for replica in (6, 7, 8)) == [5, 7, 8]


def test_adoption_leaves_an_empty_file_alone(directory, take, folder):
    folder.mkdir()
    (folder / "worker-0001.journal").touch()
    for journal in directory.orphans():
        assert (journal.load(0).replica, journal.load(0).unflushed) == (0, 0)
        journal.close()
    assert take(REPLICA)[1].replica == REPLICA


def test_another_process_has_its_own_file_and_frees_it_when_it_dies(take, folder):
    take(1)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"worker-0002.journal 9\n"
        assert take(2)[0].path.endswith("worker-0003.journal")
        process.kill()
    assert take(3)[1].replica == 9


def test_orphans_are_what_nobody_holds(directory, take):
    held, _ = take(1)
    dead, _ = take(2)
    dead.close()
    found = list(directory.orphans())
    assert [journal.path for journal in found] == [dead.path]
    assert list(directory.orphans()) == []
    for journal in found:
        journal.close()
    assert held.path != dead.path


def test_content_survives_every_step(take):
    """Deltas, then a batch in their place, more deltas, and an acknowledgement."""
    journal, _ = take()
    assert append(journal, "a", "b") == [1, 2]
    first = frozen(1, b"", delta("a"), delta("b"))
    journal.freeze([first], 2, stamp=99)
    assert append(journal, "c") == [3]
    assert journal.append_many([("d", encode_delta(delta("d"), REPLICA))] * 2) == 5
    journal.bind("region")
    journal.close()

    journal, state = take()
    assert [d.key for d in state.deltas] == ["c", "d", "d"]
    assert [(b.number, b.digest) for b in state.batches] == [(1, first.digest)]
    assert (state.stamp, state.region, state.last_seq) == (99, "region", 5)
    journal.acknowledge(1, first.digest, 1_000, held=[delta("a")])
    assert journal.reach() == (1, 1_000)
    journal.close()

    journal, state = take()
    assert (state.batches, state.acknowledged, state.digest) == ([], 1, first.digest)
    assert [d.key for d in state.held] == ["a"]
    journal.trim(1_001, 1 << 30)
    assert journal.reach() == (0, None)
    journal.renew(11)
    journal.close()
    _, state = take()
    assert (state.replica, state.acknowledged, state.held) == (11, 0, [])
    assert [d.key for d in state.deltas] == ["c", "d", "d"]


def test_numbers_go_on_after_an_append_that_failed(take):
    journal, _ = take()
    append(journal, "a")
    with pytest.raises(UnavailableError, match="NOT NULL"):
        journal.append(None, b"")
    assert append(journal, "b") == [2]
    journal.freeze([frozen(1, b"", delta("a"), delta("b"))], 2, 1)
    with pytest.raises(UnavailableError, match="NOT NULL"):
        journal.append(None, b"")
    assert append(journal, "c") == [3]
    journal.close()
    assert [d.key for d in take()[1].deltas] == ["c"]


def damage_delta(path, key):
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE deltas SET delta = x'00' WHERE key = ?", (key,))
    connection.close()


def test_a_closed_journal_stays_closed(take):
    """Closing waits for a flush that is under way, but not for ever: the next owner has it."""
    journal, _ = take(REPLICA)
    journal.append("a", b"1")
    journal.close()
    for use in (
        lambda: journal.append("b", b"2"),
        lambda: journal.freeze([], 1, 0),
        lambda: journal.acknowledge(1, b"", 0),
    ):
        with pytest.raises(UnavailableError, match="was closed"):
            use()
    journal.close()
    again, stored = take(REPLICA + 1)
    assert (stored.replica, stored.last_seq) == (REPLICA, 1)
    again.append("b", b"2")


def test_a_damaged_write_is_remembered_until_its_key_is_written_again(take):
    journal, _ = take()
    append(journal, "a", "b")
    journal.close()
    damage_delta(journal.path, "a")
    journal, state = take()
    assert list(state.corrupt) == ["a"]
    assert [d.key for d in state.deltas] == ["b"]
    journal.freeze([frozen(1, b"", delta("b"))], 2, 1)
    journal.close()

    journal, state = take()
    assert list(state.corrupt) == ["a"]
    append(journal, "a")
    journal.freeze([frozen(2, b"", delta("a"))], 3, 1)
    journal.close()
    assert take()[1].corrupt == {}


def test_a_file_that_was_moved_away_leaves_no_claim(take, folder):
    journal, _ = take()
    append(journal, "a")
    journal.close()
    (folder / "worker-0001.journal").rename(folder / "moved")
    assert take(8)[1].replica == 8


def test_another_boot_may_have_lost_the_end(take, folder, monkeypatch):
    """A power cut may take the last moments; a damaged file of this boot may not."""
    journal, _ = take()
    append(journal, "a")
    kept = {p.name: p.read_bytes() for p in folder.iterdir()}
    append(journal, "b")
    mark = (folder / "worker-0001.journal-lock").read_bytes()
    journal.close()
    for name, content in (kept | {"worker-0001.journal-lock": mark}).items():
        (folder / name).write_bytes(content)
    with pytest.raises(CorruptionError, match="its end is missing") as caught:
        take()
    assert caught.value.object == journal.path
    monkeypatch.setattr("tierstore.tiers.journal.lock.boot_id", lambda: 5)
    assert [d.key for d in take()[1].deltas] == ["a"]


@pytest.mark.parametrize("version", [2, 99])
def test_a_journal_of_another_format_is_refused(take, version):
    journal, _ = take()
    journal.close()
    connection = sqlite3.connect(journal.path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(CorruptionError, match=f"has format {version}, this version .* reads 1"):
        take()


def test_a_network_file_system_is_refused(directory, monkeypatch):
    monkeypatch.setattr(directory_module, "file_system_of", lambda path: "nfs4")
    for verb in (lambda: directory.take(1), lambda: directory.create(1)):
        with pytest.raises(UnavailableError, match=r"network file system \(nfs4\)"):
            verb()


def test_the_file_system_of_a_folder(monkeypatch, tmp_path):
    mounts = "/dev/a / ext4 rw\nhost:/x /mnt/share nfs rw\nproc /mnt/share/local tmpfs rw\nbad\n"
    listing = tmp_path / "mounts"
    listing.write_text(mounts)
    real_open = open
    monkeypatch.setattr(
        "builtins.open",
        lambda path, *a, **k: real_open(listing if path == "/proc/self/mounts" else path, *a, **k),
    )
    found = [
        directory_module.file_system_of(path)
        for path in ("/mnt", "/mnt/share", "/mnt/share/a/b", "/mnt/shared", "/mnt/share/local/x")
    ]
    assert found == ["ext4", "nfs", "nfs", "ext4", "tmpfs"]


TAMPERED = [
    "UPDATE meta SET value = value + 1 WHERE name = 'stamp'",
    "UPDATE meta SET value = value + 1 WHERE name = 'acknowledged'",
    "UPDATE meta SET value = value + 1 WHERE name = 'replica'",
    "UPDATE meta SET value = 'text' WHERE name = 'digest'",
    "DELETE FROM meta WHERE name = 'region'",
    "DELETE FROM meta WHERE name = 'seal'",
    "DELETE FROM meta",
    "DELETE FROM batches WHERE number = 1",
    "DELETE FROM batches WHERE number = 2",
    "DELETE FROM batches",
    "UPDATE batches SET acknowledged_ms = 5 WHERE number = 1",
    "UPDATE batches SET body = x'00' WHERE number = 1",
    "UPDATE batches SET body = NULL WHERE number = 1",
    "UPDATE batches SET body = NULL, size = 0, digest = 'text' WHERE number = 1",
    "UPDATE batches SET digest = x'00' WHERE number = 1",
    "DELETE FROM deltas WHERE seq = 3",
    "DELETE FROM deltas WHERE seq = 4",
    "DELETE FROM deltas WHERE seq = 5",
    "DELETE FROM deltas",
    "UPDATE deltas SET seq = 9 WHERE seq = 4",
]


@pytest.mark.parametrize("statement", TAMPERED)
def test_a_journal_that_lacks_something_is_refused(take, statement):
    journal, _ = take()
    append(journal, "a", "b")
    first = frozen(1, b"", delta("a"))
    journal.freeze([first, frozen(2, first.batch.digest, delta("b"))], 2, 1)
    append(journal, "c", "d", "e")
    journal.close()
    connection = sqlite3.connect(journal.path)
    with connection:
        assert connection.execute(statement).rowcount
    connection.close()
    with pytest.raises(CorruptionError, match="is damaged") as caught:
        take()
    assert caught.value.object == journal.path


@pytest.mark.parametrize(
    ("column", "value"),
    [("delta", "x'00'"), ("delta", "'text'"), ("delta", "7"), ("checksum", "0"),
     ("checksum", "'text'")],
)  # fmt: skip
def test_a_damaged_write_is_reported_for_its_key_only(take, column, value):
    journal, _ = take()
    append(journal, "a", "b", "c")
    journal.close()
    connection = sqlite3.connect(journal.path)
    with connection:
        connection.execute(f"UPDATE deltas SET {column} = {value} WHERE key = 'b'")
    connection.close()
    _, state = take()
    assert list(state.corrupt) == ["b"]
    assert [d.key for d in state.deltas] == ["a", "c"]


@pytest.mark.parametrize("value", ["'z'", "x'ff'", "7"])
def test_a_damaged_key_column_does_no_harm(take, value):
    journal, _ = take()
    append(journal, "a", "b", "c")
    journal.close()
    connection = sqlite3.connect(journal.path)
    with connection:
        connection.execute(f"UPDATE deltas SET key = {value} WHERE key = 'b'")
    connection.close()
    _, state = take()
    assert state.corrupt == {}
    assert [d.key for d in state.deltas] == ["a", "b", "c"]


def steps_of_acknowledging(journal, numbers):
    """How many instructions SQLite takes to note that each batch of `numbers` has arrived."""
    counts, steps = [], []
    predecessor = b""
    journal._connect().set_progress_handler(lambda: counts.append(1) and None, 1)
    for number in numbers:
        batch = freeze(REPLICA, number, predecessor, [delta(f"k{number}", b"x" * 5000)], [])
        journal.freeze([FrozenBatch(number, batch.digest, batch)], 0, 1 << 40)
        predecessor = batch.digest
        counts.clear()
        journal.acknowledge(number, batch.digest, 1_000 + number)
        steps.append(len(counts))
    journal._connect().set_progress_handler(None, 1)
    return steps


def test_an_acknowledgement_costs_the_same_however_many_batches_are_retained(take):
    journal, _ = take()
    steps = steps_of_acknowledging(journal, range(1, 301))
    assert journal.reach() == (300, 1_001)
    assert max(steps[-10:]) <= 1.1 * max(steps[:10])
