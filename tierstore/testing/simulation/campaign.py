"""Many seeds, one after the other or side by side: what they found and how far they got."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import count, islice
from multiprocessing import get_context
from typing import TYPE_CHECKING

from tierstore.runtime import Runtime
from tierstore.testing.simulation.goals import GOAL_SEEDS, GOALS
from tierstore.testing.simulation.operating import OPERATED
from tierstore.testing.simulation.options import draw_options
from tierstore.testing.simulation.run import play
from tierstore.testing.simulation.script import draw_script
from tierstore.testing.simulation.wider import with_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from tierstore.policy.model import Policy
    from tierstore.testing.simulation.options import Options, RegionKind
    from tierstore.testing.simulation.script import Script

OPERATIONS = 600
SKEW_MS_MAX = 2000
_CLOCKS = frozenset(("skew", "jump", "strobe"))
_ROUND = 4
"""How many seeds each process gets between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class World:
    """What all seeds of a campaign have in common; the rest each draws for itself."""

    operations: int = OPERATIONS
    region: RegionKind | None = None
    faults: tuple[str, ...] = ()
    """The only kinds of faults that begin and end; none given: each seed draws its own."""
    policy: Policy | None = None
    """That of every seed; None: each draws its own."""
    regions: int | None = None
    """How many each seed has."""
    edges: int | None = None
    """How many edge processes, each on a machine of its own."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out, so that every goal can be reached."""
        given = (self.region, self.policy, self.regions, self.edges)
        is_free = not self.faults and all(what is None for what in given)
        return is_free and self.operations >= OPERATIONS

    def script(self, seed: int) -> Script:
        """What `seed` plays in this world."""
        return draw_script(seed, self.options(seed), self.policy)

    def options(self, seed: int) -> Options:
        """The world that `seed` draws, with what is given instead of what it drew."""
        # A policy may have rules that worlds of several regions leave out: see `linked`.
        regions = self.regions if self.policy is None else 1
        options = draw_options(seed, self.operations, regions=regions)
        if self.policy is not None:
            options = replace(options, is_ephemeral=False)  # its rules may need a journal
            windows = tuple(kind for kind in options.windows if kind not in OPERATED)
            options = with_windows(replace(options, windows=windows))
        if self.edges is not None:
            edges = max(self.edges, options.regions)
            options = replace(options, nodes=edges, machines=edges)
        if self.region is not None:
            options = with_windows(replace(options, region=self.region))
        if not self.faults:
            return options
        is_skewed = bool(_CLOCKS & set(self.faults))
        given = replace(
            options,
            windows=self.faults,
            window_count=max(1, options.window_count),
            skew_ms_max=(options.skew_ms_max or SKEW_MS_MAX) if is_skewed else 0,
        )
        return with_windows(given)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one seed, small enough to be sent from one process to another."""

    seed: int
    operations: int
    virtual_s: float
    faults: dict[str, int]
    reached: dict[str, int]
    violations: list[str]
    digest: str


@dataclass(slots=True)
class Campaign:
    """What a campaign found."""

    world: World
    seeds: int = 0
    operations: int = 0
    virtual_s: float = 0.0
    real_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    """How many faults of each kind were played."""
    reached: Counter[str] = field(default_factory=Counter)
    """How often each situation came up."""
    reached_in: Counter[str] = field(default_factory=Counter)
    """In how many seeds."""
    failures: list[Outcome] = field(default_factory=list)

    @property
    def missed(self) -> list[str]:
        """Goals that should have been reached and were not."""
        if self.seeds < GOAL_SEEDS or not self.world.is_whole:
            return []
        return sorted(GOALS - self.reached.keys())

    @property
    def is_good(self) -> bool:
        """Whether nothing was violated and no goal missed."""
        return not self.failures and not self.missed

    def add(self, outcome: Outcome) -> None:
        """Count one seed."""
        self.seeds += 1
        self.operations += outcome.operations
        self.virtual_s += outcome.virtual_s
        self.faults.update(outcome.faults)
        self.reached.update(outcome.reached)
        self.reached_in.update(outcome.reached.keys())
        if outcome.violations:
            self.failures.append(outcome)


def run_campaign(
    world: World | None = None,
    *,
    seeds: int | None = None,
    minutes: float | None = None,
    first_seed: int = 0,
    failures_max: int = 1,
    jobs: int = 1,
    on_outcome: Callable[[Outcome], None] = lambda _: None,
) -> Campaign:
    """Play seeds from `first_seed` on until `seeds` of them, `minutes` or `failures_max` are over.

    With `jobs` above one, in so many processes; what is found is the same, but that a few seeds
    more may be played at the end. Raises ValueError if nothing bounds it.
    """
    if seeds is None and minutes is None:
        raise ValueError("say how many seeds or how many minutes")
    campaign = Campaign(world or World())
    clock = Runtime()
    begun_s = clock.monotonic()
    until_s = None if minutes is None else begun_s + 60 * minutes
    with closing(_rounds(campaign.world, _numbers(first_seed, seeds), jobs)) as rounds:
        for outcomes in rounds:
            for outcome in outcomes:
                campaign.add(outcome)
                on_outcome(outcome)
            now_s = clock.monotonic()
            campaign.real_s = now_s - begun_s
            is_late = until_s is not None and now_s >= until_s
            if is_late or len(campaign.failures) >= failures_max:
                break
    return campaign


def play_seed(world: World, seed: int) -> Outcome:
    """Play one seed; what of it a campaign counts."""
    run = play(world.script(seed), policy=world.policy)
    return Outcome(
        seed, len(run.script.steps), run.virtual_s, dict(run.faults), dict(run.reached),
        run.violations, run.digest,
    )  # fmt: skip


def _numbers(first: int, how_many: int | None) -> Iterator[int]:
    return count(first) if how_many is None else iter(range(first, first + how_many))


def _rounds(
    world: World, numbers: Iterator[int], jobs: int
) -> Generator[list[Outcome], None, None]:
    """Outcomes in the order of seeds, as many at a time as can be played between two looks."""
    if jobs == 1:
        for seed in numbers:
            yield [play_seed(world, seed)]
        return
    # Fresh processes: a fork would have this one's threads, locks and half-loaded modules.
    with get_context("spawn").Pool(jobs) as pool:
        while some := list(islice(numbers, jobs * _ROUND)):
            yield pool.starmap(play_seed, [(world, seed) for seed in some], chunksize=1)
