"""A batch on its way to the region."""

from __future__ import annotations

from tierstore.replica.overlay import delta_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.region.batch import Batch, Delta, Heat

HEAT_BYTES = 16
"""What news of a key's heat counts for in the budget of unflushed writes, beside the key."""


class Frozen:
    """A numbered batch on its way. `batch` is made, and `persisted`, outside the lock."""

    __slots__ = (
        "batch", "deltas", "heat", "is_out", "journaled", "lost_digest", "number",
        "persisted", "size_bytes", "tick",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        deltas: dict[str, Delta],
        *,
        journaled: bool,
        heat: list[Heat] | None = None,
    ) -> None:
        self.number = number
        self.deltas = deltas
        self.heat = heat or []
        self.size_bytes = sum(delta_size(delta) for delta in deltas.values())
        self.size_bytes += sum(len(news.key) + HEAT_BYTES for news in self.heat)
        self.journaled = journaled
        self.batch: Batch | None = None
        self.persisted = False
        self.is_out = False
        """Whether it may have been sent: only then a region may have it."""
        self.lost_digest: bytes | None = None
        """Of the batch of this number that may have been sent by a process that died with it."""
        self.tick = 0
