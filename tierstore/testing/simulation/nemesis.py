"""Faults that begin and end: each kind is how it begins, and how it is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.simulation.breaking import break_link
from tierstore.testing.simulation.linked import LINK_WINDOWS
from tierstore.testing.simulation.links import LinkProcess
from tierstore.testing.simulation.operating import OPERATED, operate
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.network import Weather
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.scheduler import Process
    from tierstore.testing.simulation.script import Fault
    from tierstore.testing.simulation.sites import Site
    from tierstore.testing.simulation.workload import Workload

STROBES = 20
CALLS_MAX = 24
"""Among how many of its next calls a process ends, where its end is not at a certain time."""
ROT_MS = 500
"""How often somebody looks for an object in which to flip a bit."""
SLOW_MS_MAX = 3000.0
HOUR_MS = 3_600_000
CUTS = frozenset(("refuse", "lose requests", "lose replies", "link cut"))


class Nemesis:
    """Plays the faults of a script, until it is told that they are over."""

    def __init__(self, cluster: Cluster, workload: Workload, faults: tuple[Fault, ...]) -> None:
        self._cluster = cluster
        self._workload = workload
        self.is_over = False
        self.history = workload.history
        self.restores: dict[str, int] = {}
        """By name of a region, when it was last restored from a backup, as another life."""
        self._kept: dict[str, list[tuple[str, int]]] = {}
        """By name of a region that was not restored since, what it had counted when another was."""
        self.power_cuts: list[tuple[int, str]] = []
        """When power was cut, and of which machine."""
        for fault in faults:
            cluster.scheduler.spawn(
                cluster.server,
                f"nemesis {fault.kind}",
                self._make(fault),
                int(fault.at_ms * NS_PER_MS),
            )

    def _make(self, fault: Fault) -> Callable[[], None]:
        def play() -> None:
            if self.is_over:
                return
            if fault.kind in LINK_WINDOWS:
                self._play_of_link(fault)
                return
            node = self._cluster.nodes[fault.node % len(self._cluster.nodes)]
            self._cluster.teller.note("nemesis", fault.kind, node.name)
            if not self._is_reached(fault, node):
                return
            self._cluster.played[fault.kind] += 1
            end = self._begin(fault, node)
            self._cluster.scheduler.sleep(int(fault.lasts_ms * NS_PER_MS))
            self._note_long(fault)
            if end is not None and not self.is_over:
                self._cluster.teller.note("nemesis", f"end of {fault.kind}", node.name)
                end()

        return play

    def _note_long(self, fault: Fault) -> None:
        if fault.lasts_ms > HOUR_MS and fault.kind in CUTS:
            self._cluster.reached["region out of reach for an hour"] += not self.is_over

    def _play_of_link(self, fault: Fault) -> None:
        cluster = self._cluster
        link = self._runner(fault.node)
        if link is None:
            return
        cluster.teller.note("nemesis", fault.kind, link.name)
        if fault.kind in ("link crash", "link pause"):
            self._wait_for_call(fault, link.process)
        if self.is_over:
            return
        cluster.played[fault.kind] += 1
        end = self._end_store(link) if fault.kind == "link crash" else None
        end = end or break_link(cluster, link, fault)
        cluster.scheduler.sleep(int(fault.lasts_ms * NS_PER_MS))
        self._note_long(fault)
        if not self.is_over:
            cluster.teller.note("nemesis", f"end of {fault.kind}", link.name)
            end()

    def _runner(self, number: int) -> LinkProcess | Node | None:
        """Who runs links, or would; one that does, where stores do."""
        cluster = self._cluster
        if not cluster.options.is_direct:
            return cluster.links[number % len(cluster.links)] if cluster.links else None
        nodes = [node for node in cluster.nodes if any(c.is_running for _, _, c in node.courses)]
        nodes = nodes or cluster.nodes
        return nodes[number % len(nodes)]

    def _end_store(self, link: LinkProcess | Node) -> Callable[[], None] | None:
        """End an edge process that runs links."""
        if isinstance(link, LinkProcess):
            return None
        is_held = any(course.is_running for _, _, course in link.courses)
        self._cluster.reached["store that ran a link ended"] += is_held
        return self._crash(link, power=False)

    def _is_reached(self, fault: Fault, node: Node) -> bool:
        """Wait for what a fault needs; whether it came, before everything was over."""
        scheduler = self._cluster.scheduler
        if fault.kind in ("crash", "power cut"):
            self._wait_for_call(fault, node.process)
        while fault.kind == "flip" and not node.machine.site.objects.flip_bit():
            if self.is_over or not any(family.is_tiered for family in self._cluster.families):
                return False
            scheduler.sleep(ROT_MS * NS_PER_MS)
        assert self._cluster.damaged is not None  # takes note of what is now
        return not self.is_over

    def _wait_for_call(self, fault: Fault, process: Process) -> None:
        """In half of all cases, wait until a process is at one of its next calls."""
        scheduler = self._cluster.scheduler
        if fault.amount >= 0.5:
            process.watcher = scheduler.current
            process.calls_left = 1 + int((2 * fault.amount - 1) * CALLS_MAX)
            scheduler.wait(scheduler.now_ns + int(fault.lasts_ms * NS_PER_MS))
            process.calls_left = 0

    def _begin(self, fault: Fault, node: Node) -> Callable[[], None] | None:
        """Begin a fault; returns what ends it."""
        if fault.kind in ("crash", "power cut"):
            return self._crash(node, power=fault.kind == "power cut")
        if fault.kind in ("refuse", "lose requests", "lose replies", "slow"):
            return _disturb(node.to_cold if fault.amount < 0.3 else node.to_region, fault)
        if fault.kind in ("skew", "jump", "strobe", "drift"):
            return self._shift_clock(node, fault)
        if fault.kind in ("clone", "restore"):
            return self._go_beyond(node, fault)
        if fault.kind in OPERATED:
            return operate(self, self._cluster, node, fault)
        return self._spoil(node, fault)

    def _crash(self, node: Node, *, power: bool) -> Callable[[], None] | None:
        """End a process, or all of its machine; they start again when the fault is over."""
        ended = [node]
        if power:
            ended = [other for other in self._cluster.nodes if other.machine is node.machine]
            self.power_cuts.append((self._cluster.scheduler.now_ns, node.machine.name))
        ended = [other for other in ended if other.is_up]
        disk, lost_bytes = node.machine.disk, node.machine.disk.lost_bytes
        image = disk.after_power_cut() if power else None
        for other in ended:
            other.crash()
        if image is not None:
            if disk.lost_bytes > lost_bytes:
                self._cluster.reached["power cut took a journal's end"] += 1
            disk.become(image)

        def start() -> None:
            for other in ended:
                self.restart(other)

        return start

    def restart(self, node: Node) -> None:
        """Begin a new life of a node that is down, and let its clients go on."""
        if not node.is_up and not self._cluster.is_dark:
            node.start()
            self._workload.start(node)

    def note_restored(self, site: Site) -> None:
        """Note that a region lives another life from now on, and what its peers have."""
        self.restores[site.name] = self._cluster.scheduler.now_ns
        self._kept[site.name] = []
        for other in self._cluster.sites:
            if other is not site:
                self._kept.setdefault(other.name, []).extend(other.sums())

    @property
    def kept(self) -> list[tuple[str, int]]:
        """Counters, and what peers of a restored region had counted, that must be there still."""
        return [found for each in self._kept.values() for found in each]

    def _shift_clock(self, node: Node, fault: Fault) -> Callable[[], None]:
        clock, scheduler = node.machine.clock, self._cluster.scheduler
        most_ns = self._cluster.options.skew_ms_max * NS_PER_MS
        if fault.kind == "drift":
            most_ns = 100 * NS_PER_S
        offset_ns = int((2 * fault.amount - 1) * most_ns)
        clock.offset_ns = offset_ns
        if fault.kind == "strobe":
            for turn in range(STROBES):
                scheduler.sleep(int(fault.lasts_ms * NS_PER_MS / STROBES))
                clock.offset_ns = 0 if turn % 2 else offset_ns

        def set_right() -> None:
            clock.offset_ns = 0

        return set_right if fault.kind != "jump" else lambda: None

    def _spoil(self, node: Node, fault: Fault) -> Callable[[], None] | None:
        """Faults of disks, and of a process that is stopped for a while."""
        cluster, disk = self._cluster, node.machine.disk
        objects = node.machine.site.objects
        if fault.kind == "pause":
            node.process.paused_until_ns = cluster.scheduler.now_ns + int(
                fault.lasts_ms * 10 * NS_PER_MS
            )
            return None
        if fault.kind == "flip":
            return None  # it has happened
        if fault.kind == "cold torn":
            return _raise(objects, "is_torn", 1)
        spoiled = objects if fault.kind.startswith("cold") else disk
        if fault.kind.endswith("full"):
            return _raise(spoiled, "is_full", 1)
        return _raise(spoiled, "slow_ms", fault.amount * SLOW_MS_MAX)

    def _go_beyond(self, node: Node, fault: Fault) -> Callable[[], None] | None:
        """What is outside of the promises so far: see STRONGER_FAULTS."""
        cluster = self._cluster
        if fault.kind == "clone":
            cluster.clone(node)
            return None
        backup = cluster.back_up()

        def restore() -> None:
            running = [other for other in cluster.nodes if other.is_up]
            for process in cluster.processes:
                process.crash()
            cluster.restore(backup)
            for other in running:
                self.restart(other)
            for link in cluster.links:
                link.start()

        return restore


def _disturb(weather: Weather, fault: Fault) -> Callable[[], None]:
    """Make the way to a tier worse; returns what makes it better again."""
    field = {
        "refuse": "refuses",
        "lose requests": "loses_requests",
        "lose replies": "loses_replies",
        "slow": "slow_ms",
    }[fault.kind]
    amount = fault.amount * SLOW_MS_MAX if fault.kind == "slow" else 1
    return _raise(weather, field, amount)


def _raise(thing: Any, field: str, amount: float) -> Callable[[], None]:
    """Make a figure higher; returns what takes that back. Several faults may do so at once."""
    setattr(thing, field, getattr(thing, field) + amount)

    def take_back() -> None:
        setattr(thing, field, getattr(thing, field) - amount)

    return take_back
