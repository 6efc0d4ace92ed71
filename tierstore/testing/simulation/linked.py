"""Worlds of several regions: how many are, and in what they differ from those of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.runtime.chance import Chance

if TYPE_CHECKING:
    from tierstore.testing.simulation.options import Options

LINKED_SHARE = 0.15
"""How often a world has several regions."""
NODES_MAX = 5
LINK_WINDOWS = ("link crash", "link pause", "link cut", "link retired")
"""Faults of the processes that run links, or of what is known of them."""
RETIRING_SHARE = 0.15
"""How often edges there are silent for longer than the horizon."""
HORIZON_S = 50
"""Longer than links ever are away when nothing is wrong with them."""
DIRECT_SHARE = 0.4
"""How often stores run the links between regions."""
TYPED = (
    "memory counter", "journal counter", "regional counter", "aged counter", "never counter",
    "memory set", "journal set", "regional set", "aged set", "never set",
)  # fmt: skip
"""Those of counters and sets that never end."""
COLD = ("cold set", "cold document")
"""Sets and documents that go cold, and never end."""
COLD_MORTAL = ("cold renewed set",)
COLD_SHARE = 0.1
MORTAL = ("ttl counter", "renewed counter", "ttl set", "renewed set")
"""Those of which generations end, as a whole, with what other regions change meanwhile."""
MORTAL_SHARE = 0.25
"""How often worlds of several regions have such, and deletes; of counters and sets nothing is taken
for certain there, but that all are equal in the end."""
_OWN = frozenset((*TYPED, *MORTAL, *COLD, *COLD_MORTAL))
"""What is drawn here, and not taken over as it is."""


def linked(options: Options, seed: int, regions: int | None = None) -> Options:
    """The world of `seed`, which has been drawn as one of one region, with what it draws here.

    That is from a chance of its own, so that the other worlds are as they are. With `regions`, so
    many and not as many as it draws.
    """
    chance = Chance(seed, "regions")
    drawn = chance.choice((2, 2, 2, 3)) if chance.random() < LINKED_SHARE else 1
    count = drawn if regions is None else regions
    if count == 1:
        return options
    nodes = min(NODES_MAX, max(count, options.nodes + chance.randint(0, 2)))
    families = tuple(name for name in options.families if name not in _OWN)
    is_mortal = chance.random() < MORTAL_SHARE
    known = (*TYPED, *MORTAL) if is_mortal else TYPED
    typed = tuple(name for name in known if name in options.families or chance.random() < 0.15)
    typed += _draw_cold(Chance(seed, "cold types of regions"), options, is_mortal=is_mortal)
    windows = options.windows + tuple(kind for kind in LINK_WINDOWS if chance.random() < 0.5)
    several = replace(
        options,
        regions=count,
        nodes=nodes,
        machines=chance.randint(count, nodes),
        links=chance.choice((1, 2, 2)),
        is_leased=chance.random() < 0.6,
        is_chain=chance.random() < 0.5,
        is_mortal=is_mortal,
        is_direct=chance.random() < DIRECT_SHARE,
        page_rows=chance.choice((1, 3, 10, 1000)),
        repair_s=chance.choice((3600, 3600, 15)),
        families=(families or ("journal",)) + typed,
        pause_ms_max=chance.choice((300, 1000, 3000, 10_000)),
        horizon_s=0,
        windows=windows,
        window_count=max(options.window_count, 3 * len(windows)) if windows else 0,
    )
    return _retiring(several, typed) if chance.random() < RETIRING_SHARE else several


def _draw_cold(chance: Chance, options: Options, *, is_mortal: bool) -> tuple[str, ...]:
    known = (*COLD, *COLD_MORTAL) if is_mortal else COLD
    return tuple(name for name in known if name in options.families or chance.random() < COLD_SHARE)


def _retiring(options: Options, typed: tuple[str, ...]) -> Options:
    """A world in which edges are late, and links are not: there nothing is taken over that is old.

    What is dead is forgotten there before long.
    """
    windows = tuple(kind for kind in options.windows if kind not in LINK_WINDOWS)
    return replace(
        options,
        horizon_s=HORIZON_S,
        is_mortal=True,
        is_direct=False,
        families=typed or (*MORTAL, "journal set"),
        windows=tuple(dict.fromkeys((*windows, "pause", "crash"))),
        window_count=options.window_count + 12,
    )
