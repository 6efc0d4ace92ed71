"""A journal with known content, copied as a crash leaves it, and stores opened over a copy."""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryRegion

POLICY = {
    "tiers": {"edge": {"url": "memory://", "journal": "journal"}},
    "replication": {"flush": "1h", "pull": "1h"},
}
KEYS = [f"key/{number:02}" for number in range(40)]
FILE = "worker-0001.journal"


class Outage(MemoryRegion):
    """A region in memory that can be told to take no batches."""

    is_out = False

    def apply(self, batch, timeout_s):
        if self.is_out:
            raise UnavailableError("out of order")
        return super().apply(batch, timeout_s)


class Original:
    """A journal of which the region has older values, and the values that reads must show."""

    def __init__(self, folder):
        self.folder = folder
        self.runtime = ManualRuntime(seed=1)
        self.region = Outage(self.runtime)
        self.store = self.open(folder)
        self.store.put_many(dict.fromkeys(KEYS, "old"))
        self.store.flush()
        self.region.is_out = True
        self.expected = {key: f"new value of {key}" for key in KEYS}
        for key in KEYS[:20]:
            self.store.put(key, self.expected[key])
        with suppress(UnavailableError):
            self.store.flush()
        for key in KEYS[20:]:
            self.store.put(key, self.expected[key])

    def open(self, folder):
        return wire(load(POLICY, folder), self.runtime, region=self.region)

    def files(self):
        """The content of each file of the journal, by name."""
        return {p.name: p.read_bytes() for p in (self.folder / "journal").iterdir()}


@contextmanager
def reopened(original, files, folder):
    """A store over `files`, which lets go of them without flushing."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "journal").mkdir(parents=True)
    for name, content in files.items():
        (folder / "journal" / name).write_bytes(content)
    store = original.open(folder)
    try:
        yield store
    finally:
        store._core.replica.abandon()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    original = Original(Path(tmp_path_factory.mktemp("original")))
    yield original
    original.store._core.replica.abandon()


@pytest.fixture(scope="module")
def crashed(original):
    """The files that a killed process leaves: most of the content is in the WAL."""
    return original.files()


@pytest.fixture(scope="module")
def settled(original, crashed, tmp_path_factory):
    """The same content, all of it in the main file."""
    folder = tmp_path_factory.mktemp("settled")
    with reopened(original, crashed, folder) as store:
        assert store.get(KEYS[0]) == original.expected[KEYS[0]]
    return {p.name: p.read_bytes() for p in (folder / "journal").iterdir()}


@pytest.fixture(scope="module")
def answers(original, tmp_path_factory):
    """What each key reads as over damaged files: a value, or the name of an error."""
    folder = tmp_path_factory.mktemp("damaged")

    def read_all(files):
        found = {}
        with reopened(original, files, folder) as store:
            for key in KEYS:
                try:
                    found[key] = store.get(key)
                except TierStoreError as error:
                    found[key] = error
                    if getattr(error, "object", None) and not error.key:
                        break  # the file as a whole is refused
        return found

    return read_all
