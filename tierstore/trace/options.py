"""What can be chosen about a replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import InvalidArgumentError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    Progress = Callable[[str, int, int], object]

REPLICAS_MAX = 64


@dataclass(frozen=True, slots=True)
class Options:
    """See `tierstore.trace.replay`. Raises InvalidArgumentError."""

    verify: bool = False
    value_cap: int | None = None
    preload: bool = True
    limit: int | None = None
    replicas: int = 1
    base_dir: str | os.PathLike[str] | None = None
    progress: Progress | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.replicas <= REPLICAS_MAX:
            raise InvalidArgumentError(
                f"replicas: expected 1 to {REPLICAS_MAX}, got {self.replicas}"
            )
        for name in ("limit", "value_cap"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InvalidArgumentError(f"{name}: expected one or more, got {number}")

    def tell(self, stage: str, done: int, total: int) -> None:
        """Report progress, if anybody listens."""
        if self.progress is not None:
            self.progress(stage, done, total)
