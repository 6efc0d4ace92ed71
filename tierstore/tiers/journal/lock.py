"""Locks that end with the process that holds them."""

from __future__ import annotations

import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class FileLock:
    """An exclusive advisory lock (flock) on a side file. Held until `release` or process end."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor: int | None = descriptor
        self.path = path

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


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    import msvcrt

    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
