"""The replica by which a process works on the coordinator's database, where that is another one.

It has no copies and no journal, and writes nothing but commits, which do not wait for a flush. What
it does is what a region needs of its replicas: it is registered, hears of what is forgotten, tells
what its reads say of heat, and takes its turn at moving keys.
"""

from __future__ import annotations

from tierstore.replica.engine import Replica

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.policy.model import Policy, Rule
    from tierstore.replica.cold import ColdLink
    from tierstore.replica.link import RegionSource
    from tierstore.replica.schedule import Step
    from tierstore.replica.state import ReplicaState
    from tierstore.runtime import Runtime

NAME = "the coordinator"


class CoordinatorReplica(Replica):
    """One process at the coordinator. Contacts it at the first strong verb, or in `maintain`."""

    def __init__(
        self,
        policy: Policy,
        runtime: Runtime,
        source: RegionSource,
        rule_for: Callable[[str], Rule],
        cold: ColdLink,
        more_steps: Callable[[Replica], list[Step]],
    ) -> None:
        super().__init__(policy, runtime, source, None, rule_for, cold, more_steps)

    def _build(self, state: ReplicaState) -> None:
        super()._build(state)
        state.link.rename(NAME)
