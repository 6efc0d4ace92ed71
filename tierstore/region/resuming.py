"""How a replica goes on in a region that was restored from a backup without its last batches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.region.lives import BATCHES
from tierstore.region.rows import ReplicaState

if TYPE_CHECKING:
    from tierstore.region.rows import RegionInfo


def resumed(
    info: RegionInfo,
    known: ReplicaState | None,
    replica: int,
    after: int,
    number: int,
    digest: bytes,
) -> ReplicaState | None:
    """What the region knows of a replica that goes on after batch `number`; None if it may not.

    It may in a life that regains from batches, if `after` is the last batch that is there: so none
    is ever applied twice, or passed over unless its replica says that it is gone.
    """
    state = known or ReplicaState(replica)
    if info.regains != BATCHES or state.applied != after or number < after:
        return None
    if number == after:
        return replace(state, retired=False) if digest == state.digest else None
    return replace(state, applied=number, digest=digest, answer=b"", retired=False)


def why_lost(after: int, number: int) -> str:
    """What the operator is told of the batches above `after` up to `number`."""
    named = f"batch {number}" if number == after + 1 else f"batches {after + 1} to {number}"
    return f"{named}: lost by the region, which was restored, and retained by nobody"
