"""The cold tier on S3: the verbs of an `ObjectTier`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import InvalidArgumentError
from tierstore.region.capabilities import Capabilities
from tierstore.region.deadline import Deadline
from tierstore.region.objects import check_name, check_prefix
from tierstore.region.probing import KNOWN, PROBE, Probing
from tierstore.region.refusals import refusal_of
from tierstore.region.requests import Refusal
from tierstore_s3.checksums import crc_of
from tierstore_s3.errors import NO_UPLOAD
from tierstore_s3.listing import list_page, parse_leftover
from tierstore_s3.location import parse_location
from tierstore_s3.reading import Reader
from tierstore_s3.session import Session
from tierstore_s3.uploads import IF_ABSENT, Upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.region.objects import ByteRange, Listing
    from tierstore.runtime import Runtime

DELETED_AT_ONCE = 1000  # S3 takes no more names in one request


class S3Objects:
    """A cold tier in a bucket: `s3://bucket/prefix?endpoint_url=…&region=…&sse=…`.

    Constructing it asks nobody; clients are made at the first call, and anew in a forked child.
    `base_dir` is not used. Raises PolicyError for a malformed `url`.
    """

    capabilities = Capabilities(ordered_scan=True)
    """Conditional puts are used where the server honours them, but are not promised: see `told`."""

    def __init__(self, url: str, *, runtime: Runtime, base_dir: str) -> None:
        self._runtime = runtime
        self._session = Session(parse_location(url), runtime)
        self._probing = Probing(runtime, self._put_probe, self._delete_probe)

    def __repr__(self) -> str:
        return f"S3Objects({str(self._session.location)!r})"

    def told(self) -> str:
        """What was found out about the server, in words; empty before the first put."""
        return self._probing.told()

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Write a new object of these parts, whole and durable when this returns."""
        Upload(self._session, self._probing, name, Deadline(self._runtime, timeout_s)).run(parts)

    def read(self, name: str, ranges: Sequence[ByteRange], timeout_s: float) -> list[bytes]:
        """The bytes of each range, in the order asked for."""
        check_name(name)
        return Reader(self._session, name, Deadline(self._runtime, timeout_s)).read(ranges)

    def stream(self, name: str, timeout_s: float) -> Iterator[bytes]:
        """The whole object in chunks of 1 to `CHUNK_BYTES_MAX` bytes."""
        check_name(name)
        yield from Reader(self._session, name, Deadline(self._runtime, timeout_s)).stream()

    def delete(self, names: Sequence[str], timeout_s: float) -> None:
        """Remove objects and leftovers; those that are gone already count as removed."""
        deadline = Deadline(self._runtime, timeout_s)
        leftovers = [left for name in names if (left := parse_leftover(name))]
        objects = [name for name in names if not parse_leftover(name)]
        for name in objects:
            check_name(name)
        for start in range(0, len(objects), DELETED_AT_ONCE):
            self._delete_objects(objects[start : start + DELETED_AT_ONCE], deadline)
        for name, upload_id in leftovers:
            self._abort(name, upload_id, deadline)

    def list(self, prefix: str, after: str, limit: int, timeout_s: float) -> Listing:
        """The next `limit` names that begin with `prefix` and come after `after`."""
        check_prefix(prefix)
        if limit < 1:
            raise InvalidArgumentError("a page has room for one name at least")
        return list_page(self._session, prefix, after, limit, Deadline(self._runtime, timeout_s))

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._session.close()

    def _delete_objects(self, names: Sequence[str], deadline: Deadline) -> None:
        session = self._session
        named = [{"Key": session.key(name)} for name in dict.fromkeys(names)]
        answer = session.ask("delete_objects", deadline, Delete={"Objects": named, "Quiet": True})
        for refused in answer.get("Errors", []):
            raise session.translated(refusal_of(refused.get("Code", "")))

    def _abort(self, name: str, upload_id: str, deadline: Deadline) -> None:
        session = self._session
        try:
            session.ask(
                "abort_multipart_upload",
                deadline,
                {NO_UPLOAD},
                Key=session.key(name),
                UploadId=upload_id,
            )
        except Refusal:
            return  # it is gone already

    def _put_probe(self, name: str, deadline: Deadline) -> None:
        session = self._session
        session.ask(
            "put_object",
            deadline,
            KNOWN,
            Key=session.key(name),
            Body=PROBE,
            ChecksumCRC32=crc_of(PROBE),
            **IF_ABSENT,
            **session.location.encryption,
        )

    def _delete_probe(self, name: str, deadline: Deadline) -> None:
        self._session.ask("delete_object", deadline, Key=self._session.key(name))
