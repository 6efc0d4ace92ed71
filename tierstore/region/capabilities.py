"""What an adapter can do, declared so that a policy that needs more is refused at load."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The abilities of one adapter. A policy that needs a missing one is refused."""

    durable: bool = True
    """What it acknowledged survives the end of its process."""
    shared: bool = True
    """Several processes may use it at once."""
    cas: bool = False
    """Compare-and-set of one key."""
    conditional_put: bool = False
    """Create only if absent, whoever else creates at the same time. Without it a name that is taken
    is refused all the same, unless both come at once."""
    ordered_scan: bool = False
    """Keys can be listed in byte order from any key on."""
    ttl: bool = False
    """The backend can drop expired entries by itself."""
    feed_notify: bool = False
    """Changes wake waiting readers; without it they poll."""
    value_bytes_max: int | None = None
    """The largest value, None for no bound of its own."""
