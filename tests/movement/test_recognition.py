"""Nothing goes where the cold tier's disk is not mounted, whatever the process knows of it."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.testing import Crash, FaultPlan

LEASE_S, RETAIN_S = 60, 3600
KINDS = ["error", "lost", "crash", "crash after"]


@pytest.fixture
def used(new_site):
    """Makes a site whose one cold key is gone again, with its object, and no process is open."""

    def make(*, is_sql=True):
        site = new_site(is_sql=is_sql)
        process = site.open()
        go_cold(site, process, "k")
        process.store.delete("k")
        process.store.flush()
        site.runtime.sleep(RETAIN_S + 61)
        process.step(3)
        assert (site.region.objects(9, 9.0), site.blobs()) == ([], set())
        process.store.close()
        site.runtime.sleep(LEASE_S + 1)
        return site

    return make


def go_cold(site, process, key):
    process.store.put(key, "value")
    process.store.flush()
    site.runtime.sleep(120)
    process.step()


def mount(site):
    return Path(site.folder, "cold")


@pytest.mark.parametrize("has_mount_point", [True, False])
def test_a_fresh_process_puts_nothing_where_the_disk_was_mounted(used, has_mount_point):
    site = used()
    away = mount(site).rename(mount(site).with_name("away"))
    if has_mount_point:
        mount(site).mkdir()
    process = site.open()
    wrong = {
        found.subject: found.detail for found in process.store.check().findings if not found.ok
    }
    assert "mounted" in wrong["cold tier"]
    with pytest.raises(UnavailableError, match="mounted"):
        go_cold(site, process, "new")
    assert not list(Path(site.folder).glob("cold/*"))
    assert "mounted" in site.region.stay("new", 9.0).error
    assert process.store.get("new") == "value"
    if has_mount_point:
        mount(site).rmdir()
    away.rename(mount(site))
    site.runtime.sleep(120)
    process.step()
    assert site.cold_keys() == {"new"}


def test_another_disk_with_a_folder_of_the_region_is_refused(used):
    """It was written to by mistake once; the object that lies there is not the one known."""
    site = used()
    folder = mount(site) / site.id
    for path in folder.iterdir():
        path.rename(folder / ("0" + path.name))
    with pytest.raises(UnavailableError, match="mounted"):
        go_cold(site, site.open(), "new")


def test_keys_that_are_there_come_back_though_the_mark_is_gone(new_site):
    site = new_site(is_sql=True)
    process = site.open()
    go_cold(site, process, "k")
    (mark,) = site.marks()
    Path(mount(site), mark).unlink()
    process.store.close()
    site.runtime.sleep(LEASE_S + 1)
    process = site.open()
    process.heat("k")
    process.step()
    assert site.cold_keys() == set()


def test_what_the_error_says_lets_objects_go_there_again(used):
    """The folder was deleted on purpose."""
    site = used()
    (mark,) = site.marks()
    Path(mount(site), mark).unlink()
    process = site.open()
    with pytest.raises(UnavailableError) as caught:
        go_cold(site, process, "k")
    assert f"put an empty object {mark} there" in str(caught.value)
    Path(mount(site), mark).touch()
    site.runtime.sleep(120)
    process.step()
    assert site.cold_keys() == {"k"}


@pytest.mark.parametrize("is_sql", [False, True])
def test_a_region_has_one_mark_for_good(used, is_sql):
    site = used(is_sql=is_sql)
    marks = site.marks()
    assert len(marks) == 1
    for key in "ab":
        process = site.open()
        go_cold(site, process, key)
        process.store.close()
        site.runtime.sleep(RETAIN_S + LEASE_S)
    site.settle()
    assert site.marks() == marks
    assert site.region.marker(9.0) in marks
    assert site.cold_keys() == {"a", "b"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_first_move_that_fails_anywhere_leaves_one_mark(new_site, kind):
    for n in count(1):
        site = new_site()
        plan = FaultPlan()
        process = site.open(plan=plan)
        process.store.put("k", 1)
        process.store.flush()
        site.runtime.sleep(120)
        plan.arm(n, kind)
        with suppress(TierStoreError, Crash):
            process.step()
        if not plan.fired:
            break
        plan.arm(0, "error")
        process.crash()
        site.settle()
        assert site.marks() == {site.region.marker(9.0)}
        assert site.cold_keys() == {"k"}
        site.check_objects()
    assert n > 8
