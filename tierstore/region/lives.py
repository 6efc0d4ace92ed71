"""Where a region that was restored from a backup gets back what that lacks: for all of one life.

Never from both: an increment that a peer has, and that a replica sends again, would count twice.
"""

from __future__ import annotations

NOTHING, PEERS, BATCHES = "nothing", "peers", "batches"
REGAINS = NOTHING, PEERS, BATCHES
"""What was sealed in batches is left with the operator, but from `BATCHES` it is sent again."""
