"""Putting: every object in one request, so that there is never half of one.

obstore can neither list nor end uploads in parts that were cut off, so none is begun. Each put
carries a token of its own with the object. When an answer got lost and the repetition is told that
the name is taken, the token tells whether it is taken by this very put.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zlib import crc32

from tierstore.errors import OutcomeUnknownError, UnavailableError, ValueTooLargeError
from tierstore.region.labels import CHECKSUM, checksum_of
from tierstore.region.objects import ObjectExistsError, check_name
from tierstore.region.refusals import MISSING, NOT_FOUND, TAKEN
from tierstore.region.requests import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tierstore.region.deadline import Deadline
    from tierstore.region.probing import Probing
    from tierstore_obstore.session import Session
    from tierstore_obstore.stores import Client

VALUE_BYTES_MAX = 256 << 20
"""An object is in memory as a whole while it is put."""
OBJECT_BYTES_MAX = VALUE_BYTES_MAX + (8 << 20)
"""What an object has besides the value in it is far less than that."""
MARK = "tierstoreput"
"""Under which the token of a put stands with its object."""
TOKEN_BYTES = 8


def put_request(
    session: Session, name: str, body: bytes, mode: str, token: str
) -> Callable[[Client], None]:
    """The verb that writes an object of one piece."""
    labels = {MARK: token, CHECKSUM: checksum_of(crc32(body))}

    def put(client: Client) -> None:
        client.library.put(
            client.store,
            session.key(name),
            body,
            use_multipart=False,
            attributes=labels,
            mode=mode,
        )

    return put


class Upload:
    """One put of one name."""

    def __init__(self, session: Session, probing: Probing, name: str, deadline: Deadline) -> None:
        self._session = session
        self._probing = probing
        self._name = name
        self._parsed = check_name(name)
        self._deadline = deadline
        self._token = session.runtime.random_bytes(TOKEN_BYTES).hex()

    def run(self, parts: Iterable[bytes]) -> None:
        """Write the object. Raises what `ObjectTier.put` does."""
        body = self._joined(parts)
        mode = self._mode()
        request = put_request(self._session, self._name, body, mode, self._token)
        try:
            self._session.ask(request, self._deadline, {TAKEN}, is_changing=True)
        except Refusal as refusal:
            self._require_own(refusal)

    def _joined(self, parts: Iterable[bytes]) -> bytes:
        pieces, size_bytes = [], 0
        for part in parts:
            self._deadline.remaining_s()
            size_bytes += len(part)
            if size_bytes > OBJECT_BYTES_MAX:
                raise ValueTooLargeError(
                    f"obstore puts objects of at most {OBJECT_BYTES_MAX >> 20} MiB: lower"
                    " limits.value, or use boto3"
                )
            pieces.append(part)
        return b"".join(pieces)

    def _mode(self) -> str:
        if self._probing.is_honoured(self._parsed, self._deadline):
            return "create"
        self._require_absent()
        return "overwrite"

    def _require_absent(self) -> None:
        """Refuse a name that is taken where the server does not: not by two puts at once."""
        try:
            self._look()
        except Refusal:  # the bucket may be missing, too: the put will tell
            return
        raise self._taken()

    def _require_own(self, refusal: Refusal) -> None:
        """Return if what has the name is what this put wrote, in an attempt without an answer."""
        if not refusal.is_in_doubt:
            raise self._taken() from refusal
        try:
            token = self._look()
        except (UnavailableError, Refusal) as error:
            raise OutcomeUnknownError(
                f"{self._session.place}: whether {self._name} was written is not known"
            ) from error
        if token != self._token:
            raise self._taken() from refusal
        self._session.runtime.sometimes("put recognised after a lost answer")

    def _look(self) -> str:
        """The token of the object. Raises Refusal if there is none."""
        key = self._session.key(self._name)

        def look(client: Client) -> str:
            found = client.library.get(client.store, key, options={"head": True})
            return str(found.attributes.get(MARK, ""))

        return self._session.ask(look, self._deadline, {MISSING, str(NOT_FOUND)})

    def _taken(self) -> ObjectExistsError:
        return ObjectExistsError(f"there is an object {self._name} already")
