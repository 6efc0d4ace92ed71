"""Object tiers of both kinds, with ways to read and damage them past their own methods."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tierstore.record import ELSEWHERE, Record
from tierstore.region.objects import SEGMENT, VALUE, mint_name
from tierstore.region.pointer import encode_pointer
from tierstore.region.rows import Row
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryObjects
from tierstore.tiers.cold import ColdReader
from tierstore.tiers.files import FileObjects
from tierstore.tiers.segments import pack_segment, pack_value

REGION = "00c0ffee00c0ffee"
TIMEOUT_S = 5.0


class Bench:
    """A cold tier, and what tests do with it all the time."""

    def __init__(self, objects, runtime):
        self.objects = objects
        self.runtime = runtime
        self.reader = ColdReader(objects, runtime=runtime)

    def mint(self, kind=SEGMENT, region=REGION):
        return mint_name(self.runtime, region, 1, kind)

    def put_segment(self, records):
        """(The name of a segment of `records`, the rows that point into it)."""
        packed = pack_segment(self.mint(), list(records.items()))
        self.objects.put(packed.name, packed.parts, TIMEOUT_S)
        return packed.name, rows_of(packed, records)

    def put_value(self, key, record):
        """(The name of the object of one value, the row that points at it)."""
        packed = pack_value(self.mint(VALUE), key, record)
        self.objects.put(packed.name, packed.parts, TIMEOUT_S)
        return packed.name, rows_of(packed, {key: record})

    def read(self, rows):
        return self.reader.read(rows, TIMEOUT_S)

    def peek(self, name):
        """The bytes of an object, read around the tier."""
        if isinstance(self.objects, MemoryObjects):
            return self.objects.blobs[name]
        return Path(self.objects.path, name).read_bytes()

    def plant(self, name, content):
        """Write any bytes under any name, around the tier."""
        if isinstance(self.objects, MemoryObjects):
            self.objects.blobs[name] = content
            return
        path = Path(self.objects.path, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def names(self):
        """Every name that is there, however it looks."""
        if isinstance(self.objects, MemoryObjects):
            return set(self.objects.blobs)
        root = self.objects.path
        found = (Path(folder, file) for folder, _, files in os.walk(root) for file in files)
        return {str(path.relative_to(root)) for path in found}


def rows_of(packed, records):
    """The rows that a mover would write for these records."""
    return {key: row_of(key, records[key], pointer) for key, pointer in packed.pointers.items()}


def row_of(key, record, pointer):
    fields = {name: getattr(record, name) for name in Record.__slots__}
    fields["payload"] = None if record.payload is None else ELSEWHERE
    return Row(key, Record(**fields), cold=encode_pointer(pointer))


@pytest.fixture
def runtime():
    return ManualRuntime(seed=3)


@pytest.fixture(params=["file", "memory"])
def bench(request, runtime, tmp_path):
    yield from _bench(request.param, runtime, tmp_path)


@pytest.fixture
def files(runtime, tmp_path):
    yield from _bench("file", runtime, tmp_path)


@pytest.fixture
def memory(runtime, tmp_path):
    yield from _bench("memory", runtime, tmp_path)


@pytest.fixture(scope="session")
def bench_of():
    """Makes a `Bench` of some objects, for tests that need many."""
    return lambda objects: Bench(objects, ManualRuntime(seed=4))


def _bench(kind, runtime, tmp_path):
    if kind == "memory":
        objects = MemoryObjects()
    else:
        objects = FileObjects("file:data/cold", runtime=runtime, base_dir=str(tmp_path))
    bench = Bench(objects, runtime)
    yield bench
    bench.objects.close()
