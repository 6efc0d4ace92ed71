"""Putting: one request for what is small, parts for what is not, and never half of an object.

Each put carries a token of its own with the object. When an answer got lost and the repetition is
told that the name is taken, the token tells whether it is taken by this very put.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any
from zlib import crc32

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.region.deadline import Deadline
from tierstore.region.labels import CHECKSUM, checksum_of
from tierstore.region.objects import ObjectExistsError, check_name
from tierstore.region.refusals import BEYOND_END, MISSING, TAKEN
from tierstore.region.requests import Refusal
from tierstore_s3.checksums import PART_BYTES, crc_of
from tierstore_s3.errors import NO_UPLOAD

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tierstore.region.probing import Probing
    from tierstore_s3.session import Session

ABORT_S = 1.0
"""How long a put that failed may take beyond its time to take back its parts."""
MARK = "tierstore-put"
"""Under which the token of a put stands in the metadata of its object."""
TOKEN_BYTES = 8
IF_ABSENT = {"IfNoneMatch": "*"}
EMPTY: Mapping[str, str] = {}


class Upload:
    """One put of one name."""

    def __init__(self, session: Session, probing: Probing, name: str, deadline: Deadline) -> None:
        self._session = session
        self._probing = probing
        self._name = name
        self._parsed = check_name(name)
        self._key = session.key(name)
        self._deadline = deadline
        self._token = session.runtime.random_bytes(TOKEN_BYTES).hex()

    def run(self, parts: Iterable[bytes]) -> None:
        """Write the object. Raises what `ObjectTier.put` does."""
        pieces = _pieces(parts, self._deadline)
        first, second = next(pieces, b""), next(pieces, None)
        if second is None:
            self._send_whole(first)
        else:
            self._send_parts(chain((first, second), pieces))

    def _send_whole(self, body: bytes) -> None:
        condition = self._condition()
        try:
            self._session.ask(
                "put_object",
                self._deadline,
                {TAKEN},
                Key=self._key,
                Body=body,
                ChecksumCRC32=crc_of(body),
                **condition,
                **self._labels({CHECKSUM: checksum_of(crc32(body))}),
            )
        except Refusal as refusal:
            self._require_own(refusal)

    def _send_parts(self, pieces: Iterable[bytes]) -> None:
        session = self._session
        begun = session.ask(
            "create_multipart_upload",
            self._deadline,
            Key=self._key,
            ChecksumAlgorithm="CRC32",
            **self._labels(),
        )
        where = {"Key": self._key, "UploadId": begun["UploadId"]}
        try:
            sent = [self._send_part(where, *numbered) for numbered in enumerate(pieces, 1)]
            self._complete(where, sent)
        except OutcomeUnknownError:
            raise  # the object may be there; if not, its parts are found by a listing
        except BaseException:
            with suppress(Exception):
                last = Deadline(session.runtime, ABORT_S)
                session.ask("abort_multipart_upload", last, {NO_UPLOAD}, **where)
            raise

    def _send_part(self, where: dict[str, str], number: int, body: bytes) -> dict[str, Any]:
        crc = crc_of(body)
        answer = self._session.ask(
            "upload_part",
            self._deadline,
            **where,
            PartNumber=number,
            Body=body,
            ChecksumCRC32=crc,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": crc}

    def _complete(self, where: dict[str, str], sent: list[dict[str, Any]]) -> None:
        condition = self._condition()
        try:
            self._session.ask(
                "complete_multipart_upload",
                self._deadline,
                {TAKEN, NO_UPLOAD},
                **where,
                MultipartUpload={"Parts": sent},
                **condition,
            )
        except Refusal as refusal:
            if refusal.code == NO_UPLOAD and not refusal.is_in_doubt:
                raise UnavailableError(
                    f"{self._session.place}: the parts of {self._name} were deleted meanwhile"
                ) from refusal
            self._require_own(refusal)

    def _condition(self) -> dict[str, str]:
        if self._probing.is_honoured(self._parsed, self._deadline):
            return IF_ABSENT
        self._require_absent()
        return {}

    def _require_absent(self) -> None:
        """Refuse a name that is taken where the server does not: not by two puts at once."""
        session = self._session
        try:
            found = session.ask(
                "get_object",
                self._deadline,
                {MISSING, BEYOND_END},
                Key=self._key,
                Range="bytes=0-0",
            )
            found["Body"].close()
        except Refusal as refusal:
            if refusal.code == MISSING:
                return
        raise self._taken()

    def _require_own(self, refusal: Refusal) -> None:
        """Return if what has the name is what this put wrote, in an attempt without an answer."""
        if not refusal.is_in_doubt:
            raise self._taken() from refusal
        try:
            found = self._session.ask("head_object", self._deadline, {"404"}, Key=self._key)
        except (UnavailableError, Refusal) as error:
            raise OutcomeUnknownError(
                f"{self._session.place}: whether {self._name} was written is not known"
            ) from error
        if found.get("Metadata", {}).get(MARK) != self._token:
            raise self._taken() from refusal
        self._session.runtime.sometimes("put recognised after a lost answer")

    def _labels(self, others: Mapping[str, str] = EMPTY) -> dict[str, Any]:
        return {"Metadata": {MARK: self._token, **others}, **self._session.location.encryption}

    def _taken(self) -> ObjectExistsError:
        return ObjectExistsError(f"there is an object {self._name} already")


def _pieces(parts: Iterable[bytes], deadline: Deadline) -> Iterator[bytes]:
    """The bytes of `parts`, `PART_BYTES` at a time; the last may have fewer, none is empty."""
    waiting: list[bytes] = []
    size_bytes = 0
    for part in parts:
        deadline.remaining_s()
        waiting.append(part)
        size_bytes += len(part)
        if size_bytes >= PART_BYTES:
            whole = b"".join(waiting)
            full_bytes = size_bytes - size_bytes % PART_BYTES
            for start in range(0, full_bytes, PART_BYTES):
                yield whole[start : start + PART_BYTES]
            waiting, size_bytes = [whole[full_bytes:]], size_bytes - full_bytes
    if size_bytes:
        yield b"".join(waiting)
