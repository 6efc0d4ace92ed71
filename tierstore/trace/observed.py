"""A region as a replica sees it, whose applied batches are also told to the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.batch import Delta

if TYPE_CHECKING:
    from typing import Any

    from tierstore.region.batch import Batch
    from tierstore.region.protocol import BatchReply, Region
    from tierstore.trace.model import SharedModel


class ObservedRegion:
    """`region`, with every write that it applies noted in `model` with its feed position."""

    def __init__(self, region: Region, model: SharedModel) -> None:
        self._region = region
        self._model = model
        self.read = region.read  # bound here, because replays call little else

    def apply(self, batch: Batch, timeout_s: float) -> BatchReply:
        """Apply a batch once."""
        reply = self._region.apply(batch, timeout_s)
        if reply.verdict == "applied":
            for delta in (d for d in batch.deltas if isinstance(d, Delta)):
                order = delta.record.stamp, delta.record.replica
                self._model.flushed(delta.key, order, reply.position)
        return reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._region, name)
