"""What may become of one delta of a batch: codes for the wire, names for people.

*Superseded*: the row has a newer version. *Held*: stamped ahead of the region's clock, applied
when that gets there. *Quarantined*: it makes no sense. *Aside*: older than the horizon; kept for
the operator, not merged.
"""

from __future__ import annotations

APPLIED, SUPERSEDED, HELD, QUARANTINED, ASIDE = 0, 1, 2, 3, 4

HELD_WHY = "it waits for the clock of the region, or for what another replica has yet to send"
OUTCOME_NAMES = ("applied", "superseded", "held", "quarantined", "aside")
