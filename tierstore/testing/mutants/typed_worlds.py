"""Simulated clusters that use counters and sets alone."""

from __future__ import annotations

from tierstore.testing.mutants.mutant import World
from tierstore.testing.simulation.options import Options, Rates

_UNSTEADY = Rates(error=0.1, lost=0.1, late=0.05, duplicate=0.05)

COUNTING = World(
    "counting",
    Options(
        families=("memory counter", "journal counter", "regional counter"), keys=2, operations=200,
        pause_ms_max=100, latency_ms_max=20,
    ),
)  # fmt: skip
LISTING = World(
    "listing",
    Options(
        families=("memory set", "journal set", "regional set"), keys=1, operations=200,
        pause_ms_max=100, latency_ms_max=20,
    ),
)  # fmt: skip
UNSTEADY_COUNTING = World(
    "unsteady counting",
    Options(
        families=("journal counter", "never counter", "aged counter"), keys=2, operations=200,
        pause_ms_max=100, latency_ms_max=200, capacity="200B", rates=_UNSTEADY,
    ),
)  # fmt: skip
DYING_COUNTING = World(
    "dying counting",
    Options(
        families=("journal counter", "journal set"), keys=2, operations=150, pause_ms_max=300,
        latency_ms_max=20, flush_ms=1000, rates=_UNSTEADY, windows=("crash",), window_count=8,
    ),
)  # fmt: skip
FLEETING_COUNTING = World(
    "fleeting counting",
    Options(
        families=("ttl counter", "renewed counter", "renewed set"), keys=1, operations=200,
        pause_ms_max=500, latency_ms_max=20,
    ),
)  # fmt: skip
SLOW_LISTING = World(
    "slow listing",
    Options(
        families=("memory set", "aged set"), keys=1, operations=200, pause_ms_max=300,
        latency_ms_max=200, flush_ms=1000,
    ),
)  # fmt: skip
COLD_LISTING = World(
    "cold listing",
    Options(
        nodes=2, machines=2, clients=1, families=("cold set",), keys=4, operations=200,
        pause_ms_max=1000, latency_ms_max=20, lulls=0.06,
    ),
)  # fmt: skip
FLEETING_COLD_LISTING = World(
    "fleeting cold listing",
    Options(
        nodes=2, machines=2, clients=1, families=("cold renewed set",), keys=4, operations=200,
        pause_ms_max=1000, latency_ms_max=20, lulls=0.06,
    ),
)  # fmt: skip
FORGETTING = World(
    "forgetting",
    Options(
        families=("journal document", "journal set"), keys=2, operations=200, pause_ms_max=500,
        latency_ms_max=20, flush_ms=1000, forgets_s=2,
    ),
)  # fmt: skip
FORGETTING_APART = World(
    "forgetting apart",
    Options(
        nodes=2, machines=2, regions=2, families=("journal document", "journal set"), keys=2,
        operations=200, pause_ms_max=500, latency_ms_max=20, flush_ms=1000, forgets_s=2,
    ),
)  # fmt: skip
FORGETTING_UNHEARD = World(
    "forgetting unheard",
    Options(
        nodes=2, machines=2, regions=2, families=("journal document", "journal set"), keys=2,
        operations=200, pause_ms_max=3000, latency_ms_max=20, flush_ms=1000, forgets_s=2,
        horizon_s=50, windows=("link cut",), window_count=12,
    ),
)  # fmt: skip
