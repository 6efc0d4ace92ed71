"""Segments: how records lie in objects, many small ones in one or a large one alone.

`split` says which records go together, `pack_segment` and `pack_value` make the bytes and the
pointers, `verify` reads an object back, `read_index` finds what an object holds without a
directory. `tierstore.tiers.cold` reads payloads by pointer. Nothing here writes or deletes.
"""

from __future__ import annotations

from tierstore.tiers.segments.index import IndexEntry, read_index
from tierstore.tiers.segments.packed import Packed
from tierstore.tiers.segments.segment import (
    RECORD_BYTES_MAX,
    SEGMENT_RECORDS_MAX,
    pack_segment,
    split,
)
from tierstore.tiers.segments.value import pack_value
from tierstore.tiers.segments.verify import verify

__all__ = [
    "RECORD_BYTES_MAX",
    "SEGMENT_RECORDS_MAX",
    "IndexEntry",
    "Packed",
    "pack_segment",
    "pack_value",
    "read_index",
    "split",
    "verify",
]
