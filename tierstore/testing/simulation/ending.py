"""The end of a run: what was broken works again, things settle, and everything is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import CorruptionError, TierStoreError
from tierstore.linking.link import RENEW_S
from tierstore.testing.simulation import (
    converging,
    forgetting,
    invariants,
    progress,
    registers,
    settled,
    typed,
)
from tierstore.testing.simulation.converging import QUIET_S
from tierstore.testing.simulation.deeds import Typed
from tierstore.testing.simulation.doubting import Doubts
from tierstore.testing.simulation.knowledge import Facts
from tierstore.testing.simulation.operating import AHEAD_NS
from tierstore.testing.simulation.options import RETAIN_S
from tierstore.testing.simulation.scheduler import NS_PER_S

if TYPE_CHECKING:
    from tierstore.store.store import Store
    from tierstore.testing.history import History
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.nemesis import Nemesis
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.workload import Workload

MS_PER_S = 1000
SETTLE_S = 40
"""Longer than the longest back-off of background steps."""
MORE_MAX = 3
"""How often that is waited for again, as long as a journal of a dead process has a long queue."""
SWEEP_S = 30 + 3 * RETAIN_S
"""With it, longer than the lease of a mover that died, and than the retention after that."""
PATIENCE_S = 30
"""Within which everything that is asked for at the end has to be done."""
QUIET_TRIES, QUIET_TRY_S = 100, 0.1


def settle_and_check(
    cluster: Cluster, workload: Workload, nemesis: Nemesis, core_names: list[str]
) -> list[str]:
    """What must not be, after healing the nodes of `core_names`; empty if all is well."""
    core = [node for node in cluster.nodes if node.name in core_names]
    past = converging.remember(cluster)
    if left := _settle(cluster, workload, nemesis, core):
        return left
    facts = Facts.of(workload.history, cluster, nemesis, core_names)
    if len(cluster.sites) > 1:
        facts.leave_out(cluster.damaged)
    kept = () if cluster.options.is_mortal or cluster.options.horizon_s else nemesis.kept
    doubts = Doubts(facts, nemesis.restores, kept)
    doubts.apply()
    _let_statements_end(cluster)
    done = progress.check(cluster, core)
    found = [
        *registers.check(facts), *_check_typed(cluster, workload, facts, doubts),
        *converging.check(cluster), *invariants.check(cluster, core), *workload.excesses, *done,
        *workload.followed(core),
    ]  # fmt: skip
    return found or converging.mend(cluster, past)


def _settle(cluster: Cluster, workload: Workload, nemesis: Nemesis, core: list[Node]) -> list[str]:
    """Heal the nodes of `core`, and let come to rest what has to; what did not is told."""
    _heal(cluster, workload, nemesis, core)
    _pass_time(cluster, SETTLE_S)
    for _ in range(MORE_MAX):
        if progress.is_drained(core):
            break
        _pass_time(cluster, SETTLE_S)
    if any(family.is_tiered for family in cluster.families):
        _pass_time(cluster, SWEEP_S)
    left = sorted(
        f"{node.name} still has {unflushed} writes that did not reach the region"
        for node in core
        if (unflushed := _unflushed(node))
    )
    left += _do_finally(cluster, workload, core, "flush")
    if nemesis.restores and len(cluster.sites) > 1:
        _pass_time(cluster, RENEW_S + QUIET_S)  # a link that has nothing to do looks no sooner
    if cluster.options.forgets_s:
        forgetting.cease()
        _pass_time(cluster, 3 * cluster.options.forgets_s)
    left += converging.rest(cluster) or converging.level(cluster)
    _let_come(cluster)
    left += _do_finally(cluster, workload, core, "look")
    workload.let_go()
    left += _do_finally(cluster, workload, core, "follow")
    return left


def _heal(cluster: Cluster, workload: Workload, nemesis: Nemesis, core: list[Node]) -> None:
    """Let everything work again that is not lost for good."""
    cluster.stop_faults()
    for node in core:
        if node.is_leaving:
            node.crash()
        nemesis.restart(node)
        _spawn_final(cluster, workload, node, "open")
    for link in cluster.links:
        link.start()


def _let_come(cluster: Cluster) -> None:
    """Pass the time until held writes are in the rows, and what is in the rows at the edges."""
    if "ahead" in cluster.options.windows:
        _pass_time(cluster, AHEAD_NS / NS_PER_S + SETTLE_S)
        converging.rest(cluster)
    if cluster.options.pull_ms > MS_PER_S:
        _pass_time(cluster, 3 * cluster.options.pull_ms / MS_PER_S)


def _let_statements_end(cluster: Cluster) -> None:
    """Pass the time until a check meets nobody's lock."""
    for _ in range(QUIET_TRIES):
        if all(site.is_quiet for site in cluster.sites):
            return
        _pass_time(cluster, QUIET_TRY_S)


