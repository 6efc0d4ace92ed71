"""Simulated processes that run the links between regions: they end, and others go on."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise, permutations
from typing import TYPE_CHECKING, Any

from tierstore.errors import FencedError, OutcomeUnknownError, PolicyError, TierStoreError
from tierstore.linking.ends import KEYS_MAX, End
from tierstore.linking.linking import Linking
from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.network import RemoteTier, Weather, Wire
from tierstore.testing.simulation.options import Rates
from tierstore.testing.simulation.runtime import SimulatedRuntime
from tierstore.testing.simulation.scheduler import NS_PER_MS, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierstore.linking.linking import Course
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.options import Options
    from tierstore.testing.simulation.sites import Site
    from tierstore.tiers.cold import ColdReply

CALLS_A_STEP = 5


def pairs_of(options: Options) -> list[tuple[int, int]]:
    """Which regions are linked, (source, target) by number: each with each, or a chain of them."""
    numbers = range(options.regions)
    if not options.is_chain:
        return list(permutations(numbers, 2))
    return [pair for one, other in pairwise(numbers) for pair in ((one, other), (other, one))]


class LinkProcess:
    """A process that runs links between all regions, in all its lives."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.name = name
        rates = lessened(cluster.options.rates)
        self.weathers = {site.name: Weather(rates=rates) for site in cluster.sites}
        self.lives = 0
        self.process = Process(name)
        self.linking: Linking | None = None
        self.is_lost = False
        self._cluster = cluster
        self._ending: list[Process] = []
        """Those that were told to end, and may still be at it."""

    @property
    def is_up(self) -> bool:
        """Whether the process runs."""
        return self.linking is not None

    @property
    def life(self) -> str:
        """The name of the present life."""
        return f"{self.name}.{self.lives}"

    def start(self) -> None:
        """Begin a life, if there is none, with what the regions know of the last one."""
        if self.linking is None:
            self.lives += 1
            self.process = Process(self.life)
            self.linking = open_links(self._cluster, self.process, self.weathers)
            run = self._make_run(self.linking, self.process)
            self._cluster.scheduler.spawn(self.process, f"{self.life}/link", run)

    def crash(self) -> None:
        """End the process where it stands. For the program around the tasks, and other tasks."""
        self.stop()
        while self._ending:
            process = self._ending.pop()
            process.is_dead = True
            for site in self._cluster.sites:
                site.close_of(process)
            self._cluster.scheduler.end(process)

    def stop(self) -> None:
        """Let the process end in order, when the step under way is over."""
        if self.linking is not None:
            self.linking = None
            self._ending.append(self.process)

    def stop_faults(self) -> None:
        """Let everything of this process work again; it may still be down."""
        for weather in self.weathers.values():
            weather.clear()
        self._cluster.scheduler.resume(self.process)

    def _make_run(self, linking: Linking, process: Process) -> Callable[[], None]:
        cluster = self._cluster

        def run() -> None:
            while self.linking is linking:
                watched = [(course, course.link.cursor, course.link.tally.joined)
                           for course in linking.courses]  # fmt: skip
                try:
                    linking.step()
                except TierStoreError as error:
                    self._note_error(process.name, error)
                for course, cursor, joined in watched:
                    self._note(course, cursor, joined)
                cluster.scheduler.sleep(cluster.options.pull_ms * NS_PER_MS)
            linking.close()

        return run

    def _note_error(self, life: str, error: TierStoreError) -> None:
        """What no fault here explains is a violation."""
        is_told = "restore" in self._cluster.options.windows
        if isinstance(error, (FencedError, PolicyError)) and not is_told:
            self._cluster.broken.append(f"a link of {life} was refused: {error}")
        if isinstance(error, OutcomeUnknownError) and ".join:" in str(error):
            self._cluster.reached["join done or not, its answer lost"] += 1

    def _note(self, course: Course, cursor: int, joined: int) -> None:
        """Count the situations that a step came to."""
        reached, link = self._cluster.reached, course.link
        if not course.is_running:
            return
        if link.cursor > cursor and link.tally.joined == joined and link.current_s is not None:
            reached["what came back was not read again"] += 1


