"""Objects as files: what reaches the disk when it is full, fails, or the process ends."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    InvalidArgumentError,
    OutcomeUnknownError,
    PolicyError,
    UnavailableError,
)
from tierstore.region.objects import ByteRange, ObjectExistsError
from tierstore.runtime import now_ms
from tierstore.runtime.manual import ManualRuntime
from tierstore.tiers import files as module
from tierstore.tiers.files import FileObjects
from tierstore.tiers.registry import load_objects

T = 5.0
REGION = "00c0ffee00c0ffee"
PARTS = [b"abc", b"defgh", b"ij"]
WHOLE = b"".join(PARTS)
CALLS_OF_PUT = ("open", "mkdir", "write", "fsync", "link", "unlink", "rename")


class Crash(BaseException):
    """The process ended here."""


class FaultyOs:
    """The `os` of the adapter, in which the n-th of some calls goes wrong."""

    def __init__(self, n, calls, error=None, *, does_it=False, no_links=False):
        self._n, self._calls, self._error = n, calls, error
        self._does_it, self._no_links = does_it, no_links
        self.count, self.crashed = 0, False

    def __getattr__(self, name):
        call = getattr(os, name)
        if name == "close":
            return self._close
        return self._wrap(name, call) if name in (*self._calls, *CALLS_OF_PUT) else call

    def _close(self, descriptor):
        os.close(descriptor)
        if self.crashed:
            raise Crash

    def _wrap(self, name, call):
        def run(*args, **kwargs):
            if self.crashed:
                raise Crash
            if name == "link" and self._no_links:
                raise OSError(errno.EPERM, "no links here")
            self.count += name in self._calls
            if self.count != self._n or name not in self._calls:
                return call(*args, **kwargs)
            self.count += 1
            if self._does_it:
                call(*args, **kwargs)
            if self._error is not None:
                raise OSError(self._error, os.strerror(self._error))
            self.crashed = True
            raise Crash

        return run


def faulty(monkeypatch, *args, **kwargs):
    broken = FaultyOs(*args, **kwargs)
    monkeypatch.setattr(module, "os", broken)
    return broken


@pytest.fixture
def mended(monkeypatch):
    """Calls `monkeypatch.undo` once, so that what comes after sees the real system."""
    return monkeypatch.undo


def put(bench, parts=PARTS):
    name = bench.mint()
    bench.objects.put(name, parts, T)
    return name


def listing(bench):
    return bench.objects.list(f"{REGION}/", "", 100, T)


# Places


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:cold", "{base}/cold"),
        ("file:data/a b%20c", "{base}/data/a b%20c"),
        ("file:/abs/olute", "/abs/olute"),
        ("file:///abs/olute", "/abs/olute"),
        ("file:./a/../b", "{base}/b"),
    ],
)
def test_a_url_names_a_folder(tmp_path, url, path):
    objects = load_objects("file")(url, runtime=ManualRuntime(), base_dir=str(tmp_path))
    assert objects.path == path.format(base=tmp_path)
    assert objects.path in repr(objects)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["", "file:", "file://", "file://host/path", "s3:x", "file:a?b", "file:a#b", "file:\0"]
)
def test_other_urls_are_refused(url):
    with pytest.raises(PolicyError, match="file:relative/path"):
        FileObjects(url, runtime=ManualRuntime(), base_dir="/")


def test_an_unknown_scheme_is_refused():
    with pytest.raises(
        PolicyError, match=r"serves tape: as a cold tier \(known: az, file, gs, s3\)"
    ):
        load_objects("tape")


@pytest.mark.parametrize(
    ("scheme", "client"), [("file", "boto3"), ("gs", "boto3"), ("", "obstore")]
)
def test_a_client_that_does_not_serve_the_scheme_is_refused(scheme, client):
    """Also where only the environment knew the url, and no verifier could tell."""
    with pytest.raises(PolicyError, match=r"tiers\.cold\.client: .*; remove the line"):
        load_objects(scheme, client)


def test_only_the_owner_gets_in(files):
    name = put(files)
    path = Path(files.objects.path, name)
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path, path.parent, path.parent.parent)]
    assert modes == [0o600, 0o700, 0o700]


def test_a_missing_folder_is_unavailable_not_missing(files):
    with pytest.raises(UnavailableError, match="mounted"):
        files.objects.read(files.mint(), [ByteRange(0, 1)], T)
    assert listing(files).objects == []
    files.objects.delete([files.mint()], T)
    assert not Path(files.objects.path).exists()


@pytest.mark.parametrize("has_put", [True, False], ids=["after a put", "after a read"])
@pytest.mark.parametrize("depth", [0, 1, 2], ids=["region", "root", "above"])
def test_nothing_is_put_where_a_disk_was_mounted(files, depth, has_put):
    name = put(files)
    if not has_put:
        files.objects = FileObjects(
            "file:" + files.objects.path, runtime=files.runtime, base_dir=""
        )
        assert files.objects.read(name, [ByteRange(0, 1)], T) == [WHOLE[:1]]
    mounted = Path(files.objects.path, REGION, *[".."] * depth).resolve()
    away = mounted.rename(mounted.with_name("away"))
    if depth:
        mounted.mkdir()
    left = sorted(mounted.parent.rglob("*"))
    for _ in range(3):
        with pytest.raises(UnavailableError, match="mounted"):
            put(files)
        with pytest.raises(UnavailableError, match="mounted"):
            files.objects.read(name, [ByteRange(0, 1)], T)
    assert sorted(mounted.parent.rglob("*")) == left
    if depth:
        mounted.rmdir()
    away.rename(mounted)
    assert files.peek(put(files)) == WHOLE
    assert files.peek(name) == WHOLE


# What others put there


@pytest.mark.parametrize("kind", ["link", "dangling", "folder", "pipe"])
def test_what_is_not_a_regular_file_is_foreign(files, tmp_path, kind):
    put(files)
    name = files.mint()
    path = Path(files.objects.path, name)
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(secret if kind == "link" else tmp_path / "none")

    assert listing(files).foreign == [name]
    with pytest.raises(CorruptionError, match="not a regular file"):
        files.objects.read(name, [ByteRange(0, 1)], T)
    with pytest.raises(ObjectExistsError):
        files.objects.put(name, PARTS, T)
    assert secret.read_bytes() == b"secret"


def test_a_linked_region_is_not_followed(files, tmp_path):
    put(files)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = files.mint(region="other")
    (elsewhere / other.partition("/")[2]).write_bytes(b"secret")
    Path(files.objects.path, "other").symlink_to(elsewhere)
    for call in (
        lambda: files.objects.read(other, [ByteRange(0, 1)], T),
        lambda: files.objects.put(files.mint(region="other"), PARTS, T),
        lambda: files.objects.delete([other], T),
        lambda: files.objects.list("other/", "", 10, T),
    ):
        with pytest.raises(UnavailableError, match=r"link|folder"):
            call()
    assert len(list(elsewhere.iterdir())) == 1


def test_a_name_that_is_not_text_is_shown_and_does_not_stop_a_listing(files):
    names = [put(files) for _ in range(3)]
    folder = os.fsencode(Path(files.objects.path, REGION))
    for odd in (b"\xff\xfe", b"2-\x80"):
        Path(os.fsdecode(folder + b"/" + odd)).write_bytes(b"")
    after, found, foreign = "", [], []
    while after is not None:
        page = files.objects.list(f"{REGION}/", after, 1, T)
        found += [info.name for info in page.objects]
        foreign += page.foreign
        after = page.next_after
    assert found == sorted(names)
    assert foreign == [f"{REGION}/2-\\x80", f"{REGION}/\\xff\\xfe"]
    assert all(name.isprintable() for name in foreign)


def test_a_file_where_a_folder_should_be_is_named(files):
    Path(files.objects.path).parent.mkdir()
    Path(files.objects.path).write_bytes(b"")
    with pytest.raises(UnavailableError, match="a file stands"):
        put(files)


# Failing disks


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("call", ["open", "write", "fsync", "link"])
def test_a_call_that_fails_leaves_nothing_visible(files, monkeypatch, mended, call, code):
    put(files)
    n, errors = 0, []
    while True:
        n, before = n + 1, files.names()
        broken = faulty(monkeypatch, n, (call,), code)
        error = error_of(lambda: put(files))
        mended()
        if error is None:
            break
        errors.append(error)
        # Only the sync of the folder comes after the object has its name.
        is_unknown = type(error) is OutcomeUnknownError
        assert len(files.names() - before) == is_unknown
        assert is_unknown or files.objects.path in str(error)
    assert broken.count < n
    assert [type(error) for error in errors] == EXPECTED[call]


def error_of(call):
    try:
        call()
    except (UnavailableError, OutcomeUnknownError) as error:
        return error
    return None


EXPECTED = {
    "open": [UnavailableError] * 2,
    "write": [UnavailableError] * 3,
    "fsync": [UnavailableError, OutcomeUnknownError],
    "link": [UnavailableError],
}


def test_a_full_disk_says_what_to_do(files, monkeypatch):
    faulty(monkeypatch, 2, ("write",), errno.ENOSPC)
    with pytest.raises(UnavailableError, match="no room is left: free some") as caught:
        put(files)
    assert caught.value.__cause__.errno == errno.ENOSPC


def test_partial_writes_and_reads_go_on(files, monkeypatch):
    monkeypatch.setattr(module.os, "write", lambda fd, data: _write(fd, data[:2]))
    monkeypatch.setattr(module.os, "pread", lambda fd, n, at: _pread(fd, min(n, 3), at))
    name = put(files)
    assert files.objects.read(name, [ByteRange(1, 8)], T) == [WHOLE[1:9]]


_write, _pread = os.write, os.pread


def test_a_file_cut_off_while_it_is_read_is_corruption(files, monkeypatch):
    name = put(files)
    monkeypatch.setattr(module.os, "pread", lambda fd, n, at: b"")
    with pytest.raises(CorruptionError, match="shorter"):
        files.objects.read(name, [ByteRange(0, 3)], T)


def test_a_link_whose_reply_was_lost_counts(files, monkeypatch, mended):
    put(files)
    for code in (errno.EEXIST, errno.EIO):
        faulty(monkeypatch, 1, ("link",), code, does_it=True)
        name = put(files)
        mended()
        assert files.peek(name) == WHOLE


def test_without_links_nothing_is_overwritten_either(files, monkeypatch):
    faulty(monkeypatch, 0, (), no_links=True)
    name = put(files)
    assert files.peek(name) == WHOLE
    with pytest.raises(ObjectExistsError):
        files.objects.put(name, [b"other"], T)
    assert files.peek(name) == WHOLE
    assert files.names() == {name}


@pytest.mark.parametrize("does_it", [False, True])
@pytest.mark.parametrize("no_links", [False, True])
def test_the_end_of_the_process_leaves_all_or_nothing(
    files, monkeypatch, mended, does_it, no_links
):
    n, whole = 0, 0
    while True:
        n += 1
        name = files.mint()
        fresh = FileObjects(f"file:{files.objects.path}", runtime=files.runtime, base_dir="/")
        broken = faulty(monkeypatch, n, CALLS_OF_PUT, does_it=does_it, no_links=no_links)
        try:
            fresh.put(name, PARTS, T)
        except Crash:
            pass
        finally:
            mended()
        if not broken.crashed:
            break
        page = listing(files)
        found = {info.name: files.peek(info.name) for info in page.objects}
        # Without links a name may have been claimed, and its object is empty; never half of it.
        assert set(found.values()) <= ({b"", WHOLE} if no_links else {WHOLE})
        assert page.foreign == []
        assert {left.minted_ms for left in page.leftovers} <= {now_ms(files.runtime)}
        whole += WHOLE in found.values()
        files.objects.delete([*found, *(leftover.name for leftover in page.leftovers)], T)
        assert files.names() == set()
    assert n > 8
    assert 0 < whole < n - 1


def test_leftovers_are_told_from_objects_and_foreign_names(files):
    name = put(files)
    leftover = f"{name}.0123456789abcdef.tmp"
    for other in (leftover, f"{name}.tmp", f"{REGION}/x.0123456789abcdef.tmp"):
        files.plant(other, b"half")
    page = listing(files)
    assert [info.name for info in page.objects] == [name]
    assert [left.name for left in page.leftovers] == [leftover]
    assert sorted(page.foreign) == [f"{name}.tmp", f"{REGION}/x.0123456789abcdef.tmp"]
    with pytest.raises(InvalidArgumentError):
        files.objects.read(leftover, [ByteRange(0, 1)], T)
    files.objects.delete([leftover], T)
    assert leftover not in files.names()


# Time


@pytest.mark.parametrize("slow_part", [0, 1, 2])
def test_a_put_that_takes_too_long_leaves_nothing(files, slow_part):
    def parts():
        for number, part in enumerate(PARTS):
            if number == slow_part:
                files.runtime.sleep(T + 1)
            yield part

    with pytest.raises(DeadlineExceededError):
        put(files, parts())
    assert files.names() == set()


def test_a_sync_that_takes_too_long_leaves_nothing(files, monkeypatch):
    monkeypatch.setattr(module.os, "fsync", lambda fd: files.runtime.sleep(T + 1))
    with pytest.raises(DeadlineExceededError):
        put(files)
    assert files.names() == set()


def test_reading_keeps_its_time(files, monkeypatch):
    name = put(files)
    stream = files.objects.stream(name, T)
    files.runtime.sleep(T + 1)
    assert next(stream) == WHOLE  # the time counts from the first chunk
    for call in (
        lambda: files.objects.read(name, [ByteRange(0, 1)], 0.0),
        lambda: next(files.objects.stream(name, 0.0)),
        lambda: files.objects.delete([name], 0.0),
    ):
        with pytest.raises(DeadlineExceededError):
            call()


# Processes
