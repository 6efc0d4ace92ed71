"""Simulated clusters in which a kind of mistake has occasion to show."""

from __future__ import annotations

from tierstore.testing.mutants.mutant import World
from tierstore.testing.simulation.options import Options, Rates

_UNSTEADY = Rates(error=0.1, lost=0.1, late=0.05, duplicate=0.05)

CALM = World(
    "calm",
    Options(
        families=("memory", "journal", "regional"), keys=2, operations=200, pause_ms_max=50,
        latency_ms_max=20,
    ),
)  # fmt: skip
OVERLAPPING = World(
    "overlapping",
    Options(
        families=("memory", "never", "age"), keys=2, operations=300, pause_ms_max=100,
        latency_ms_max=200, capacity="200B", region="read committed", statement_ms_max=20,
    ),
)  # fmt: skip
AGEING = World(
    "ageing",
    Options(
        families=("age", "regional", "memory"), keys=1, operations=200, pause_ms_max=1000,
        latency_ms_max=200, windows=("slow",), window_count=4,
    ),
)  # fmt: skip
COMMITTING = World(
    "committing",
    Options(
        nodes=4, machines=4, families=("memory", "never"), keys=3, operations=300,
        pause_ms_max=300, latency_ms_max=20, flush_ms=100, region="read committed",
        statement_ms_max=200,
    ),
)  # fmt: skip
UNSTEADY = World(
    "unsteady",
    Options(
        families=("journal", "regional", "age"), keys=2, operations=200, pause_ms_max=50,
        latency_ms_max=20, rates=_UNSTEADY,
    ),
)  # fmt: skip
DYING = World(
    "dying",
    Options(
        families=("journal", "regional"), keys=3, operations=150, pause_ms_max=300,
        latency_ms_max=20, flush_ms=1000, rates=_UNSTEADY, windows=("crash",), window_count=8,
    ),
)  # fmt: skip
SAVING = World(
    "saving",
    Options(
        families=("journal",), keys=5, operations=150, pause_ms_max=300, flush_ms=1000,
        windows=("crash",), window_count=12,
    ),
)  # fmt: skip
INSTANT = World(
    "instant", Options(families=("regional", "journal"), keys=1, operations=200, pause_ms_max=5)
)
ORPHANED = World(
    "orphaned",
    Options(
        machines=1, families=("journal", "regional"), keys=3, operations=150, pause_ms_max=300,
        latency_ms_max=20, flush_ms=1000, rates=_UNSTEADY, windows=("crash",), window_count=8,
    ),
)  # fmt: skip
CONFIDENTIAL = World(
    "confidential",
    Options(
        families=("never", "journal"), keys=2, operations=150, pause_ms_max=300,
        latency_ms_max=20, rates=Rates(error=0.05, lost=0.2, late=0.2), windows=("crash",),
        window_count=12,
    ),
)  # fmt: skip
LINGERING = World(
    "lingering",
    Options(
        clients=3, families=("never",), keys=2, operations=200, pause_ms_max=1000,
        latency_ms_max=200, flush_ms=5000, windows=("crash",), window_count=12,
    ),
)  # fmt: skip
LEAPING = World(
    "leaping",
    Options(
        families=("journal",), keys=1, operations=200, pause_ms_max=1000, flush_ms=1000,
        windows=("jump", "crash"), window_count=20, skew_ms_max=2000,
    ),
)  # fmt: skip
SKEWED = World(
    "skewed",
    Options(
        families=("journal", "regional"), keys=1, operations=200, pause_ms_max=300, flush_ms=1000,
        windows=("jump", "skew", "crash"), window_count=12, skew_ms_max=2000,
    ),
)  # fmt: skip
FULL_DISK = World(
    "full disk",
    Options(
        families=("journal",), keys=2, operations=200, pause_ms_max=50,
        windows=("disk full", "disk slow"), window_count=4,
    ),
)  # fmt: skip
AWAY = World(
    "away",
    Options(
        families=("memory", "age", "regional"), keys=1, operations=300, pause_ms_max=200,
        unflushed="2KiB", windows=("refuse", "lose requests", "slow"), window_count=6,
    ),
)  # fmt: skip
CROWDED = World(
    "crowded",
    Options(
        nodes=2, clients=1, families=("memory", "age", "journal", "hot", "ttl"), keys=2,
        operations=300, pause_ms_max=200, unflushed="1KiB", windows=("refuse", "lose requests"),
        window_count=10,
    ),
)  # fmt: skip
TIGHT = World(
    "tight",
    Options(
        families=("journal", "memory", "hot"), keys=5, operations=200, pause_ms_max=50,
        capacity="200B", latency_ms_max=20,
    ),
)  # fmt: skip
FLEETING = World(
    "fleeting",
    Options(
        families=("ttl", "journal"), keys=2, operations=200, pause_ms_max=300, latency_ms_max=20
    ),
)
MANY_KEYS = World(
    "many keys",
    Options(
        families=("journal",), keys=5, operations=200, pause_ms_max=20, latency_ms_max=20,
        flush_ms=1000,
    ),
)  # fmt: skip
COLD = World(
    "cold",
    Options(
        nodes=2, clients=1, families=("cold",), keys=3, operations=200, pause_ms_max=2000,
        lulls=0.2, latency_ms_max=100, rates=_UNSTEADY, windows=("crash",), window_count=10,
    ),
)  # fmt: skip
MOVING = World(
    "moving",
    Options(
        nodes=2, clients=1, families=("cold",), keys=8, operations=200, pause_ms_max=1000,
        latency_ms_max=200, windows=("cold slow",), window_count=4,
    ),
)  # fmt: skip
ROTTEN = World(
    "rotten",
    Options(
        nodes=2, clients=1, families=("cold",), keys=8, operations=200, pause_ms_max=1000,
        windows=("flip",), window_count=12,
    ),
)  # fmt: skip
TORN = World(
    "torn",
    Options(
        nodes=2, clients=1, families=("cold",), keys=8, operations=150, pause_ms_max=1000,
        windows=("cold torn",), window_count=6,
    ),
)  # fmt: skip
