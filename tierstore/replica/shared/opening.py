"""Making a worker's engine, and what its edge's server must do for the rules."""

from __future__ import annotations

from tierstore.policy.faults import Fault, policy_error
from tierstore.replica.shared.engine import SharedReplica
from tierstore.replica.shared.link import EdgeLink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.policy.model import Policy, Rule
    from tierstore.region.shared import EdgeInfo, SharedEdge
    from tierstore.replica.cold import ColdLink
    from tierstore.replica.engine import Replica
    from tierstore.replica.link import RegionSource
    from tierstore.replica.schedule import Step
    from tierstore.runtime import Runtime, Watermark


def shared_replica(
    policy: Policy,
    runtime: Runtime,
    source: RegionSource,
    make_edge: Callable[[], SharedEdge],
    rule_for: Callable[[str], Rule],
    cold: ColdLink,
    more_steps: Callable[[Replica], list[Step]],
    issued: Watermark | None,
) -> SharedReplica:
    """A worker of the edge that `make_edge` makes. Connects to nothing yet."""

    def link() -> EdgeLink:
        return EdgeLink(
            make_edge, runtime, policy.timeouts.edge_s, lambda info: require_honoured(policy, info)
        )

    return SharedReplica(policy, runtime, source, link, rule_for, cold, more_steps, issued)


def require_honoured(policy: Policy, info: EdgeInfo) -> None:
    """Raise PolicyError, naming rules and server, if it may lose what a rule calls journaled."""
    if info.is_durable:
        return
    declared = policy.rules[:-1]
    is_covered = any("**" in rule.match for rule in declared)  # then nothing meets the implicit one
    found = [
        Fault(
            f"rules[{rule.index}].durability",
            f"journal ({rule.name}) needs an edge server that loses nothing; {info.version}"
            f" counts as memory: {info.why}; declare memory or regional, or set the server up",
        )
        for rule in (declared if is_covered else policy.rules)
        if rule.durability == "journal" and rule.consistency == "eventual"
    ]
    if found:
        raise policy_error(policy.source, found)
