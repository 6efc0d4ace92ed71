"""Objects as files: `<root>/<region>/<the rest of the name>`, one folder per region.

A put writes a temporary file in that folder, syncs it, gives it the object's name by a hard link,
which fails if the name is taken, and syncs the folder. So a name is there with all its bytes or
not at all. What a process that died leaves is a temporary file, which listings report.

Nothing is held open between calls, so that forks and unmounted disks need no care.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from heapq import nsmallest
from operator import itemgetter
from typing import TYPE_CHECKING

from tierstore.errors import (
    CorruptionError,
    InvalidArgumentError,
    OutcomeUnknownError,
    PolicyError,
    TierStoreError,
    UnavailableError,
)
from tierstore.region.capabilities import Capabilities
from tierstore.region.deadline import Deadline
from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    Leftover,
    Listing,
    ObjectExistsError,
    ObjectInfo,
    ObjectMissingError,
    check_name,
    check_prefix,
    parse_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.region.objects import ByteRange, ObjectName
    from tierstore.runtime import Runtime

_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_CLOSED_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | _CLOSED_ON_EXEC
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | _NO_LINK
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _NO_LINK  # a planted pipe must not block
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK
_TEMPORARY_RANDOM_BYTES = 8
_LEFTOVER = re.compile(r"(.+)\.[0-9a-f]{16}\.tmp")

# Of file systems that have no hard links.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK}
# Of file systems on which a folder cannot be synced, and need not be.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_ADVICE = {
    errno.ENOSPC: "no room is left: free some on its disk",
    errno.EDQUOT: "its quota is used up: free some room or raise it",
    errno.EFBIG: "a file would be too large: raise the limit on the size of files",
    errno.EROFS: "it is read-only: check how it is mounted",
    errno.EACCES: "access is denied: check the permissions of its folders",
    errno.EPERM: "access is denied: check the permissions of its folders",
    errno.ENOTDIR: "a file stands where a folder should be: move it away",
    errno.ELOOP: "a symbolic link stands where a folder should be: move it away",
    errno.ENOENT: "its folder is missing: check that its disk is mounted",
    errno.EMFILE: "too many files are open: raise the limit of the process",
    errno.ENFILE: "too many files are open: raise the limit of the machine",
    errno.EIO: "its disk reports an error",
}


class FileObjects:
    """A cold tier in a folder: `file:path`, a relative path being relative to `base_dir`.

    Constructing it touches nothing; the first put creates the folder. One that was there and is
    not any more is never made anew: calls raise UnavailableError until its disk is back. Safe to
    use from several threads and processes, across forks, and on network file systems. Raises
    PolicyError for a malformed `url`.
    """

    capabilities = Capabilities(conditional_put=True, ordered_scan=True)

    def __init__(self, url: str, *, runtime: Runtime, base_dir: str) -> None:
        self.path = os.path.abspath(os.path.join(base_dir, _path_of(url)))
        self._runtime = runtime
        self._seen: set[str] = set()  # regions whose folder has been there: never made anew
        self._settled: set[str] = set()  # of these, those known to survive a power cut

    def __repr__(self) -> str:
        return f"FileObjects({self.path!r})"

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Write a new object of these parts, whole and durable when this returns."""
        region = check_name(name).region
        deadline = Deadline(self._runtime, timeout_s)
        with self._translated(), self._settled_folder(region) as folder:
            self._publish(folder, _leaf(name), parts, deadline)

    def read(self, name: str, ranges: Sequence[ByteRange], timeout_s: float) -> list[bytes]:
        """The bytes of each range, in the order asked for."""
        parsed, deadline = check_name(name), Deadline(self._runtime, timeout_s)
        with self._translated(), self._opened(parsed, name) as (descriptor, size_bytes):
            if any(asked.start < 0 or asked.length < 0 for asked in ranges):
                raise InvalidArgumentError("a range begins before the object or ends before itself")
            if any(asked.end > size_bytes for asked in ranges):  # before memory is taken for it
                raise _short(name)
            found = []
            for asked in ranges:
                deadline.remaining_s()
                found.append(_read_exactly(descriptor, asked, name))
            return found

    def stream(self, name: str, timeout_s: float) -> Iterator[bytes]:
        """The whole object in chunks of 1 to `CHUNK_BYTES_MAX` bytes."""
        parsed, deadline = check_name(name), Deadline(self._runtime, timeout_s)
        with self._translated(), self._opened(parsed, name) as (descriptor, _):
            while chunk := os.read(descriptor, CHUNK_BYTES_MAX):
                deadline.remaining_s()
                yield chunk

    def delete(self, names: Sequence[str], timeout_s: float) -> None:
        """Remove objects and leftovers; those that are gone already count as removed."""
        deadline = Deadline(self._runtime, timeout_s)
        regions = [_check_own(name).region for name in names]
        with self._translated():
            for name, region in zip(names, regions, strict=True):
                deadline.remaining_s()
                with suppress(FileNotFoundError), self._folder(region) as folder:
                    os.unlink(_leaf(name), dir_fd=folder)

    def list(self, prefix: str, after: str, limit: int, timeout_s: float) -> Listing:
        """The next `limit` names that begin with `prefix` and come after `after`."""
        region, page = check_prefix(prefix), Listing()
        with self._translated(), suppress(FileNotFoundError), self._folder(region) as folder:
            with os.scandir(folder) as entries:
                every = ((_printable(f"{region}/{entry.name}"), entry) for entry in entries)
                wanted = (pair for pair in every if pair[0].startswith(prefix) and pair[0] > after)
                found = nsmallest(limit + 1, wanted, key=itemgetter(0))
            page.next_after = found[limit - 1][0] if len(found) > limit else None
            for name, entry in found[:limit]:
                _enter(page, name, entry)
        return page

    def close(self) -> None:
        """Nothing: no file is open between calls."""

    def _publish(self, folder: int, leaf: str, parts: Iterable[bytes], deadline: Deadline) -> None:
        chance = self._runtime.random_bytes(_TEMPORARY_RANDOM_BYTES).hex()
        temporary = f"{leaf}.{chance}.tmp"
        try:
            _write_file(folder, temporary, parts, deadline)
            _rename_to_new(folder, temporary, leaf)
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
        try:
            _sync_folder(folder)
        except OSError as exc:
            raise OutcomeUnknownError(
                f"{self._place}: {leaf} was written, but may not survive a power cut"
                f" ({_reason(exc)})"
            ) from exc

    @property
    def _place(self) -> str:
        return f"the cold tier at {self.path!r}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the file system leave as tierstore's, here and nowhere else."""
        try:
            yield
        except TierStoreError:  # a deadline is a TimeoutError, and that an OSError
            raise
        except OSError as exc:
            raise UnavailableError(f"{self._place}: {_reason(exc)}") from exc

    @contextmanager
    def _folder(self, region: str) -> Iterator[int]:
        descriptor = os.open(os.path.join(self.path, region), _FOLDER)
        try:
            self._seen.add(region)
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _settled_folder(self, region: str) -> Iterator[int]:
        if region not in self._settled:
            # One that was there and is not, is on a disk that is away: what went into a new one
            # would be hidden when that comes back.
            if region not in self._seen:
                _make_folder(self.path)
                with suppress(FileExistsError):
                    os.mkdir(os.path.join(self.path, region), _FOLDER_MODE)
            _sync_path(self.path)
            self._settled.add(region)
        with self._folder(region) as folder:
            yield folder

    @contextmanager
    def _opened(self, parsed: ObjectName, name: str) -> Iterator[tuple[int, int]]:
        """The descriptor and the size of an object's file."""
        with self._folder(parsed.region) as folder:
            descriptor = _open_file(folder, name)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _not_a_file(name)
            yield descriptor, status.st_size
        finally:
            os.close(descriptor)


