"""Repeating a call with its first, second, … I/O going wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.testing.plan import Crash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.testing.conformance.harness import Harness
    from tierstore.testing.plan import Kind

IOS_MAX = 100


def wrecked(
    harness: Harness,
    kind: Kind,
    call: Callable[[], object],
    prepare: Callable[[], object] = lambda: None,
) -> Iterator[TierStoreError | None]:
    """Repeat `call`, each time with a later I/O of it going wrong, until none does.

    Before each, `prepare` runs unharmed; it and `call` have to open the handles that they use.
    Yields after each what was raised, with the plan disarmed and, after a crash, the tier
    restarted. Only "unavailable" and "unknown" may be raised: errors of tierstore that say whether
    something may have happened.
    """
    plan = harness.plan
    for n in range(1, IOS_MAX):
        prepare()
        plan.arm(n, kind)
        error: TierStoreError | None = None
        has_crashed = False
        try:
            call()
        except Crash:
            has_crashed = True
        except (UnavailableError, OutcomeUnknownError) as raised:
            error = raised
        fired = plan.fired
        plan.arm(0, kind)
        if has_crashed:
            harness.restart()
        if fired is None:
            assert n > 1, "the call did no I/O that the plan knows of"
            return
        yield error
        harness.release()
    raise AssertionError(f"a call did more than {IOS_MAX} I/Os")
