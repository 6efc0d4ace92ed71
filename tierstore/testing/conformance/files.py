"""The harness of a cold tier of files: a folder, and the system calls of the adapter."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from tierstore.errors import PolicyError, TierStoreError
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.object.harness import ObjectHarness
from tierstore.testing.plan import FaultPlan
from tierstore.tiers import files as adapter
from tierstore.tiers.files import FileObjects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from tierstore.region.objects import ObjectTier
    from tierstore.runtime import Runtime

CALLS = frozenset((
    "open", "mkdir", "write", "fsync", "link", "unlink", "rename", "pread", "read", "fstat",
))  # fmt: skip
"""Those that the plan lets go wrong."""


class FaultyOs:
    """The `os` of the adapter, whose calls go wrong as a plan says."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan, self.is_full = plan, False

    def __getattr__(self, name: str) -> Any:
        call = getattr(os, name)
        if name not in CALLS:
            return call

        def run(*args: Any, **kwargs: Any) -> Any:
            if self.is_full and name == "write":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                return self.plan.run(f"os.{name}", lambda: call(*args, **kwargs), TierStoreError)
            except TierStoreError as error:
                raise OSError(errno.EIO, str(error)) from error

        return run


class FileHarness(ObjectHarness):
    """A cold tier below `folder`. While it is entered, every call of the adapter may be faulty."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.root = Path(folder) / "cold"
        self.clock, self.plan = ManualRuntime(seed=3), FaultPlan()
        self._os = FaultyOs(self.plan)

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Replaces the `os` of the adapter meanwhile."""
        with mock.patch.object(adapter, "os", self._os), super().entered():
            yield self

    def open(self, runtime: Runtime | None = None) -> ObjectTier:
        """A handle of the folder."""
        return FileObjects(f"file:{self.root}", runtime=runtime or self.clock, base_dir="/")

    def raw_object(self, name: str) -> bytes | None:
        """What the file has."""
        path = self.root / name
        return path.read_bytes() if path.exists() else None

    def raw_names(self) -> set[str]:
        """Every file below the folder."""
        found = (Path(at, file) for at, _, files in os.walk(self.root) for file in files)
        return {str(path.relative_to(self.root)) for path in found}

    def plant(self, name: str, content: bytes) -> None:
        """Write a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def plant_leftover(self, name: str) -> str:
        """A temporary file."""
        left = f"{name}.0123456789abcdef.tmp"
        self.plant(left, b"half of")
        return left

    def cut(self, name: str, size_bytes: int) -> None:
        """Truncate the file."""
        os.truncate(self.root / name, size_bytes)

    def restart(self) -> None:
        """Nothing is open between calls."""

    def open_secret(self) -> tuple[object, str]:
        """The error that refuses a token in the url: no handle has one."""
        with pytest.raises(PolicyError) as caught:
            FileObjects("file:cold?token=c4n4ry", runtime=self.clock, base_dir=str(self.root))
        return caught.value, "c4n4ry"

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """The folder is renamed."""
        away = self.root.rename(self.root.with_name("away"))
        try:
            yield
        finally:
            away.rename(self.root)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Writes fail as on a full disk."""
        self._os.is_full = True
        try:
            yield
        finally:
            self._os.is_full = False

    def open_resources(self) -> int:
        """All open files."""
        return len(os.listdir("/proc/self/fd"))
