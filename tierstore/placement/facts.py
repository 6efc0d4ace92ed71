"""What `decide` looks at."""

from __future__ import annotations

from tierstore.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    from tierstore.policy.model import TierName

    Home = Literal["regional", "cold"]

_NO_PRICES: Mapping[str, Any] = {}


@frozen
class Facts:
    """What is known of a key; counts are decayed to now.

    `reads` and `writes` are as this edge counts them, with `heat.edge_half_life_s`;
    `home_accesses` are both, as the directory counts them, with `heat.cold_half_life_s`.
    """

    size_bytes: int
    """Key plus encoded value."""
    home: Home
    """Where the payload stands."""
    home_age_s: float
    """Seconds since the payload entered that tier."""
    has_moved: bool = False
    """Whether it has changed its tier before, or is thought to have."""
    is_dead: bool = False
    """Deleted or expired."""
    is_resident: bool = False
    """Whether this edge holds a copy."""
    edge_age_s: float = 0.0
    """Seconds since that copy was made, if there is one."""
    reads: float = 0.0
    writes: float = 0.0
    home_accesses: float = 0.0
    prices: Mapping[str, Any] = _NO_PRICES
    """The policy's; not used yet."""
    barred: tuple[TierName, ...] = ()
    """Tiers outside the rule's residency, see `policy.model.barred_tiers`."""
