"""Fingerprints of rows: the same in every adapter, so that regions of any kind can be compared.

The exclusive or of one hash for each row, of its key and of what tells its version, laid out as
`_VERSION`. A row's version tells its content, whether that lies in the row or in an object.
"""

from __future__ import annotations

from hashlib import md5
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierstore.region.rows import Row

# A stored format: adapters keep these bytes at the head of a row's, and hash them in the server.
# type, consistency, generation, stamp, replica, touch, expires_at_ms or -1
_VERSION = Struct("<BB5q")
VERSION_BYTES = _VERSION.size
HASH_BYTES = 8
_NO_EXPIRY = -1


def version_bytes(row: Row) -> bytes:
    """What of a row its fingerprint covers beside the key, `VERSION_BYTES` long."""
    record = row.record
    expires_at_ms = _NO_EXPIRY if record.expires_at_ms is None else record.expires_at_ms
    return _VERSION.pack(
        record.type, row.consistency, record.generation, record.stamp, record.replica,
        record.touch, expires_at_ms,
    )  # fmt: skip


def hash_version(key: bytes, version: bytes) -> int:
    """The hash of one row. Against accidents: whoever wants a collision can make one."""
    hashed = md5(key + version, usedforsecurity=False).digest()
    return int.from_bytes(hashed[:HASH_BYTES], "big")
