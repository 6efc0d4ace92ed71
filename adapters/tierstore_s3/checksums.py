"""CRC-32 as S3 writes it, of one body and of one that was sent in parts.

What S3 keeps of an upload in parts is the CRC-32 of the parts' CRC-32s, and how many they were
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
"""

from __future__ import annotations

from base64 import b64encode
from zlib import crc32

PART_BYTES = 8 << 20
"""How much one part of an upload has, but the last. Below it an object is sent at once."""


def encode_crc(number: int) -> str:
    """A CRC-32 as it stands in a header."""
    return b64encode(number.to_bytes(4, "big")).decode()


def crc_of(content: bytes) -> str:
    """The CRC-32 of `content` as it stands in a header."""
    return encode_crc(crc32(content))


class PartsCheck:
    """The checksum of an object in parts of `PART_BYTES`, made while its bytes come by."""

    def __init__(self, expected: str) -> None:
        self._expected = expected
        self._parts = bytearray()
        self._crc = 0
        self._filled = 0

    def update(self, chunk: bytes) -> None:
        """Take the next bytes of the object."""
        rest = memoryview(chunk)
        while rest:
            taken = rest[: PART_BYTES - self._filled]
            self._crc = crc32(taken, self._crc)
            self._filled += len(taken)
            rest = rest[len(taken) :]
            if self._filled == PART_BYTES:
                self._end_part()

    def is_wrong(self) -> bool:
        """Whether the object differs from what was sent. Call it once, after the last bytes.

        An object whose number of parts is another was not sent by this adapter: it is not judged.
        """
        if self._filled:
            self._end_part()
        found = f"{crc_of(bytes(self._parts))}-{len(self._parts) // 4}"
        has_other_parts = found.partition("-")[2] != self._expected.partition("-")[2]
        return not has_other_parts and found != self._expected

    def _end_part(self) -> None:
        self._parts += self._crc.to_bytes(4, "big")
        self._crc = self._filled = 0
