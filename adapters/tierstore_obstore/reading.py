"""Reading: near ranges by one request, far ones at once; a stream goes on where it broke."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from tierstore.errors import CorruptionError
from tierstore.region.labels import CHECKSUM, checksum_of
from tierstore.region.objects import CHUNK_BYTES_MAX, ObjectMissingError
from tierstore.region.refusals import BEYOND_END, MISSING, NOT_FOUND, TAKEN
from tierstore.region.requests import ATTEMPTS_MAX, Refusal
from tierstore.region.spans import cut_apart, join_near
from tierstore_obstore.errors import SILENT, RequestFailed
from tierstore_obstore.library import leave_alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierstore.region.deadline import Deadline
    from tierstore.region.objects import ByteRange
    from tierstore.region.spans import Span
    from tierstore_obstore.session import Session
    from tierstore_obstore.stores import Client

T = TypeVar("T")

REQUESTS_MAX = 8
"""Requests of one read that are under way at once."""
_KNOWN = {MISSING, BEYOND_END, TAKEN}


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
        fetched: list[bytes] = []
        for start in range(0, len(spans), REQUESTS_MAX):
            fetched += self._ask(partial(self._fetch, spans[start : start + REQUESTS_MAX]))
        return cut_apart(ranges, spans, fetched)

    def stream(self) -> Iterator[bytes]:
        """The object in chunks. Raises what `ObjectTier.stream` does."""
        opened = self._open()
        total_bytes, passed_bytes, crc = opened.meta["size"], 0, 0
        expected = opened.attributes.get(CHECKSUM)
        same = {"if_match": opened.meta["e_tag"]} if opened.meta["e_tag"] else {}
        failures, process_id = 0, self._session.runtime.process_id()
        while True:
            try:
                for chunk in self._chunks(opened, process_id):
                    passed_bytes += len(chunk)
                    crc = crc32(chunk, crc)
                    yield chunk
                break
            except RequestFailed as error:
                failures += 1
                failed = error.failure
            if passed_bytes >= total_bytes:
                break
            if failures >= ATTEMPTS_MAX or not failed.is_retried:
                raise self._session.requests.translated(failed)
            self._session.requests.pause(failures - 1, self._deadline)
            opened = self._open(range={"offset": passed_bytes}, **same)
            process_id = self._session.runtime.process_id()
        if passed_bytes < total_bytes:
            raise self._short()
        if expected not in (None, checksum_of(crc)):
            raise self._damaged()

    def _chunks(self, opened: Any, process_id: int) -> Iterator[bytes]:
        """What `opened` brings, in the process that opened it."""
        pieces = iter(opened.stream(min_chunk_size=CHUNK_BYTES_MAX))
        while True:
            if self._session.runtime.process_id() != process_id:
                leave_alone(pieces)
                raise RequestFailed(SILENT)
            piece = self._session.attempt(lambda: next(pieces, None))
            if piece is None:
                return
            view = memoryview(piece)
            for start in range(0, len(view), CHUNK_BYTES_MAX):
                self._deadline.remaining_s()
                yield bytes(view[start : start + CHUNK_BYTES_MAX])

    def _fetch(self, spans: Sequence[Span], client: Client) -> list[bytes]:
        """The bytes of each span, by as many requests at once, which obstore makes by itself."""
        found = client.library.get_ranges(
            client.store,
            self._key,
            starts=[span.start for span in spans],
            ends=[span.end for span in spans],
            coalesce=0,
        )
        contents: list[bytes] = [each.to_bytes() for each in found]
        for span, content in zip(spans, contents, strict=True):
            if len(content) < span.end - span.start:
                if self._size_bytes(client) < span.end:
                    raise self._short()
                raise RequestFailed(SILENT)
        return contents

    def _size_bytes(self, client: Client) -> int:
        found = client.library.get(client.store, self._key, options={"head": True})
        return int(found.meta["size"])

    def _require_bytes(self, size_bytes: int) -> None:
        """Raise unless the object is there and has this many bytes."""
        try:
            found_bytes = self._session.ask(
                self._size_bytes, self._deadline, {MISSING, str(NOT_FOUND)}
            )
        except Refusal:  # of which place says only an answer with a body
            found_bytes = int(self._open().meta["size"])
        if found_bytes < size_bytes:
            raise self._short()

    def _open(self, **options: Any) -> Any:
        """The answer to a GET, whose body is still to be read."""
        return self._ask(
            lambda client: client.library.get(client.store, self._key, options=options)
        )

    def _ask(self, verb: Callable[[Client], T]) -> T:
        try:
            return self._session.ask(verb, self._deadline, _KNOWN)
        except Refusal as refusal:
            if refusal.code == MISSING:
                raise ObjectMissingError(f"there is no object {self._name}") from refusal
            raise self._short() from refusal

    def _short(self) -> CorruptionError:
        text = f"object {self._name} is shorter than it was"
        return CorruptionError(text, tier="cold", object=self._name)

    def _damaged(self) -> CorruptionError:
        text = f"object {self._name} fails its checksum"
        return CorruptionError(text, tier="cold", object=self._name)
