"""Simulated clusters of strong keys, each in need of another part of what is promised."""

from __future__ import annotations

from dataclasses import dataclass, field

from tierstore.testing.simulation.strong_wider import Features
from tierstore.testing.simulation.strong_world import play_strong


@dataclass(frozen=True, slots=True)
class StrongWorld:
    """A simulated cluster whose clients do these deeds."""

    name: str
    deeds: tuple[str, ...]
    features: Features = field(default_factory=Features)

    def run(self, seed: int) -> list[str]:
        """What was violated in the world of `seed`."""
        return play_strong(seed, deeds=self.deeds, operations=60, features=self.features).violations


VERSIONS = StrongWorld("versions", ("cas", "cas", "register"))
AGES = StrongWorld("strong copies", ("aged", "aged", "register"))
BANK = StrongWorld("bank", ("transfer", "transfer", "audit"))
PLACES = StrongWorld("two absent places", ("skew",))
FENCED = StrongWorld("fenced", ("lease",))
NUMBERS = StrongWorld("numbers", ("number",))
NAMED = StrongWorld("named operations", ("named",))
REUSED = StrongWorld("names used again", ("reuse",))
EXPIRING = StrongWorld("expiring and compared", ("expire",))
DOUBTED = StrongWorld("commits in doubt", ("unknown",))
RESTORED_VERSIONS = StrongWorld(
    "restored versions", ("cas", "cas", "register"), Features(is_restored=True)
)
RESTORED_LEASES = StrongWorld("restored leases", ("lease",), Features(is_restored=True))
RESTORED_NAMES = StrongWorld("restored operations", ("named",), Features(is_restored=True))
RESTORED_NUMBERS = StrongWorld("restored sequences", ("number",), Features(is_restored=True))
UNPOWERED = StrongWorld("power cuts", ("register", "cas", "named"), Features(is_file=True))
CHILLED = StrongWorld("cold strong keys", ("chilled", "create", "lull"), Features(is_cold=True))
HOURS = StrongWorld("hours", ("long_ago",), Features(is_long=True))
