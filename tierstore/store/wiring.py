"""From a store's parts to what its verbs on strong keys need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.coordinator.central import Central
from tierstore.coordinator.figures import Figures
from tierstore.replica.cold import fetch
from tierstore.store.strong import Strong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.deadline import Deadline
    from tierstore.region.protocol import ReadReply
    from tierstore.replica.engine import Replica
    from tierstore.replica.state import ReplicaState
    from tierstore.store.core import Core


def make_strong(core: Core) -> Strong:
    """The verbs on strong keys of a store."""
    policy, coordinator = core.policy, core.homes.coordinator
    coordinator.start()  # it has to be heard of, and to take its turn at moving
    central = make_central(coordinator)
    return Strong(central, core.runtime, policy.edge.capacity_bytes, policy.timeouts.regional_s)


def make_central(replica: Replica) -> Central:
    """The link to the coordinator, by that of the replica of its database."""

    def read(keys: Sequence[str], deadline: Deadline) -> ReadReply:
        return fetch(replica.state, list(keys), deadline)

    return Central(replica.state.link, read, replica.runtime, figures_of(replica.state))


def figures_of(state: ReplicaState) -> Figures:
    """What is counted of all that is asked by this link."""
    if state.figures is None:
        state.figures = Figures()
    found: Figures = state.figures
    return found
