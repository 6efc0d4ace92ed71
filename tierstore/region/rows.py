"""Rows of the directory: the only truth about a key in its region.

Copies at the edge are copies; an object in the cold tier counts only if a row points at it.
Versions and stamps change with writes, the placement `epoch` with moves: a move never makes a
user's write fail, nor a write go unnoticed by a move.
"""

from __future__ import annotations

from _blake2 import blake2b
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.record import DOCUMENT, REGISTER, SET
from tierstore.region.lives import NOTHING

if TYPE_CHECKING:
    from tierstore.record import Record

ACTOR_BYTES = 6
EVENTUAL, STRONG = 0, 1
MOVABLE_TYPES = frozenset((REGISTER, SET, DOCUMENT))
"""Counters never leave their rows: they have about 20 bytes for each region."""
CONSISTENCY_CODES = {"eventual": EVENTUAL, "strong": STRONG}


@dataclass(slots=True)
class Row:
    """One key of the directory. Treated as immutable; change it with `dataclasses.replace`."""

    key: str
    record: Record
    """The state. Its payload is None if deleted, and `ELSEWHERE` if `cold` says where it is."""
    consistency: int = EVENTUAL
    cold: bytes | None = None
    """An encoded pointer to the object that holds the payload, or None. Of a set or document, with
    what waits on top of that: see `tierstore.region.waiting`."""
    size: int = 0
    """Bytes of key and encoded value."""
    position: int = 0
    """The place in the feed of the last change of content."""
    epoch: int = 0
    """Counts moves between tiers."""
    created_ms: int = 0
    accessed_ms: int = 0
    entered_ms: int = 0
    """When the payload came to the tier it is in."""
    heat: float = 0.0
    """Decayed count of accesses at `accessed_ms`."""
    due_ms: int | None = None
    """When a mover has to look at it next; None: not before it is written or read. Not loaded by
    reads."""


@dataclass(slots=True)
class ReplicaState:
    """What the region knows of one replica."""

    replica: int
    applied: int = 0
    """The number of the last batch applied."""
    digest: bytes = b""
    """The digest of that batch: the predecessor that the next one must name."""
    answer: bytes = b""
    """The outcomes of that batch, one byte a delta, repeated if it is sent again."""
    acknowledged: int = 0
    """The feed position up to which the replica has everything."""
    registered_ms: int = 0
    seen_ms: int = 0
    retired: bool = False


@dataclass(frozen=True, slots=True)
class RegionInfo:
    """Who a region is."""

    region: str
    """Its id, random, for ever."""
    incarnation: int
    """Its life between restores from backup: never the same numbers twice."""
    regains: str = NOTHING
    """Where this life got back what the backup lacked: one of `lives.REGAINS`, for all replicas."""

    @property
    def actor(self) -> int:
        """Who it is in counters and sets: a number of its own, never 0, in each of its lives."""
        name = f"{self.region}/{self.incarnation}".encode()
        return int.from_bytes(blake2b(name, digest_size=ACTOR_BYTES).digest(), "big") or 1
