"""Reading: near ranges by one request, far ones at once; a stream goes on where it broke."""

from __future__ import annotations

import re
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from tierstore.errors import CorruptionError, TierStoreError, UnavailableError
from tierstore.region.objects import CHUNK_BYTES_MAX, ObjectMissingError
from tierstore.region.refusals import BEYOND_END, MISSING, TAKEN
from tierstore.region.requests import ATTEMPTS_MAX, Refusal
from tierstore.region.spans import cut_apart, join_near
from tierstore.region.together import run_together
from tierstore_s3.checksums import PartsCheck
from tierstore_s3.errors import DAMAGED, DRIVER_ERRORS, failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.region.deadline import Deadline
    from tierstore.region.objects import ByteRange
    from tierstore.region.spans import Span
    from tierstore_s3.session import Session

PIECE_BYTES = 16 << 10
"""Between two looks at the clock."""
REQUESTS_MAX = 8
"""Requests of one read that are under way at once."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Reader:
    """Reads of one object."""

    def __init__(self, session: Session, name: str, deadline: Deadline) -> None:
        self._session = session
        self._name = name
        self._key = session.key(name)
        self._deadline = deadline

    def read(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        """The bytes of each range. Raises what `ObjectTier.read` does."""
        spans = join_near(ranges)
        if any(not asked.length for asked in ranges) or not spans:
            self._require_bytes(max((asked.end for asked in ranges), default=0))
        jobs = [partial(self._fetch, span) for span in spans]
        fetched = run_together(jobs, self._session.runtime, REQUESTS_MAX, self._deadline)
        return cut_apart(ranges, spans, fetched)

    def stream(self) -> Iterator[bytes]:
        """The object in chunks. Raises what `ObjectTier.stream` does."""
        answer = self._open()
        etag, check = answer["ETag"], _parts_check(answer)
        total_bytes, passed_bytes, failures = answer["ContentLength"], 0, 0
        while True:
            try:
                for chunk in self._chunks(answer):
                    passed_bytes += len(chunk)
                    check.update(chunk)
                    yield chunk
                break
            except TierStoreError:  # a deadline is a TimeoutError, and that an OSError
                raise
            except DRIVER_ERRORS as error:
                failures += 1
                self._tolerate(error, failures)
            if passed_bytes >= total_bytes:
                break
            answer = self._open(Range=f"bytes={passed_bytes}-", IfMatch=etag)
        if check.is_wrong():
            raise self._damaged()

    def _chunks(self, answer: Any) -> Iterator[bytes]:
        with closing(answer["Body"]) as body:
            while chunk := self._take(body, CHUNK_BYTES_MAX):
                yield chunk

    def _fetch(self, span: Span) -> bytes:
        for failures in range(1, ATTEMPTS_MAX + 1):
            answer = self._open(Range=f"bytes={span.start}-{span.end - 1}")
            try:
                with closing(answer["Body"]) as body:
                    self._check_range(answer, span)
                    content = self._take(body, span.end - span.start + 1)
                if len(content) == span.end - span.start:
                    return content
                raise EOFError  # fewer bytes than were announced, which not every driver notices
            except TierStoreError:
                raise
            except (*DRIVER_ERRORS, EOFError) as error:
                self._tolerate(error, failures)
        raise AssertionError("the last attempt returns or raises")

    def _take(self, body: Any, bytes_max: int) -> bytes:
        """The next of `body`, fewer at its end. A socket's own timeout begins anew with each byte.

        Reading up to the end, and no further, lets the driver check what it knows of the whole.
        """
        pieces = []
        while bytes_max and (piece := body.read(min(PIECE_BYTES, bytes_max))):
            self._deadline.remaining_s()
            pieces.append(piece)
            bytes_max -= len(piece)
        return b"".join(pieces)

    def _require_bytes(self, size_bytes: int) -> None:
        """Raise unless the object is there and has this many bytes."""
        try:
            answer = self._open(Range="bytes=0-0")
        except CorruptionError:  # it has no first byte
            if size_bytes:
                raise
            return
        answer["Body"].close()
        if _total_bytes(answer) < size_bytes:
            raise self._short()

    def _open(self, **how: str) -> Any:
        """The answer to a GET, whose body is still to be read."""
        mode = {} if how else {"ChecksumMode": "ENABLED"}
        codes = {MISSING, BEYOND_END, TAKEN}
        try:
            return self._session.ask(
                "get_object", self._deadline, codes, Key=self._key, **mode, **how
            )
        except Refusal as refusal:
            if refusal.code == MISSING:
                raise ObjectMissingError(f"there is no object {self._name}") from refusal
            raise self._short() from refusal

    def _check_range(self, answer: Any, span: Span) -> None:
        """Raise unless the body of `answer` is going to be the bytes of `span`."""
        if _total_bytes(answer) < span.end:
            raise self._short()
        match = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
        is_whole = match is None and (span.start, span.end) == (0, answer["ContentLength"])
        if not is_whole and (match is None or int(match[1]) != span.start):
            raise UnavailableError(f"{self._session.place}: it does not answer ranges of bytes")

    def _tolerate(self, error: BaseException, failures: int) -> None:
        """Return, after a pause, if reading on may help after `error`."""
        failure = failure_of(error)
        if failure.code == DAMAGED:
            raise self._damaged() from error
        if failures >= ATTEMPTS_MAX or not failure.is_retried:
            raise self._session.translated(failure) from error
        self._session.pause(failures - 1, self._deadline)

    def _short(self) -> CorruptionError:
        text = f"object {self._name} is shorter than it was"
        return CorruptionError(text, tier="cold", object=self._name)

    def _damaged(self) -> CorruptionError:
        text = f"object {self._name} fails its checksum"
        return CorruptionError(text, tier="cold", object=self._name)


class _NoCheck:
    """Nothing is left to check: the driver does it, or the server keeps no checksum."""

    def update(self, chunk: bytes) -> None:
        pass

    def is_wrong(self) -> bool:
        return False


def _parts_check(answer: Any) -> PartsCheck | _NoCheck:
    expected = answer.get("ChecksumCRC32", "")
    return PartsCheck(expected) if "-" in expected else _NoCheck()


def _total_bytes(answer: Any) -> int:
    match = _CONTENT_RANGE.fullmatch(answer.get("ContentRange", ""))
    return int(match[2] if match else answer["ContentLength"])
