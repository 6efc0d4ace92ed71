"""Objects that are damaged, cut, missing or foreign, and folders that are full or gone.

Whole stores: what is damaged is told by key, tier and object, and is healed by a write; all else is
as it was.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.region.objects import mint_name
from tierstore.tiers import files

VALUES = {f"k{number:02}": {"n": number, "text": f"value {number} " * 5} for number in range(12)}
LARGE = {"large": "x" * 140_000}
RETAIN_S = 3600


@pytest.fixture
def cold(new_site):
    """Makes a site whose values have all gone cold, and a store that has read none of them."""

    def make(values=VALUES, **options):
        site = new_site(**options)
        first = site.open()
        first.store.put_many(values)
        first.store.flush()
        site.runtime.sleep(120)
        first.step(3)
        first.store.put("warm", 1)
        first.store.flush()
        first.store.close()
        assert site.cold_keys() == set(values)
        return site, site.open()

    return make


def read_each(store, values):
    """The keys that are damaged, by what the store says; all others must be right."""
    damaged = {}
    for key, value in values.items():
        try:
            assert store.get(key) == value, key
        except CorruptionError as error:
            damaged[key] = error
    assert store.get("warm") == 1
    return damaged


def check_damage(site, process, values, name):
    """Damage of the object `name` is told alike by every verb, and healed by a write."""
    damaged = read_each(process.store, values)
    for key, error in damaged.items():
        assert (error.key, error.tier, error.object) == (key, "cold", name)
        assert key in str(error)
        assert name in str(error)
    for verb in (
        lambda: process.store.get_many([*values, "warm"]),
        lambda: {entry.key: entry.value for entry in site.open().store.scan()},
    ):
        if damaged:
            with pytest.raises(CorruptionError) as caught:
                verb()
            assert caught.value.key in damaged
            assert (caught.value.tier, caught.value.object) == ("cold", name)
        else:
            assert verb() == {**values, "warm": 1}
    for key in damaged:
        process.store.put(key, values[key])
        process.store.flush()
    assert read_each(site.open().store, values) == {}
    return damaged


def test_any_flipped_bit_of_a_segment_is_found(cold):
    site, process = cold()
    (name,) = site.blobs()
    whole = site.objects.blobs[name]
    told = set()
    for at in range(0, len(whole) * 8, 37):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        site.objects.blobs[name] = bytes(flipped)
        damaged = read_each(site.open().store, VALUES)
        told.update(damaged)
        assert all(error.object == name for error in damaged.values())
    assert told == set(VALUES)
    site.objects.blobs[name] = whole
    assert read_each(process.store, VALUES) == {}


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("values", [VALUES, LARGE])
def test_a_truncated_object_is_told(cold, values, share):
    site, process = cold(values)
    (name,) = site.blobs()
    whole = site.objects.blobs[name]
    site.objects.blobs[name] = whole[: min(len(whole) - 1, int(len(whole) * share))]
    damaged = check_damage(site, process, values, name)
    assert damaged or share > 0.5  # the end of a segment is for compaction, not for reads


@pytest.mark.parametrize("values", [VALUES, LARGE])
def test_a_missing_object_is_told(cold, values):
    site, process = cold(values)
    (name,) = site.blobs()
    del site.objects.blobs[name]
    assert set(check_damage(site, process, values, name)) == set(values)


def test_an_object_of_another_key_is_told(cold):
    site, process = cold({"one": "x" * 140_000, "two": "y" * 140_000})
    names = sorted(site.blobs())
    blobs = site.objects.blobs
    blobs[names[0]], blobs[names[1]] = blobs[names[1]], blobs[names[0]]
    for key in ("one", "two"):
        with pytest.raises(CorruptionError, match="another key") as caught:
            process.store.get(key)
        assert caught.value.object in names


def test_a_damaged_key_stays_where_it_is_and_the_others_come_back(cold):
    """A promotion that cannot read its object says so in the directory, and keeps on slowly."""
    site, process = cold(VALUES | LARGE)
    process.heat(*VALUES)
    (segment,) = [name for name in site.blobs() if name.endswith(".seg")]
    whole = site.objects.blobs.pop(segment)
    warm = site.open(rules=[{"hotness": {"cold": "1/h", "hysteresis": 1.1}}])
    site.runtime.sleep(61)
    warm.step(3)
    stay = site.region.stay("k00", 1.0)
    assert stay.wanted == "regional"
    assert "missing" in stay.error
    assert warm.moving.tally["failed"] >= len(VALUES)
    site.objects.blobs[segment] = whole
    site.runtime.sleep(3700)
    process.heat(*VALUES)
    warm.step(9)
    assert not site.cold_keys() & set(VALUES)
    assert site.region.stay("k00", 1.0) is None


def test_a_damaged_row_is_left_where_it_is_and_said_so(new_site):
    site = new_site(is_sql=True)
    process = site.open()
    process.store.put_many(VALUES)
    process.store.flush()
    site.region._session.write(
        lambda c: c.execute("UPDATE ts_directory SET payload = X'C0' WHERE key = ?", (b"k03",)), 9.0
    )
    site.runtime.sleep(120)
    process.step(2)
    reply = site.region.read(list(VALUES), 0, 9.0)
    assert list(reply.corrupt) == ["k03"]
    assert {k for k, row in reply.rows.items() if row.cold is not None} == set(VALUES) - {"k03"}
    stay = site.region.stay("k03", 9.0)
    assert (stay.wanted, "checksum" in stay.error) == ("cold", True)
    process.step(5)
    assert site.region.stay("k03", 9.0).tries == 1
    fresh = site.open().store
    with pytest.raises(CorruptionError) as caught:
        fresh.get("k03")
    assert (caught.value.key, caught.value.tier) == ("k03", "regional")
    assert fresh.get("k04") == VALUES["k04"]


# Folders and files


def folder_of(site):
    return Path(site.folder) / "cold" / site.id


@pytest.mark.parametrize("values", [VALUES, LARGE])
def test_a_disk_that_is_full_in_the_middle_of_a_move(new_site, monkeypatch, values):
    site = new_site(is_sql=True)
    process = site.open()
    process.store.put_many(values)
    process.store.flush()
    before = site.state()
    site.runtime.sleep(120)
    write = files._write_file

    def fail(folder, leaf, parts, deadline):
        write(folder, leaf, list(parts)[:1], deadline)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "_write_file", fail)
    with pytest.raises(UnavailableError, match="no room is left"):
        process.step()
    assert site.state() == before
    assert os.listdir(folder_of(site)) == []
    stay = site.region.stay(next(iter(values)), 9.0)
    assert (stay.wanted, "no room" in stay.error) == ("cold", True)
    assert process.store.get_many(values, max_age=0) == values
    monkeypatch.undo()
    site.runtime.sleep(60)
    process.step(3)
    assert site.state() == before
    assert site.cold_keys() == set(values)
    assert site.region.stay(next(iter(values)), 9.0) is None
    site.settle()
    site.check_objects()


def test_what_is_foreign_is_left_alone_and_told(cold):
    site, _ = cold(VALUES, is_sql=True)
    folder = folder_of(site)
    (folder / "notes.txt").write_text("mine")
    (folder / "deep").mkdir()
    (folder / "1-000000000000-0000000000000000.seg.tmp").write_text("no leftover of ours")
    os.symlink("notes.txt", folder / "1-000000000000-0000000000000000.seg")
    (folder.parent / "another").mkdir()
    (folder.parent / "another" / "1-000000000000-0000000000000000.seg").write_text("theirs")
    before = {path.name for path in folder.parent.rglob("*")}
    process = site.settle()
    assert before <= {path.name for path in folder.parent.rglob("*")}
    told = {name.partition("/")[2] for name in process.moving.sweeper.foreign}
    assert {"notes.txt", "deep"} <= told
    assert len(told) == 4
    assert read_each(site.open().store, VALUES) == {}


def test_what_an_interrupted_put_left_is_swept_after_the_retention(cold):
    site, process = cold(VALUES, is_sql=True)
    folder = folder_of(site)
    minted_ms = site.now_ms()
    leaf = f"1-{minted_ms:012x}-0000000000000000.seg.0123456789abcdef.tmp"
    (folder / leaf).write_text("half of a segment")
    assert site.objects.list(f"{site.id}/", "", 9, 9.0).leftovers, "another form of name"
    site.runtime.sleep(61)
    process.step(3)
    assert (folder / leaf).exists()
    site.runtime.sleep(RETAIN_S + 1)
    process.step(3)
    assert not (folder / leaf).exists()
    assert read_each(site.open().store, VALUES) == {}


def test_what_cannot_be_deleted_keeps_nothing_else_from_being_swept(cold):
    values = {f"large {number}": "x" * 140_000 for number in range(3)}
    site, process = cold(values, is_sql=True)
    blocked = Path(site.folder) / "cold" / min(site.blobs())
    blocked.unlink()
    blocked.mkdir()
    info = site.region.connect(9.0)
    names = (site.runtime, info.region, info.incarnation, "val")
    orphans = [mint_name(*names) for _ in range(2)]
    for name in orphans:
        site.objects.put(name, [b"nobody's"], 9.0)
    for key in values:
        process.store.delete(key)
    process.store.flush()
    site.runtime.sleep(RETAIN_S + 61)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            process.step()
        left = {f"{site.id}/{path.name}" for path in blocked.parent.glob("*.val")}
        assert left - site.marks() == {f"{site.id}/{blocked.name}"}
        assert [item.live for item in site.region.objects(9, 9.0)] == [0, 1]  # "warm" went cold
    assert process.moving.tally["swept"] == 4
    blocked.rmdir()
    process.step()
    site.check_objects()


@pytest.mark.parametrize("is_blocked", [False, True])
def test_a_cold_folder_that_is_gone_hides_what_lies_there_and_nothing_else(cold, is_blocked):
    site, process = cold(VALUES, is_sql=True)
    folder = Path(site.folder) / "cold"
    away = folder.rename(folder.with_name("away"))
    if is_blocked:
        folder.write_text("a file in the way")
    for verb in (
        lambda: process.store.get("k00"),
        lambda: process.store.get_many(VALUES),
        lambda: list(process.store.scan()),
    ):
        with pytest.raises(UnavailableError, match="cold tier"):
            verb()
    assert process.store.get("warm") == 1
    process.store.put("k01", "anew")
    process.store.flush()
    assert process.store.get("k01") == "anew"
    for _ in range(3):
        site.runtime.sleep(3700)  # what failed is tried again later and later
        with pytest.raises(UnavailableError, match="cold tier"):
            process.step()
        site.runtime.sleep(3600)  # past the next try
    if is_blocked:
        folder.unlink()
    assert not folder.exists(), "objects went where they will be hidden"
    away.rename(folder)
    expected = VALUES | {"k01": "anew"}
    assert read_each(process.store, expected) == {}
    site.runtime.sleep(3600)
    site.settle()
    site.check_objects()
    assert read_each(site.open().store, expected) == {}