def _path_of(url: str) -> str:
    path = url.removeprefix("file:")
    if path.startswith("//"):
        path = path.removeprefix("//")
        path = path if path.startswith("/") else ""
    if path == url or not path or any(mark in path for mark in "\0?#"):
        raise PolicyError(
            f"{url.partition(':')[0]}: the url of the cold tier names no folder; "
            "write file:relative/path or file:///absolute/path"
        )
    return path


def _leaf(name: str) -> str:
    return name.partition("/")[2]


def _parse_leftover(name: str) -> ObjectName | None:
    match = _LEFTOVER.fullmatch(name)
    return parse_name(match[1]) if match else None


def _check_own(name: str) -> ObjectName:
    return _parse_leftover(name) or check_name(name)


def _printable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _enter(page: Listing, name: str, entry: os.DirEntry[str]) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    leftover = _parse_leftover(name)
    if not stat.S_ISREG(status.st_mode) or not (leftover or parse_name(name)):
        page.foreign.append(name)
    elif leftover:
        page.leftovers.append(Leftover(name, leftover.minted_ms))
    else:
        page.objects.append(ObjectInfo(name, status.st_size))


def _open_file(folder: int, name: str) -> int:
    try:
        return os.open(_leaf(name), _READ, dir_fd=folder)
    except FileNotFoundError as exc:
        raise ObjectMissingError(f"there is no object {name}") from exc
    except OSError as exc:
        if exc.errno != errno.ELOOP:
            raise
        raise _not_a_file(name) from exc


