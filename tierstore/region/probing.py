"""Whether a server refuses to overwrite when asked to: tried once, since not all that say so do."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.region.objects import VALUE, mint_name
from tierstore.region.refusals import NOT_MADE, TAKEN
from tierstore.region.requests import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.deadline import Deadline
    from tierstore.region.objects import ObjectName
    from tierstore.runtime import Runtime

PROBE = b"a probe of tierstore: it may be deleted"
KNOWN = {TAKEN, NOT_MADE, "InvalidArgument", "InvalidRequest"}
"""The codes that `put` of a probe has to raise as Refusal; of those but `TAKEN`, the server does
not know conditions."""


class Probing:
    """What was found out about a server."""

    def __init__(
        self,
        runtime: Runtime,
        put: Callable[[str, Deadline], object],
        delete: Callable[[str, Deadline], object],
    ) -> None:
        """`put` writes `PROBE` under a name if nothing has it, `delete` removes it again."""
        self._runtime = runtime
        self._put = put
        self._delete = delete
        self.is_conditional: bool | None = None
        """Whether conditions are honoured; None before the first put."""

    def is_honoured(self, beside: ObjectName, deadline: Deadline) -> bool:
        """Whether the server refuses to overwrite.

        The first call tries it out with an object of its own in the region of `beside`. Names are
        unique by how they are minted, so nothing is lost where this is not to be had.
        """
        if self.is_conditional is None:
            try:
                self.is_conditional = self._try_out(beside, deadline)
            except OutcomeUnknownError as error:  # of the probe: nothing is in doubt for the caller
                raise UnavailableError(str(error)) from error
        return self.is_conditional

    def told(self) -> str:
        """What was found out, in words; empty before the first put."""
        if self.is_conditional is None:
            return ""
        if self.is_conditional:
            return "its server refuses to overwrite what is there"
        return "its server overwrites what is there: that names are never used twice has to do"

    def _try_out(self, beside: ObjectName, deadline: Deadline) -> bool:
        name = mint_name(self._runtime, beside.region, beside.incarnation, VALUE)
        try:
            return self._is_refused(name, deadline) or self._is_refused(name, deadline)
        finally:
            with suppress(TierStoreError, Refusal):  # it is swept as any object without a row
                self._delete(name, deadline)

    def _is_refused(self, name: str, deadline: Deadline) -> bool:
        try:
            self._put(name, deadline)
        except Refusal as refusal:
            return refusal.code == TAKEN
        return False
