"""What worlds have in addition: how edges come and go, how long faults last, who travels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.runtime.chance import Chance

if TYPE_CHECKING:
    from tierstore.testing.simulation.options import Options

EPHEMERAL_SHARE = 0.08
LONG_SHARE = 0.03
AHEAD_SHARE = 0.04
RESTORED_SHARE = 0.12
OPERATED_SHARE = 0.3
VISITED_SHARE = 0.35
"""How often sessions travel, and how often somebody watches."""
HOURS = 600
"""How many times as long as elsewhere faults last in long worlds: the longest, for two hours."""
LONG_PAUSE_MS = 1_200_000
LONG_PULL_MS = 30_000
LONG_OPERATIONS = 200
"""How many operations a long world has at most."""
WATCHES = 5
_TOO_LONG = frozenset(("pause", "link pause"))
"""Faults that last ten times as long as others anyway."""
_CLOCKS = frozenset(("skew", "jump", "strobe"))


def widen(options: Options, seed: int, unjournaled: frozenset[str]) -> Options:
    """The world of `seed` with what it draws here, from a chance of its own.

    `unjournaled`: the families that edges without a journal may have.
    """
    chance = Chance(seed, "wider")
    drawn = [chance.random() for _ in range(8)]
    travellers = chance.randint(1, 3) if drawn[0] < VISITED_SHARE else 0
    options = replace(options, travellers=travellers, watches=WATCHES * (drawn[1] < VISITED_SHARE))
    if options.horizon_s:
        return options
    if drawn[2] < EPHEMERAL_SHARE:
        families = tuple(name for name in options.families if name in unjournaled)
        options = replace(options, is_ephemeral=True, families=families or ("memory",))
    if drawn[3] < LONG_SHARE:
        options = _long(options)
    elif drawn[3] < LONG_SHARE + AHEAD_SHARE and not options.is_mortal:
        options = _ahead(options)
    elif drawn[4] < RESTORED_SHARE:
        options = with_windows(options, "region restored")
    if drawn[5] < OPERATED_SHARE and not options.is_ephemeral:
        options = with_windows(options, "machine moved")
    if drawn[6] < OPERATED_SHARE or options.is_ephemeral:
        options = with_windows(options, "leave")
    return options


def with_windows(options: Options, *kinds: str) -> Options:
    """`options` with these kinds of faults, too, and what does not go with them left out."""
    windows = tuple(dict.fromkeys((*options.windows, *kinds)))
    if options.region == "sqlite":  # its clock is that of the machine that writes
        windows = tuple(kind for kind in windows if kind != "ahead")
    families, forgets_s = options.families, options.forgets_s
    if "region restored" in windows:
        if options.region == "sqlite":  # and tells lives apart, so all are of one machine there
            options = replace(options, skew_ms_max=0)
            windows = tuple(kind for kind in windows if kind not in _CLOCKS)
        forgets_s = 0  # no batch tells it what was made compact since the backup
        # Objects that a backup has may be deleted by then.
        families = tuple(name for name in families if not name.startswith("cold")) or ("journal",)
        families = (
            families
            if not options.is_ephemeral
            else tuple("memory" if name == "journal" else name for name in families)
        )
    count = (options.window_count or 3 * len(windows)) if windows else 0
    return replace(
        options, windows=windows, window_count=count, families=families, forgets_s=forgets_s
    )


def _long(options: Options) -> Options:
    kinds = tuple(kind for kind in options.windows if kind not in _TOO_LONG)
    cuts = ("refuse", "lose requests", *(("link cut",) if options.regions > 1 else ()))
    return with_windows(
        replace(
            options,
            windows=kinds,
            fault_scale=HOURS,
            repair_s=3600,
            pull_ms=LONG_PULL_MS,
            pause_ms_max=LONG_PAUSE_MS,
            operations=min(options.operations, LONG_OPERATIONS),
        ),
        *cuts,
    )


def _ahead(options: Options) -> Options:
    kinds = tuple(kind for kind in options.windows if kind not in _CLOCKS)
    return with_windows(
        # What is held is missed by a session that goes on elsewhere.
        replace(options, windows=kinds, skew_ms_max=0, pull_ms=LONG_PULL_MS, travellers=0),
        "ahead",
    )
