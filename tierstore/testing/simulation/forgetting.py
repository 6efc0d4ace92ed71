"""Worlds in which sets and documents forget within seconds what elsewhere takes a week.

Regions are walked through every few seconds, not once an hour; documents count as bloated that are
small; and who is silent is retired so soon that a past comes to its end in a run.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.crdt import document
from tierstore.replica import compacting
from tierstore.runtime.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.simulation.options import Options

FORGETFUL_SHARE = 0.06
FAMILIES = ("journal document", "journal set")
"""What such worlds have in addition."""
EVERY_S = 2
NEVER_S = 1e6
BLOAT_FREE_BYTES = 60
BLOAT_FACTOR = 1
"""So that each document with a history is made compact, as soon as it has no past."""


def forgetful(options: Options, seed: int) -> Options:
    """The world of `seed` with what it draws here, from a chance of its own."""
    is_drawn = Chance(seed, "forgetting").random() < FORGETFUL_SHARE
    if not is_drawn or options.is_ephemeral or "region restored" in options.windows:
        return options  # no batch tells a restored region what was made compact since the backup
    families = tuple(dict.fromkeys((*options.families, *FAMILIES)))
    return replace(options, families=families, forgets_s=EVERY_S)


@contextmanager
def hastened(options: Options) -> Iterator[None]:
    """Let the product forget as soon as `options` say, inside the block."""
    if not options.forgets_s:
        yield
        return
    with ExitStack() as stack:
        for owner, name, value in (
            (document, "BLOAT_FREE_BYTES", BLOAT_FREE_BYTES),
            (document, "BLOAT_FACTOR", BLOAT_FACTOR),
            (compacting, "REST_S", float(options.forgets_s)),
            (compacting, "PAUSE_S", float(options.forgets_s)),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            _set(owner, name, value)
        yield


def cease() -> None:
    """Let nothing more be forgotten than what is begun, until the end of the block.

    Else a past comes to its end just when regions are compared, and one has not told the other yet.
    """
    _set(compacting, "REST_S", NEVER_S)


def _set(owner: Any, name: str, value: float) -> None:
    setattr(owner, name, value)
