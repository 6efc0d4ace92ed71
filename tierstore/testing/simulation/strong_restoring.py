"""An operator who restores the region of strong keys from a backup, as another life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.region.lives import BATCHES, PEERS
from tierstore.testing.simulation.operating import is_quiet
from tierstore.testing.simulation.scheduler import NS_PER_MS
from tierstore.testing.simulation.strong_lives import Restore
from tierstore.values import decode

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.sites import Site
    from tierstore.testing.simulation.strong_world import StrongWorkload

LATER_MS_MAX = 4000
ROWS_MAX = 10_000
TIMEOUT_S = 10.0


def let_restore(cluster: Cluster, workload: StrongWorkload, chance: Chance) -> None:
    """Let the region be restored once or twice while clients are at work."""

    def play() -> None:
        for _ in range(chance.choice((1, 1, 2))):
            cluster.scheduler.sleep(int(chance.random() * LATER_MS_MAX * NS_PER_MS))
            after_ns = int(chance.random() * LATER_MS_MAX * NS_PER_MS)
            _restore(cluster, workload, after_ns, chance.choice((PEERS, BATCHES)))

    cluster.scheduler.spawn(cluster.server, "operator", play)


def _restore(cluster: Cluster, workload: StrongWorkload, after_ns: int, regains: str) -> None:
    site, told, history = cluster.sites[0], workload.told, workload.history
    if not _is_possible(cluster, workload):
        return
    with cluster.scheduler.at_once():
        site.region.connect(TIMEOUT_S)
        backup, known, backed_up = site.back_up(), told.known(), len(history)
    cluster.scheduler.sleep(after_ns)
    if not _is_possible(cluster, workload):
        return
    with cluster.scheduler.at_once():
        before = _values(site)
        site.restore(backup)
        site.region.reincarnate(TIMEOUT_S, regains)
        values = _values(site)
        cluster.reached["region restored without some commits"] += values != before
        restore = Restore(backed_up, len(history), values)
        told.note_restored(known, restore, cluster.scheduler.now_ns)


def _is_possible(cluster: Cluster, workload: StrongWorkload) -> bool:
    """Wait until the region can be taken down; whether that makes sense still."""
    return is_quiet(cluster, cluster.sites[0]) and not cluster.is_dark and not workload.is_done


def _values(site: Site) -> dict[str, Any]:
    """What keys hold now."""
    now_ms = site.clock.time_ns() // NS_PER_MS
    page = site.region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
    records = {row.key: row.record for row in page.rows}
    live = {key: record for key, record in records.items() if record.is_live(now_ms)}
    return {key: decode(record.payload or b"") for key, record in live.items()}
