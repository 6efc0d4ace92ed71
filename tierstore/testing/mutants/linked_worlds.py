"""Simulated clusters of several regions, each with edges of its own."""

from __future__ import annotations

from tierstore.testing.mutants.mutant import World
from tierstore.testing.simulation.options import Options, Rates

COUNTING_APART = World(
    "counting apart",
    Options(
        nodes=2, machines=2, regions=2, families=("memory counter", "memory set"), keys=2,
        operations=150, pause_ms_max=300, latency_ms_max=20,
    ),
)  # fmt: skip
IN_A_ROW = World(
    "regions in a row",
    Options(
        regions=3, is_chain=True, page_rows=3, families=("journal", "memory counter"), keys=4,
        operations=150, pause_ms_max=300, latency_ms_max=20,
    ),
)  # fmt: skip
UNSTEADY_LINKS = World(
    "unsteady links",
    Options(
        nodes=2, machines=2, regions=2, page_rows=3, families=("journal", "regional"), keys=20,
        operations=200, pause_ms_max=3000, latency_ms_max=20,
        rates=Rates(error=0.1, lost=0.1, late=0.05, duplicate=0.05),
    ),
)  # fmt: skip
LATE_LINKS = World(
    "late links",
    Options(
        nodes=2, machines=2, regions=2, families=("journal", "memory set"), keys=10,
        operations=200, pause_ms_max=3000, windows=("link cut", "link retired", "link crash"),
        window_count=24,
    ),
)  # fmt: skip
