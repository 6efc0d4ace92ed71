"""Reading traces: CSV, plain or compressed with gzip or zstd, one request a row.

The first line is `timestamp_s,op,key,size_bytes,ttl_s`. Rows are sorted by time; keys have no
commas and nothing is quoted; `ttl_s` may be empty.
"""

from __future__ import annotations

import os
import zlib
from math import inf
from operator import le
from typing import IO, TYPE_CHECKING, TypeAlias

from tierstore.errors import InvalidKeyError, TierStoreError
from tierstore.keys import KEY_BYTES_MAX, check_key

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

GET, SET, DELETE = "get", "set", "delete"
HEADER = "timestamp_s,op,key,size_bytes,ttl_s"
SIZE_BYTES_MAX = (1 << 32) - 1
LINE_BYTES_MAX = 1 << 16
_BLOCK_BYTES = 1 << 18
_ZSTD_BLOCK_BYTES = 1 << 12  # bounds what one block of a hostile file can expand to
_OPS = {op: op for op in (GET, SET, DELETE)}
_COLUMNS = HEADER.count(",") + 1


class TraceError(TierStoreError):
    """A trace cannot be read or replayed; the message names the file and, where known, the line."""


Request: TypeAlias = tuple[float, str, str, int, "int | None"]
"""One row: seconds from the start of the trace, op, key, bytes of key and value, TTL in seconds.

Plain tuples, since making instances of a class took as long as all the rest of reading.
"""


def read_trace(
    path: str | os.PathLike[str], *, on_bad: Callable[[TraceError], object] | None = None
) -> Iterator[Request]:
    """The requests of a trace, in constant memory.

    A malformed row is told to `on_bad` and skipped. Raises TraceError for it without `on_bad`,
    and in any case for a file that is missing, damaged, cut short or has another header.
    """
    name = os.fsdecode(path)
    number, last_s, is_first = 1, -inf, True
    for lines in _lines(name):
        if is_first:
            _check_header(name, lines.pop(0))
            is_first, number = False, 2
        requests = _parse_sound(lines, last_s)
        if requests is not None:
            yield from requests
            last_s = float(lines[-1].partition(",")[0]) if lines else last_s
        else:
            last_s = yield from _parse_one_by_one(lines, last_s, name, number, on_bad)
        number += len(lines)
    if is_first:
        _check_header(name, "")


def _check_header(name: str, line: str) -> None:
    line = line.removeprefix("\ufeff")
    if line != HEADER:
        raise TraceError(f"{name}:1: the first line is {line[:80]!r}, expected {HEADER!r}")


def _parse_sound(lines: list[str], last_s: float) -> Iterator[Request] | None:
    """The requests of `lines`, a column at a time; None if any of them may be malformed."""
    flat = ",\n,".join(lines).split(",")
    breaks = flat[_COLUMNS :: _COLUMNS + 1]
    if len(flat) != len(lines) * (_COLUMNS + 1) - 1 or breaks != ["\n"] * (len(lines) - 1):
        return None
    time_texts, op_texts, keys, size_texts, ttl_texts = (
        flat[column :: _COLUMNS + 1] for column in range(_COLUMNS)
    )
    try:
        times = list(map(float, time_texts))
        ops = [_OPS[op] for op in op_texts]
        sizes = list(map(int, size_texts))
        ttls = [int(text) if text else None for text in ttl_texts] if any(ttl_texts) else []
    except (ValueError, KeyError):
        return None
    is_sound = (
        all(map(le, [last_s, *times], times))
        and (not times or -inf < times[0] <= times[-1] < inf)
        and _are_keys(keys)
        and 0 <= min(sizes, default=0) <= max(sizes, default=0) <= SIZE_BYTES_MAX
        and all(ttl_s is None or ttl_s > 0 for ttl_s in ttls)
    )
    ttls = ttls or [None] * len(lines)
    return zip(times, ops, keys, sizes, ttls, strict=True) if is_sound else None


def _parse_one_by_one(
    lines: list[str],
    last_s: float,
    name: str,
    number: int,
    on_bad: Callable[[TraceError], object] | None,
) -> Generator[Request, None, float]:
    """The sound requests of `lines`; returns the time of the last one."""
    for line_number, line in enumerate(lines, number):
        if (requests := _parse_sound([line], last_s)) is not None:
            for request in requests:
                last_s = request[0]
                yield request
            continue
        error = TraceError(f"{name}:{line_number}: {_fault(line, last_s)}")
        if on_bad is None:
            raise error
        on_bad(error)
    return last_s


