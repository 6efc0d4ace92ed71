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
    from tierstore.store.core import Core


def make_strong(core: Core) -> Strong:
    """The verbs on strong keys of a store whose coordinator is its region."""
    replica, runtime = core.replica, core.runtime

    def read(keys: Sequence[str], deadline: Deadline) -> ReadReply:
        return fetch(replica.state, list(keys), deadline)

    central = Central(replica.state.link, read, runtime)
    policy = core.policy
    return Strong(central, runtime, policy.edge.capacity_bytes, policy.timeouts.regional_s)
