"""Traces written by tests."""

from __future__ import annotations

import gzip

import pytest
import zstandard

from tierstore.trace.reader import HEADER


@pytest.fixture
def write_trace(tmp_path):
    """`write_trace(rows, name)` makes a trace of rows, each a str or a tuple; returns its path."""

    def write(rows, name="trace.csv", end="\n"):
        lines = [HEADER, *(r if isinstance(r, str) else ",".join(map(str, r)) for r in rows)]
        data = "".join(line + end for line in lines).encode("utf-8", "surrogateescape")
        if name.endswith(".gz"):
            data = gzip.compress(data)
        elif name.endswith(".zst"):
            data = zstandard.ZstdCompressor().compress(data)
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def mixed_rows():
    """`mixed_rows()`: reads and writes of some keys, which all replicas touch."""

    def make(count=600, keys=61, size=80, ttl=""):
        ops = ["get", "get", "set", "get", "get", "get", "get"]
        return [
            (number // 8, ops[number * 5 % 7], f"key/{number * 31 % keys}", size + number % 9, ttl)
            for number in range(count)
        ]

    return make