def _fault(line: str, last_s: float) -> str:
    """What is wrong with a malformed row."""
    columns = line.split(",")
    if len(columns) != _COLUMNS:
        return f"{len(columns)} columns, expected {_COLUMNS} ({HEADER})"
    time_text, op, key, size_text, ttl_text = columns
    time_s = _number(float, time_text)
    if time_s is None or not -inf < time_s < inf:
        return f"timestamp_s: expected seconds, got {time_text[:40]!r}"
    if time_s < last_s:
        return f"timestamp_s: {time_text} is before the row above ({last_s:g}); rows go by time"
    if op not in _OPS:
        return f"op: expected one of {', '.join(_OPS)}, got {op[:40]!r}"
    if not _is_key(key):
        return f"key: expected 1 to {KEY_BYTES_MAX} bytes of UTF-8, got {key[:40]!r}"
    size_bytes = _number(int, size_text)
    if size_bytes is None or not 0 <= size_bytes <= SIZE_BYTES_MAX:
        return f"size_bytes: expected 0 to {SIZE_BYTES_MAX}, got {size_text[:40]!r}"
    return f"ttl_s: expected whole seconds above zero or nothing, got {ttl_text[:40]!r}"


def _number(kind: Callable[[str], float], text: str) -> float | None:
    try:
        return kind(text)
    except ValueError:
        return None


def _are_keys(keys: list[str]) -> bool:
    lengths = list(map(len, keys))
    if min(lengths, default=1) > 0 and max(lengths, default=1) <= KEY_BYTES_MAX:
        return "".join(keys).isascii() or all(map(_is_key, keys))
    return False


def _is_key(key: str) -> bool:
    try:
        check_key(key)
    except InvalidKeyError:
        return False
    return True


def _lines(name: str) -> Iterator[list[str]]:
    """The lines of a file, some at a time.

    Bytes that are not UTF-8 become lone surrogates, which no key has.
    """
    rest, number = b"", 0
    blocks = _blocks(name)
    while (block := _next_block(blocks, name, number)) is not None:
        whole, newline, tail = block.rpartition(b"\n")
        if newline:
            lines = _split(rest + whole)
            number += len(lines)
            yield lines
            rest = tail
        else:
            rest += block
        if len(rest) > LINE_BYTES_MAX:
            raise TraceError(f"{name}:{number + 1}: a line longer than {LINE_BYTES_MAX} bytes")
    if rest:
        yield _split(rest)


def _next_block(blocks: Iterator[bytes], name: str, number: int) -> bytes | None:
    try:
        return next(blocks, None)
    except (OSError, EOFError, zlib.error) as exc:
        reason = getattr(exc, "strerror", None) or exc
        where = f"after line {number}" if number else "at all"
        raise TraceError(f"{name}: cannot be read {where}: {reason}") from exc


def _split(block: bytes) -> list[str]:
    if b"\r" in block:
        block = block.replace(b"\r\n", b"\n").removesuffix(b"\r")
    return block.decode("utf-8", "surrogateescape").split("\n")


def _blocks(name: str) -> Iterator[bytes]:
    with open(name, "rb") as file:
        if name.endswith(".gz"):
            import gzip

            with gzip.GzipFile(fileobj=file) as plain:
                yield from iter(lambda: plain.read(_BLOCK_BYTES), b"")
        elif name.endswith(".zst"):
            yield from _zstd_blocks(file)
        else:
            yield from iter(lambda: file.read(_BLOCK_BYTES), b"")


def _zstd_blocks(file: IO[bytes]) -> Iterator[bytes]:
    """What the frames of a zstd file contain. Raises EOFError if one is damaged or cut short."""
    import zstandard

    frame = None
    unread = file.read(_ZSTD_BLOCK_BYTES)
    while unread:
        frame = frame or zstandard.ZstdDecompressor().decompressobj()
        try:
            block = frame.decompress(unread)
        except zstandard.ZstdError as exc:
            raise EOFError(str(exc)) from exc
        if block:
            yield block
        unread, frame = (frame.unused_data, None) if frame.eof else (b"", frame)
        unread = unread or file.read(_ZSTD_BLOCK_BYTES)
    if frame is not None:
        raise EOFError("compressed file ended before the end of its last frame")
