"""Locks that end with the process that holds them, and the mark and stamp in their files.

SQLite takes a WAL that was cut off or damaged for one that ends there, and says nothing. The mark
is the number of the last delta that was committed, kept where no damage to the database reaches.
It is not synced: after a power cut it may be ahead of what the disk got, so it holds only within
one boot of the machine, or once the file was closed.

The stamp is the last one that the owner of the journal is known to have reached. Others may read
it while the lock is held, unlike the database.

The number of the last note of escrow stands there, too. Notes are synced before it is written, so
it never is ahead of the disk.
"""

from __future__ import annotations

import os
import struct
import zlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# How long the mark holds, and that inverted; the mark and the stamp, each and that inverted.
_TERM = struct.Struct("<QQ")
_MARK = struct.Struct("<QQ")
_MARK_AND_STAMP = struct.Struct("<QQQQ")
_TERM_AT, _MARK_AT, _STAMP_AT, _SPENT_AT = 16, 32, 48, 64  # Windows locks the first byte
_ONES = (1 << 64) - 1
_DURABLE = 1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class FileLock:
    """An exclusive advisory lock (flock) on a side file. Held until `release` or process end."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor: int | None = descriptor
        self.path = path
        self._boot = boot_id()
        os.lseek(descriptor, _STAMP_AT, os.SEEK_SET)
        self._stamp = _unpack_stamp(os.read(descriptor, _MARK.size))

    def begin_mark(self, seq: int, stamp: int = 0, *, durable: bool = False) -> None:
        """Note that the deltas up to `seq` are committed; with `durable`, a power cut spares them.

        Without it the mark holds within this boot of the machine.
        """
        term = _DURABLE if durable else self._boot
        self._write_at(_TERM_AT, _TERM.pack(term, term ^ _ONES))
        self.move_mark(seq, stamp)

    def move_mark(self, seq: int, stamp: int = 0) -> None:
        """Note that the delta `seq` was committed, too, and that `stamp` was reached."""
        if stamp > self._stamp:
            self._stamp = stamp
        last = self._stamp
        self._write_at(_MARK_AT, _MARK_AND_STAMP.pack(seq, seq ^ _ONES, last, last ^ _ONES))

    def read_mark(self) -> int:
        """The number of the last delta known to be committed; 0 if none is known."""
        if self._descriptor is None:
            return 0
        os.lseek(self._descriptor, _TERM_AT, os.SEEK_SET)
        found = os.read(self._descriptor, _TERM.size + _MARK.size)
        if len(found) < _TERM.size + _MARK.size:
            return 0
        term, term_inverted = _TERM.unpack_from(found)
        seq, inverted = _MARK.unpack_from(found, _TERM.size)
        is_sound = term ^ term_inverted == seq ^ inverted == _ONES
        return int(seq) if is_sound and term in (_DURABLE, self._boot) else 0

    def move_spent(self, number: int) -> None:
        """Note that the note `number` of escrow was committed, and synced."""
        self._write_at(_SPENT_AT, _MARK.pack(number, number ^ _ONES))

    def read_spent(self) -> int:
        """The number of the last note of escrow known to be committed; 0 if none is known."""
        if self._descriptor is None:
            return 0
        os.lseek(self._descriptor, _SPENT_AT, os.SEEK_SET)
        return _unpack_stamp(os.read(self._descriptor, _MARK.size))

    def _write_at(self, offset: int, content: bytes) -> None:
        if self._descriptor is None:
            return
        try:
            write_at(self._descriptor, content, offset)
        except OSError:
            return  # a mark that lags behind is a weaker check, not a wrong one

    @classmethod
    def try_acquire(cls, path: str) -> Self | None:
        """The lock on `path`, creating the file, or None if another holder has it.

        Raises OSError if the file cannot be opened.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            _lock(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor, path)

    def release(self) -> None:
        """Give the lock up. Idempotent."""
        self.close_inherited()

    def close_inherited(self) -> None:
        """Close this process's descriptor without unlocking.

        The lock belongs to the open file, which a fork shares: in a forked child this leaves the
        parent's lock alone, and stops the child from keeping it alive after the parent's death.
        """
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def read_stamp(path: str) -> int:
    """The stamp in the lock file at `path`, whoever holds it; 0 if none can be read."""
    try:
        with open(path, "rb") as file:
            file.seek(_STAMP_AT)
            found = file.read(_MARK.size)
    except OSError:
        return 0
    return _unpack_stamp(found)


def _unpack_stamp(found: bytes) -> int:
    stamp, inverted = _MARK.unpack(found) if len(found) == _MARK.size else (0, 0)
    return int(stamp) if stamp ^ inverted == _ONES else 0


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)


def _seek_and_write(descriptor: int, content: bytes, offset: int) -> int:
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, content)


write_at = getattr(os, "pwrite", _seek_and_write)


def boot_id() -> int:
    """A number that differs between boots of this machine, or at least between processes."""
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return zlib.crc32(file.read())
    except OSError:
        return zlib.crc32(str(os.getpid()).encode())
