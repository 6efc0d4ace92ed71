"""Objects as files keep the promises of a cold tier."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from tierstore.errors import PolicyError, TierStoreError
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import FaultPlan
from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.object.harness import ObjectHarness
from tierstore.tiers import files as module
from tierstore.tiers.files import FileObjects

CALLS = {
    "open", "mkdir", "write", "fsync", "link", "unlink", "rename", "pread", "read", "fstat",
}  # fmt: skip


class FaultyOs:
    """The `os` of the adapter, whose calls go wrong as a plan says."""

    def __init__(self, plan):
        self.plan, self.is_full = plan, False

    def __getattr__(self, name):
        call = getattr(os, name)
        if name not in CALLS:
            return call

        def run(*args, **kwargs):
            if self.is_full and name == "write":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            try:
                return self.plan.run(f"os.{name}", lambda: call(*args, **kwargs), TierStoreError)
            except TierStoreError as error:
                raise OSError(errno.EIO, str(error)) from error

        return run

    def close(self, descriptor):
        os.close(descriptor)


class FileHarness(ObjectHarness):
    """A cold tier in a folder."""

    def __init__(self, folder):
        self.root, self.clock, self.plan = folder / "cold", ManualRuntime(seed=3), FaultPlan()
        self.os = FaultyOs(self.plan)

    def open(self, runtime=None):
        return FileObjects(f"file:{self.root}", runtime=runtime or self.clock, base_dir="/")

    def raw_object(self, name):
        path = self.root / name
        return path.read_bytes() if path.exists() else None

    def raw_names(self):
        found = (Path(at, file) for at, _, files in os.walk(self.root) for file in files)
        return {str(path.relative_to(self.root)) for path in found}

    def plant(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def plant_leftover(self, name):
        left = f"{name}.0123456789abcdef.tmp"
        self.plant(left, b"half of")
        return left

    def cut(self, name, size_bytes):
        os.truncate(self.root / name, size_bytes)

    def restart(self):
        """Nothing is open between calls."""

    def open_secret(self):
        with pytest.raises(PolicyError) as caught:
            FileObjects("file:cold?token=c4n4ry", runtime=self.clock, base_dir=str(self.root))
        return caught.value, "c4n4ry"

    @contextmanager
    def unreachable(self):
        away = self.root.rename(self.root.with_name("away"))
        try:
            yield
        finally:
            away.rename(self.root)

    @contextmanager
    def full(self):
        self.os.is_full = True
        try:
            yield
        finally:
            self.os.is_full = False

    def open_resources(self):
        return len(os.listdir("/proc/self/fd"))


class TestFileObjects(ObjectConformance):
    @pytest.fixture
    def harness(self, folder, monkeypatch):
        harness = FileHarness(folder)
        monkeypatch.setattr(module, "os", harness.os)
        return harness