def _check_typed(cluster: Cluster, workload: Workload, facts: Facts, doubts: Doubts) -> list[str]:
    history, watch = workload.history.operations(), workload.watch
    told = Typed.of(history, cluster.families, 2 * cluster.options.horizon_s * NS_PER_S or None)
    if len(cluster.sites) > 1:
        told.leave_out(cluster.damaged)  # another region has what can be read of them there
    if cluster.has_retired or cluster.options.is_mortal:
        # What a retired replica had acknowledged is the operator's now; and what one region added
        # ends with a generation that another had ended already.
        told.doubt()
    if doubts.restores:
        told.doubt(doubts.is_certain)
    found = typed.check(facts, told, cluster.reached)
    is_doubtful = bool(doubts.restores)
    found += settled.check(cluster, facts, told, watch, history, is_doubtful=is_doubtful)
    return [*found, *doubts.check(told), *watch.oddities]


def _do_finally(cluster: Cluster, workload: Workload, core: list[Node], what: str) -> list[str]:
    """Let every node of the core do its last; says who did not get it done."""
    tasks = [_spawn_final(cluster, workload, node, what) for node in core]
    until_ns = cluster.scheduler.now_ns + PATIENCE_S * NS_PER_S
    cluster.scheduler.run(until_ns, lambda: all(task.is_over for task in tasks))
    return [
        f"{node.name} did not get through its last {what!r} in {PATIENCE_S} s"
        for node, task in zip(core, tasks, strict=True)
        if not task.is_over
    ]


def _spawn_final(cluster: Cluster, workload: Workload, node: Node, what: str) -> Any:
    name = f"{node.life}/final"
    history, store = workload.history, node.store

    def open_store() -> None:
        try:
            store.flush(PATIENCE_S)
            store.get(cluster.families[0].keys[0], timeout=PATIENCE_S)  # background begins with use
        except TierStoreError as error:
            cluster.teller.note(name, "open", repr(error))

    def flush() -> None:
        asked = history.invoke(name, "flush")
        store.flush(PATIENCE_S)
        asked.ok()

    def look() -> None:
        for family in cluster.families:
            for key in family.keys:
                _look(cluster, history, store, name, key)

    def follow() -> None:
        workload.follow(node, store)

    work = {"open": open_store, "flush": flush, "look": look, "follow": follow}[what]
    return cluster.scheduler.spawn(node.process, name, work)


def _look(cluster: Cluster, history: History, store: Store, name: str, key: str) -> None:
    """Look at `key` as it is here, then as it is in the region."""
    for verb, bound in (("copy", {}), ("final", {"max_age": 0.0})):
        asked = history.invoke(name, verb, key)
        try:
            asked.ok(store.get(key, timeout=PATIENCE_S, **bound))
        except CorruptionError:
            if not cluster.has_rotted:
                raise
            asked.fail("CorruptionError")


def _pass_time(cluster: Cluster, duration_s: float) -> None:
    cluster.scheduler.run(cluster.scheduler.now_ns + int(duration_s * NS_PER_S))


def _unflushed(node: Node) -> int:
    return node.store._core.replica.state.outbox.unflushed


def dump(cluster: Cluster) -> dict[str, str]:
    """What each node, region and cold tier hold, for people."""
    texts = {node.name: _dump_node(node) for node in cluster.nodes if node.is_up}
    for site in cluster.sites:
        page = site.region.scan("", None, 1000, False, True, 0, 10.0)
        texts[site.name] = "\n".join(map(repr, page.rows))
        blobs = sorted(site.objects.blobs.items())
        cold = site.name.replace("region", "cold")
        texts[cold] = "\n".join(f"{name} {len(blob)} bytes" for name, blob in blobs)
    return texts


def _dump_node(node: Node) -> str:
    state = node.store._core.replica.state
    lines = [f"replica {state.replica}, cursor {state.cursor}, clock {state.clock.last}"]
    for key, entry in sorted(state.edge.resident.items()):
        told = f"{entry.value!r:.60} stamp {entry.stamp} of {entry.replica} until"
        lines.append(f"{key}: {told} {entry.expires_at}, dirty {entry.dirty}")
    return "\n".join(lines)
