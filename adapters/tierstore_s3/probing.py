"""Whether a server refuses to overwrite when asked to: tried once, since not all that say so do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.region.objects import VALUE, mint_name
from tierstore.region.requests import Refusal
from tierstore_s3.checksums import crc_of
from tierstore_s3.errors import NOT_MADE, TAKEN

if TYPE_CHECKING:
    from tierstore.region.deadline import Deadline
    from tierstore.region.objects import ObjectName
    from tierstore_s3.session import Session

PROBE = b"a probe of tierstore: it may be deleted"
IF_ABSENT = {"IfNoneMatch": "*"}
_NOT_UNDERSTOOD = {NOT_MADE, "InvalidArgument", "InvalidRequest"}


class Probing:
    """What was found out about the server of a session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.is_conditional: bool | None = None
        """Whether `If-None-Match: *` is honoured; None before the first put."""

    def condition(self, beside: ObjectName, deadline: Deadline) -> dict[str, str]:
        """What makes a put conditional here; nothing where the server does not honour it.

        The first call tries it out with an object of its own in the region of `beside`. Names are
        unique by how they are minted, so nothing is lost where this is not to be had.
        """
        if self.is_conditional is None:
            try:
                self.is_conditional = self._try_out(beside, deadline)
            except OutcomeUnknownError as error:  # of the probe: nothing is in doubt for the caller
                raise UnavailableError(str(error)) from error
        return IF_ABSENT if self.is_conditional else {}

    def _try_out(self, beside: ObjectName, deadline: Deadline) -> bool:
        session = self._session
        name = mint_name(session.runtime, beside.region, beside.incarnation, VALUE)
        try:
            return self._is_refused(name, deadline) or self._is_refused(name, deadline)
        finally:
            with suppress(TierStoreError):  # it is swept as any object that no row knows
                session.ask("delete_object", deadline, Key=session.key(name))

    def _is_refused(self, name: str, deadline: Deadline) -> bool:
        session = self._session
        try:
            session.ask(
                "put_object",
                deadline,
                {TAKEN, *_NOT_UNDERSTOOD},
                Key=session.key(name),
                Body=PROBE,
                ChecksumCRC32=crc_of(PROBE),
                **IF_ABSENT,
                **session.location.encryption,
            )
        except Refusal as refusal:
            return refusal.code == TAKEN
        return False
