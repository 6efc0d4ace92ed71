"""Where a policy has strong keys decided: in the region's database, or in another one."""

from __future__ import annotations

from tierstore.errors import PolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.policy.model import Policy, Rule
    from tierstore.policy.url import Url

REGIONAL = "regional"


def coordinator_url(policy: Policy) -> Url | None:
    """The url of the coordinator's database, None if that is the region's own."""
    url = policy.coordinator.url
    if url.template in (REGIONAL, policy.regional.url.template):
        return None
    revealed = _revealed(url)
    if revealed is not None and revealed in (REGIONAL, _revealed(policy.regional.url)):
        return None
    return url


def is_decided(rule: Rule) -> bool:
    """Whether keys of `rule` need a coordinator."""
    return rule.consistency == "strong" or rule.type == "bounded_counter"


def is_decided_elsewhere(policy: Policy, rule: Rule) -> bool:
    """Whether keys of `rule` lie in another database than the region's."""
    return is_decided(rule) and coordinator_url(policy) is not None


def _revealed(url: Url) -> str | None:
    """The url with what the environment has for it; None if that lacks something."""
    try:
        return url.reveal()
    except PolicyError:
        return None
