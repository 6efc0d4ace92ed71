"""Fingerprints of rows, from their keys and headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.region.fingerprints import HASH_BYTES, VERSION_BYTES, hash_version
from tierstore_sql.rows import decode_key

if TYPE_CHECKING:
    from collections.abc import Iterable

DIGEST_MAX = (1 << 8 * HASH_BYTES) - 1


@dataclass(frozen=True, slots=True)
class Digest:
    """A page of rows in a few bytes."""

    count: int
    digest: int
    """Without sign."""
    next_key: bytes | None
    """The first key after the page, if there is one."""


def digest_rows(found: Iterable[tuple[bytes, bytes]], limit: int) -> Digest:
    """Of the first `limit` pairs of key and header. A damaged header counts as what it says."""
    count = digest = 0
    for key, header in found:
        if count == limit:
            return Digest(count, digest, key)
        decode_key(key)  # a key that is none is refused here
        digest ^= hash_version(key, header[:VERSION_BYTES])
        count += 1
    return Digest(count, digest, None)
