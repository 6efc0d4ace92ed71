"""What worlds of strong keys have apart from faults: restores, files, cold keys, hours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tierstore.policy import load
from tierstore.testing.simulation import strong_elsewhere
from tierstore.testing.simulation.options import Options, Rates

if TYPE_CHECKING:
    from tierstore.policy.model import Policy
    from tierstore.runtime.chance import Chance

LATE_MS_MAX = 2 * 3_600_000
"""In worlds of hours calls arrive that late, which is longer than operation ids are good for."""
_COLD = {
    "hotness": {"cold": "30/min", "half_life": "1s", "hysteresis": 1.5},
    "min_residency": {"edge": "0s", "regional": "300ms"},
}
KINDS = ("plain", "plain", "restored", "restored", "restored", "cold", "cold", "long")
FILES = 0.3
"""How often the region is a file."""
FILES_OF_HOURS = 0.05
"""The same where hours pass, which takes long in a file."""
DEEDS_COLD = ("chilled", "chilled", "chilled", "create", "create", "lull")
DEEDS_HOURS = ("long_ago",) * 6


@dataclass(frozen=True, slots=True)
class Features:
    """What a world has; nothing of this: one region in memory, for seconds."""

    is_restored: bool = False
    """Whether the region is restored from a backup, as another life."""
    is_file: bool = False
    """Whether the region is a file in SQLite, on a machine whose power fails."""
    is_cold: bool = False
    """Whether keys go cold."""
    is_long: bool = False
    """Whether calls arrive hours late, and clients come back after hours."""

    is_elsewhere: bool = False
    """Whether eventual keys are in another database, which fails apart from this one."""

    @property
    def deeds(self) -> tuple[str, ...]:
        """What clients do besides."""
        deeds = DEEDS_COLD * self.is_cold + DEEDS_HOURS * self.is_long
        return deeds + strong_elsewhere.DEEDS * self.is_elsewhere

    @property
    def kinds(self) -> tuple[str, ...]:
        """What there is, in words."""
        names = {"restored": self.is_restored, "file": self.is_file, "cold": self.is_cold,
                 "hours": self.is_long, "elsewhere": self.is_elsewhere}  # fmt: skip
        return tuple(name for name, is_there in names.items() if is_there) or ("plain",)

    @property
    def policy(self) -> Policy:
        """That of all nodes."""
        rule = {"name": "strong", "match": "**", "consistency": "strong"}
        beside = [strong_elsewhere.RULE] if self.is_elsewhere else []
        given: dict[str, object] = {
            "version": 1,
            "tiers": {"edge": {"url": "memory://"}},
            "rules": [*beside, rule | _COLD if self.is_cold else rule],
        }
        if self.is_cold:
            given |= {"movement": {"interval": "500ms"}, "cold": {"retain": "8s"}}
        if self.is_long:
            given |= {
                "replication": {"pull": "10m", "flush": "10m"},
                "movement": {"interval": "10m"},
            }
        return load(given)

    def fit(self, options: Options, chance: Chance) -> Options:
        """`options`, as far as this allows them."""
        if self.is_file:
            statement = chance.choice((0.0, 0.0, 0.01))
            options = replace(
                options,
                region="sqlite",
                machines=1,  # on which the file is: a clock that jumps would be the coordinator's
                skew_ms_max=0,
                rates=replace(options.rates, statement=statement),
            )
        if self.is_long:
            rates = Rates(options.rates.error, options.rates.lost, 0.1, 0.1)
            options = replace(options, rates=rates)
        return options


def draw_features(chance: Chance, *, is_elsewhere: bool = False) -> Features:
    """What a world has. Where hours pass, or objects are swept, nothing is restored."""
    kind = chance.choice(
        ("plain", "plain", "restored", "restored", "restored", "cold", "cold", "long")
    )
    is_file = chance.random() < (FILES_OF_HOURS if kind == "long" else FILES)
    return Features(
        kind == "restored", is_file, kind == "cold", kind == "long", is_elsewhere=is_elsewhere
    )
