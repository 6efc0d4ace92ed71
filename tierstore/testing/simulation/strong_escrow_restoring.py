"""An operator who restores the coordinator of bounded counters from a backup, as another life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.lives import BATCHES, PEERS
from tierstore.testing.simulation.operating import is_quiet
from tierstore.testing.simulation.scheduler import NS_PER_MS

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.strong_escrow import SellingWorkload

SHARE = 0.3
"""How many worlds have one."""
LATER_MS_MAX = 6000
TIMEOUT_S = 10.0


def let_restore(cluster: Cluster, workload: SellingWorkload, chance: Chance) -> None:
    """Let the coordinator be restored once or twice while there is something to sell."""

    def play() -> None:
        for _ in range(chance.choice((1, 1, 2))):
            cluster.scheduler.sleep(int(chance.random() * LATER_MS_MAX * NS_PER_MS))
            after_ns = int(chance.random() * LATER_MS_MAX * NS_PER_MS)
            _restore(cluster, workload, after_ns, chance.choice((PEERS, BATCHES)))

    cluster.scheduler.spawn(cluster.server, "operator of escrow", play)


def _restore(cluster: Cluster, workload: SellingWorkload, after_ns: int, regains: str) -> None:
    site, books = cluster.sites[0], workload.books
    if not is_quiet(cluster, site) or workload.is_done:
        return
    with cluster.scheduler.at_once():
        site.region.connect(TIMEOUT_S)
        backup, known = site.back_up(), books.known()
    cluster.scheduler.sleep(after_ns)
    if not is_quiet(cluster, site) or workload.is_done:
        return
    with cluster.scheduler.at_once():
        before = books.ledgers()
        site.restore(backup)
        site.region.reincarnate(TIMEOUT_S, regains)
        cluster.reached["coordinator restored without some sales"] += books.ledgers() != before
        books.note_restored(known)
