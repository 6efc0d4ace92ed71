"""Zstandard frames that say how large they are inside, so that reading one is bounded.

Each carries the checksum of its content. Format: RFC 8878, section 3.1.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError

try:
    import zstandard
except ImportError as exc:
    raise UnavailableError(
        "zstandard is not installed, which the cold tier needs: pip install zstandard"
    ) from exc

if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | memoryview

LEVEL = 3
"""Above it, compressing takes longer than it saves: docs/decisions/0006."""
OVERHEAD_BYTES_MAX = 1024
"""How much longer a frame can be than a content of up to 1 MiB: RFC 8878, raw blocks."""


class DamagedError(Exception):
    """Bytes are not what was written. The text goes on from "object NAME …"."""


class Compressor:
    """Makes frames; for one thread at a time."""

    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress

    def compress(self, raw: Buffer) -> bytes:
        """The frame of `raw`."""
        return self._compress(raw)


class Decompressor:
    """Opens frames; for one thread at a time."""

    def __init__(self) -> None:
        self._decompress = zstandard.ZstdDecompressor().decompress

    def decompress(self, frame: Buffer, raw_bytes_max: int) -> bytes:
        """The content of a frame, of at most `raw_bytes_max` bytes and at least one.

        Raises DamagedError, before memory is taken, for a frame that declares more or nothing.
        """
        try:
            declared = zstandard.get_frame_parameters(frame).content_size
            if not 0 < declared <= raw_bytes_max:
                raise DamagedError("declares a size that its content cannot have")
            return self._decompress(frame, allow_extra_data=False)
        except zstandard.ZstdError as exc:
            raise DamagedError("fails its checksum") from exc