def lessened(rates: Rates) -> Rates:
    """A step of a link takes many calls, and waits for long if one fails."""
    values = {name: rate / CALLS_A_STEP for name, rate in asdict(rates).items()}
    return Rates(**values)


def open_links(cluster: Cluster, process: Process, weathers: Mapping[str, Weather]) -> Linking:
    """All links of `cluster`, as `process` runs them over ways of its own."""
    chance = Chance(cluster.seed, "link", process.name)
    runtime = SimulatedRuntime(
        cluster.scheduler, process, cluster.sites[0].clock, chance, cluster.reached, cluster.broken
    )
    ends = [_end(cluster, process, runtime, site, weathers[site.name]) for site in cluster.sites]
    return Linking(
        [(ends[source], ends[target]) for source, target in pairs_of(cluster.options)],
        runtime,
        max_drift_s=cluster.policy.replication.max_drift_s,
        repair_s=cluster.options.repair_s,
    )


def _end(
    cluster: Cluster, process: Process, runtime: SimulatedRuntime, site: Site, weather: Weather
) -> End:
    from tierstore.tiers.cold import ColdReader  # with a cache that not everybody has

    tier = reach_site(cluster, process, runtime, site, weather)
    watch_claims(cluster, tier, process.name, site)
    rows = cluster.options.page_rows
    shorten(tier, rows)
    cold = ColdReader(site.objects, runtime=runtime)
    timeouts = cluster.policy.timeouts

    def read_cold(rows: dict[str, Row], timeout_s: float) -> ColdReply:
        cluster.reached["row in an object taken over"] += 1
        return cold.read(rows, timeout_s)

    end = End(site.name, lambda: tier, timeouts.regional_s, read_cold, timeouts.cold_s)
    end._portion = min(end._portion, rows)
    return end


def reach_site(
    cluster: Cluster, process: Process, runtime: Runtime, site: Site, weather: Weather
) -> Any:
    """The region of `site`, as `process` reaches it."""
    chance = Chance(cluster.seed, "wire", process.name, site.name)
    wire = Wire(
        cluster.scheduler, process, cluster.server, chance, weather,
        cluster.options.latency_ms_max, cluster.teller, cluster.played,
    )  # fmt: skip
    return RemoteTier(site.open(process, runtime), site.name, wire, site.region)


def watch_claims(cluster: Cluster, tier: Any, life: str, site: Site) -> None:
    """Note who runs the links to `site`; where no lease holds, everybody does."""
    if not cluster.options.is_leased:
        tier.__dict__["claim"] = lambda *_: True
        return
    claim = tier.claim

    def watched(region: str, linker: int, ttl_ms: int, timeout_s: float) -> bool:
        is_held: bool = claim(region, linker, ttl_ms, timeout_s)
        if is_held and ttl_ms:
            before = cluster.runners.get((site.name, region), life)
            cluster.runners[site.name, region] = life
            how = "a store" if cluster.options.is_direct else "another process"
            cluster.reached[f"link taken over by {how}"] += before != life
        return is_held

    tier.__dict__["claim"] = watched


def shorten(tier: Any, rows: int) -> None:
    """Let links get pages of so many rows."""
    for verb, place in (("changes", 1), ("scan", 2), ("fingerprint", 2)):
        tier.__dict__[verb] = _shortened(getattr(tier, verb), place, rows)


def _shortened(call: Callable[..., Any], place: int, rows: int) -> Callable[..., Any]:
    """`call` with a page of `rows` where it asks for a whole one, in the argument at `place`."""

    def shortened(*arguments: Any) -> Any:
        given = list(arguments)
        if given[place] == KEYS_MAX:
            given[place] = rows
        return call(*given)

    return shortened
