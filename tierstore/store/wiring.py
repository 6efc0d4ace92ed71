"""From a store's parts to what its verbs on strong keys need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.coordinator.central import Central
from tierstore.replica.cold import fetch
from tierstore.store.strong import Strong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.deadline import Deadline
    from tierstore.region.protocol import ReadReply
    from tierstore.replica.engine import Replica
    from tierstore.store.core import Core


def make_strong(core: Core) -> Strong:
    """The verbs on strong keys of a store whose coordinator is its region."""
    policy = core.policy
    central = make_central(core.replica)
    return Strong(central, core.runtime, policy.edge.capacity_bytes, policy.timeouts.regional_s)


def make_central(replica: Replica) -> Central:
    """The link to the coordinator, by that to the region."""

    def read(keys: Sequence[str], deadline: Deadline) -> ReadReply:
        return fetch(replica.state, list(keys), deadline)

    return Central(replica.state.link, read, replica.runtime)
