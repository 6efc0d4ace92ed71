"""A power cut leaves a beginning of each log, and never less than what was synced."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.disk import LOG, Disk

LOG_NAME = f"worker-0001{LOG}"


def make_disk(folder, seed):
    folder.mkdir()
    return Disk(str(folder), Chance(seed), 0.0)


def written(folder, disk, writes):
    """Append each of `writes`, and sync after those that say so; what was synced, and all."""
    synced = whole = b""
    for content, is_synced in writes:
        with open(folder / LOG_NAME, "ab") as file:
            file.write(content)
        whole += content
        if is_synced:
            disk.note_synced()
            synced = whole
    return synced, whole


@given(
    writes=st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.booleans()), min_size=1),
    seed=st.integers(0, 1000),
)
def test_a_power_cut_leaves_a_beginning_that_has_all_that_was_synced(
    tmp_path_factory, writes, seed
):
    folder = tmp_path_factory.mktemp("machine") / "disk"
    disk = make_disk(folder, seed)
    synced, whole = written(folder, disk, writes)
    image = disk.after_power_cut()
    assert whole.startswith(image[LOG_NAME])
    assert image[LOG_NAME].startswith(synced)
    assert disk.lost_bytes == len(whole) - len(image[LOG_NAME])


def test_a_power_cut_takes_what_was_not_synced_in_some_worlds_and_not_in_all(tmp_path):
    left = set()
    for seed in range(30):
        folder = tmp_path / f"{seed}"
        disk = make_disk(folder, seed)
        written(folder, disk, [(b"kept", True), (b"lost", False)])
        left.add(disk.after_power_cut()[LOG_NAME])
    assert {b"kept", b"keptlost"} < left


def test_a_disk_holds_an_image_and_nothing_else(tmp_path):
    disk = make_disk(tmp_path / "disk", 1)
    (tmp_path / "disk" / "new").write_bytes(b"1")
    disk.become({"old": b"2"})
    assert [(p.name, p.read_bytes()) for p in (tmp_path / "disk").iterdir()] == [("old", b"2")]


def test_marks_of_the_last_boot_are_empty_after_a_power_cut(tmp_path):
    disk = make_disk(tmp_path / "disk", 1)
    (tmp_path / "disk" / "worker-0001.journal-lock").write_bytes(b"mark")
    assert disk.after_power_cut() == {"worker-0001.journal-lock": b""}
