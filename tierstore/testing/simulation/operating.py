"""What operators do to machines and regions: they are moved, replaced, restored and copied."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from tierstore.errors import TierStoreError
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.nemesis import Nemesis
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.script import Fault
    from tierstore.testing.simulation.sites import Site

OPERATED = ("region restored", "machine moved", "leave", "ahead")
"""Kinds of faults that are somebody's work."""
CLOSE_S = 5.0
PATIENCE_S = 30
TIMEOUT_S = 10.0
AHEAD_NS = 3600 * NS_PER_S
"""How far a clock is ahead that nobody has set right."""
COPIED = 0.5
"""From this amount on a region is copied as it stands, and the copy goes on as another life."""


def operate(nemesis: Nemesis, cluster: Cluster, node: Node, fault: Fault) -> Callable[[], None]:
    """Begin what `fault` says; returns what ends it."""
    if fault.kind == "region restored":
        return _restore(nemesis, cluster, node.machine.site, fault)
    if fault.kind == "machine moved":
        return _move(nemesis, cluster, node)
    if fault.kind == "leave":
        return _leave(nemesis, cluster, node)
    clock = node.machine.clock
    clock.offset_ns = AHEAD_NS

    def set_right() -> None:
        clock.offset_ns = 0

    return set_right


def _restore(nemesis: Nemesis, cluster: Cluster, site: Site, fault: Fault) -> Callable[[], None]:
    is_copied = fault.amount >= COPIED
    backup = site.back_up() if not is_copied and is_quiet(cluster, site) else None

    def restore() -> None:
        is_possible = is_copied or backup is not None
        if not is_possible or not is_quiet(cluster, site) or nemesis.is_over:
            return
        with cluster.scheduler.at_once():
            before = site.records()
            cluster.actors.add(site.region.connect(TIMEOUT_S).actor)
            if backup is not None:
                site.restore(backup)
            site.region.reincarnate(TIMEOUT_S)
            cluster.reached["region restored without some rows"] += site.records() != before
        nemesis.note_restored(site)

    return restore


def is_quiet(cluster: Cluster, site: Site) -> bool:
    """Wait until no transaction is under way there; whether that came."""
    until_ns = cluster.scheduler.now_ns + PATIENCE_S * NS_PER_S
    while not site.is_quiet:
        if cluster.scheduler.now_ns > until_ns:
            return False
        cluster.scheduler.sleep(10 * NS_PER_MS)
    return True


def _move(nemesis: Nemesis, cluster: Cluster, node: Node) -> Callable[[], None]:
    """Stop a machine; what its disk has goes on elsewhere, and it never does again."""
    machine = node.machine
    ended = [other for other in cluster.nodes if other.machine is machine and other.is_up]
    for other in ended:
        other.crash()
    path = f"{machine.disk.path}+"
    if os.path.isdir(machine.disk.path):
        shutil.copytree(machine.disk.path, path)
        shutil.rmtree(machine.disk.path)
        machine.disk.path = path
        cluster.reached["journals went on at another machine"] += 1

    def start() -> None:
        for other in ended:
            nemesis.restart(other)

    return start


def _leave(nemesis: Nemesis, cluster: Cluster, node: Node) -> Callable[[], None]:
    """Let a process end in order, and another one come in its place."""
    if node.is_up and not node.is_leaving:
        life = node.life
        node.is_leaving = True
        task = cluster.scheduler.spawn(
            node.process, f"{life}/leave", lambda: _close(nemesis, cluster, node)
        )
        until_ns = cluster.scheduler.now_ns + int(2 * CLOSE_S * NS_PER_S)
        while not task.is_over and cluster.scheduler.now_ns < until_ns:
            cluster.scheduler.sleep(10 * NS_PER_MS)
        if node.life == life:
            node.crash()

    return lambda: nemesis.restart(node)


def _close(nemesis: Nemesis, cluster: Cluster, node: Node) -> None:
    asked = nemesis.history.invoke(f"{node.life}/leave", "flush")
    try:
        node.store.close(CLOSE_S)
    except TierStoreError as error:
        asked.fail(type(error).__name__)
        return
    if node.has_unflushed:
        asked.fail("some writes wait in the journal")
        return
    asked.ok()
    cluster.reached["process signed off"] += node.is_ephemeral
