"""What `stats` and `check` tell of the coordinator."""

from __future__ import annotations

from tierstore.errors import TierStoreError
from tierstore.policy.deciding import coordinator_url, is_decided
from tierstore.policy.model import is_strong_tiered
from tierstore.store.results import Finding
from tierstore.store.wiring import figures_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tierstore.store.core import Core


def figures(core: Core) -> dict[str, Any]:
    """Counts and states, of the verbs on strong keys, leases, sequences and bounded counters."""
    homes = core.homes
    link, keeper = homes.coordinator.state.link, core.replica.state.keeper
    escrow = None if keeper is None else keeper.figures()
    moving = homes.coordinator.moving if homes.is_elsewhere else None
    return {
        "is_elsewhere": homes.is_elsewhere,
        "reachable": link.reachable,
        "retry_in_s": link.breaker.retry_in_s(),
        "skew_ms": link.skew_ms,
        **figures_of(homes.coordinator.state).as_dict(),
        "leases": 0 if core._strong is None else core._strong.leases.count,
        "rights": 0 if escrow is None else escrow["rights"],
        "moves": None if moving is None else _moves(moving),
    }


def _moves(moving: Any) -> dict[str, Any]:
    return {**moving.tally, "is_mover": moving.is_mover, "last_error": moving.last_error}


def findings(core: Core, timeout_s: float | None) -> list[Finding]:
    """Whether it can be asked, if the policy has something for it to decide."""
    if not core.homes.is_elsewhere and not any(map(is_decided, core.policy.rules)):
        return []
    found = [_tried("coordinator", lambda: _asked(core, timeout_s))]
    if found[0].ok and core.homes.is_elsewhere and is_strong_tiered(core.policy):
        found.append(_tried("coordinator moves", lambda: _moved(core, timeout_s)))
    return found


def _tried(subject: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, True, probe())
    except TierStoreError as exc:
        return Finding(subject, False, str(exc), exc)


def _asked(core: Core, timeout_s: float | None) -> str:
    homes = core.homes
    link = homes.coordinator.state.link
    info = link.register(core.deadline(timeout_s)).info
    link.call(  # which compares the clocks, too
        lambda left_s: link.region.read((), link.replica, left_s), core.deadline(timeout_s)
    )
    where = f"at {coordinator_url(core.policy) or 'another database'}" if homes.is_elsewhere else ""
    told = f"database {info.region} {where or 'of the region'} decides"
    return f"{told}; {_clocks(link.skew_ms)}"


def _moved(core: Core, timeout_s: float | None) -> str:
    from tierstore.store.probing import find_failed_moves

    moving = core.homes.coordinator.moving
    if moving is not None and moving.last_error is not None:
        raise TierStoreError(f"strong keys cannot be moved: {moving.last_error}")
    return find_failed_moves(core, core.homes.coordinator, timeout_s)


def _clocks(skew_ms: int) -> str:
    if skew_ms == 0:
        return "its clock is this machine's"
    where = "behind" if skew_ms > 0 else "ahead of"
    return f"its clock is {abs(skew_ms)} ms {where} this machine's"