def _read_exactly(descriptor: int, asked: ByteRange, name: str) -> bytes:
    found = os.pread(descriptor, asked.length, asked.start)
    while len(found) < asked.length:
        more = os.pread(descriptor, asked.length - len(found), asked.start + len(found))
        if not more:
            raise _short(name)
        found += more
    return found


def _write_file(folder: int, leaf: str, parts: Iterable[bytes], deadline: Deadline) -> None:
    descriptor = os.open(leaf, _NEW, _FILE_MODE, dir_fd=folder)
    try:
        for part in parts:
            deadline.remaining_s()
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    deadline.remaining_s()


def _rename_to_new(folder: int, temporary: str, leaf: str) -> None:
    try:
        os.link(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as exc:
        if _is_one_file(folder, temporary, leaf):
            return  # done, but a network lost the reply
        if exc.errno == errno.EEXIST:
            raise _taken(leaf) from exc
        if exc.errno not in _NO_LINKS:
            raise
        _claim_and_rename(folder, temporary, leaf)


def _claim_and_rename(folder: int, temporary: str, leaf: str) -> None:
    """`_rename_to_new` where there are no hard links.

    Whoever creates the empty file owns the name. A crash between the two calls leaves it empty,
    which no row points at.
    """
    try:
        os.close(os.open(leaf, _NEW, _FILE_MODE, dir_fd=folder))
    except FileExistsError as exc:
        raise _taken(leaf) from exc
    try:
        os.rename(temporary, leaf, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(leaf, dir_fd=folder)
        raise


def _is_one_file(folder: int, temporary: str, leaf: str) -> bool:
    try:
        one, other = (os.stat(n, dir_fd=folder, follow_symlinks=False) for n in (temporary, leaf))
    except FileNotFoundError:
        return False
    except OSError as exc:
        raise OutcomeUnknownError(f"{leaf} may have been written ({_reason(exc)})") from exc
    return os.path.samestat(one, other)


def _make_folder(path: str) -> None:
    """Create a folder and those above it, each entry durable."""
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    _make_folder(above)
    with suppress(FileExistsError):
        os.mkdir(path, _FOLDER_MODE)
    _sync_path(above)


def _sync_path(path: str) -> None:
    descriptor = os.open(path, _FOLDER & ~_NO_LINK | _CLOSED_ON_EXEC)
    try:
        _sync_folder(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as exc:
        if exc.errno not in _NO_FOLDER_SYNC:
            raise


def _reason(exc: OSError) -> str:
    advice = _ADVICE.get(exc.errno or 0)
    return f"{advice} ({exc.strerror})" if advice else exc.strerror or str(exc)


def _short(name: str) -> CorruptionError:
    return CorruptionError(f"object {name} is shorter than it was", tier="cold", object=name)


def _not_a_file(name: str) -> CorruptionError:
    return CorruptionError(f"object {name} is not a regular file", tier="cold", object=name)


def _taken(leaf: str) -> ObjectExistsError:
    return ObjectExistsError(f"there is an object {leaf} already")
