"""Simulated clusters in which stores run links, operators restore, and clients travel."""

from __future__ import annotations

from tierstore.testing.mutants.mutant import World
from tierstore.testing.simulation.options import Options

COLD_APART = World(
    "cold apart",
    Options(
        nodes=2, machines=2, regions=2, clients=1, families=("cold",), keys=4, operations=100,
        pause_ms_max=1000, lulls=0.2, windows=("link retired",), window_count=6,
    ),
)  # fmt: skip
RUN_BY_STORES = World(
    "links of stores",
    Options(
        nodes=4, machines=4, regions=2, is_direct=True, families=("journal",), keys=2,
        operations=100, pause_ms_max=3000, windows=("link crash",), window_count=6,
    ),
)  # fmt: skip
RESTORED_APART = World(
    "restored apart",
    Options(
        nodes=2, machines=2, regions=2, families=("journal", "journal counter", "regional"),
        keys=8, operations=150, pause_ms_max=1000, windows=("region restored",), window_count=4,
    ),
)  # fmt: skip
TRAVELLING = World(
    "travelling",
    Options(
        nodes=4, machines=4, regions=2, families=("journal", "memory"), keys=1, operations=200,
        pause_ms_max=300, latency_ms_max=20, flush_ms=1000, travellers=3,
    ),
)  # fmt: skip
WATCHED = World(
    "watched",
    Options(families=("journal",), keys=3, operations=150, pause_ms_max=300, watches=40),
)
AHEAD = World(
    "ahead",
    Options(
        families=("journal", "memory"), keys=2, operations=150, pause_ms_max=2000,
        pull_ms=30_000, windows=("ahead",), window_count=6,
    ),
)  # fmt: skip
