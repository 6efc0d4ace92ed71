"""What stands with an object, as metadata that every client of a bucket finds.

The names are words that every store takes for one.
"""

from __future__ import annotations

CHECKSUM = "tierstorecrc32"
"""The CRC-32 of all bytes of an object that was put in one piece, as `checksum_of` writes it."""


def checksum_of(crc: int) -> str:
    """A CRC-32 as it stands with an object."""
    return f"{crc:08x}"
