"""Counts of what one process asked of the coordinator."""

from __future__ import annotations


class Figures:
    """Since the store was opened, or the process forked. A count may be lost in a race."""

    __slots__ = ("conflicts", "near_hits", "requests", "retries", "unknown")

    requests: int  # commits, reads and looks at private records that were sent, with their retries
    conflicts: int  # commits that were refused because something had changed
    retries: int  # commits sent again because their answer was lost
    unknown: int  # commits of which nobody could say in time what became of them
    near_hits: int  # reads that a copy here answered

    def __init__(self) -> None:
        for name in self.__slots__:
            setattr(self, name, 0)

    def as_dict(self) -> dict[str, int]:
        """All counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}
