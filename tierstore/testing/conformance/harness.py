"""What a conformance suite asks for besides the adapter: ways around it, and ways to harm it.

A *harness* makes handles of one tier, as several processes would, and goes to the backend by its
driver alone. What it cannot do it says in `cannot`, with the reason: the tests that need it are
skipped with that reason, and one test checks that nothing is missing that is not declared.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from typing import Self

    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.plan import FaultPlan

TIMEOUT_S = 5.0
"""What the suite gives every call, by the clock of its runtime."""
_HARNESSES = {
    __name__,
    *(f"{__package__}.{kind}.harness" for kind in ("edge", "object", "region", "shared")),
}


class CannotError(Exception):
    """A harness was asked for what it cannot do."""


class Harness:
    """One tier, seen from outside. Made anew for each test; `close` removes all of it."""

    clock: ManualRuntime
    """The time of the tier and of its handles."""
    plan: FaultPlan
    """Decides which I/O of the handles, a statement or a request of the driver, goes wrong."""
    ABILITIES: Mapping[str, str] = {}
    """What a harness of this kind may leave out, and what that is."""
    cannot: Mapping[str, str] = {}
    """What this harness does not offer, and why: names of `ABILITIES`."""

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """While entered, handles can be opened; afterwards the tier is closed.

        Override it where something of the driver is replaced meanwhile.
        """
        try:
            yield self
        finally:
            self.close()

    def restart(self) -> None:
        """End every process that uses the tier, without a word, and the tier's own, too.

        What is open is released as the system does it. The clock and durable content stay.
        """
        raise CannotError("restart")

    def open_secret(self) -> tuple[object, str]:
        """(A handle whose url holds a secret, that secret). The backend need not answer."""
        raise CannotError("open_secret")

    def unreachable(self) -> AbstractContextManager[None]:
        """While entered, the backend answers nothing."""
        raise CannotError("unreachable")

    def open_resources(self) -> int:
        """Connections, files and the like that handles of this tier hold open now."""
        raise CannotError("open_resources")

    def release(self) -> None:
        """Close the handles that were opened so far; called now and then, where there are many.

        Override it where handles are dear, as connections to a server are.
        """

    def close(self) -> None:
        """Remove the tier and everything that was opened."""


def need(harness: Harness, ability: str) -> None:
    """Skip the test if `harness` says that it has not this ability, for the reason it gives."""
    if ability in harness.cannot:
        pytest.skip(f"{type(harness).__name__} cannot {ability}: {harness.cannot[ability]}")


def undeclared(harness: Harness) -> Iterator[str]:
    """What is wrong with the declarations of a harness, in words."""
    for name in harness.cannot:
        if name not in harness.ABILITIES:
            yield f"`cannot` names {name!r}, which is none of {', '.join(harness.ABILITIES)}"
    for name in harness.ABILITIES:
        if name in harness.cannot:
            continue
        if name == "faults" and not hasattr(harness, "plan"):
            yield "it has no `plan`; give it one, or declare in `cannot` why it does no faults"
        if _is_left_out(harness, name):
            yield f"it has no `{name}`; write it, or declare in `cannot` why not"


def _is_left_out(harness: Harness, name: str) -> bool:
    """Whether what raises CannotError was not overridden."""
    owners = [kind for kind in type(harness).__mro__ if name in vars(kind)]
    return bool(owners) and owners[0].__module__ in _HARNESSES
