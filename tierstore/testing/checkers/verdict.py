"""What every checker returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NoReturn

if TYPE_CHECKING:
    from tierstore.testing.history import Operation

_SHOWN = 20
Status = Literal["valid", "invalid", "unknown"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a checker found. Printed, it tells the reason and the operations that show it."""

    status: Status
    """"unknown": the budget ended before anything was proved."""
    checker: str
    reason: str
    witness: tuple[Operation, ...] = ()
    """A few operations that are wrong together, none of them superfluous."""
    evidence: tuple[str, ...] = ()
    """The same for what is not an operation: rows, states, samples."""
    budget: str | None = None
    """What ended the search before it was done."""
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def is_valid(self) -> bool:
        """Whether the property was proved to hold; false if that is unknown."""
        return self.status == "valid"

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is valid, invalid or unknown: ask .is_valid or .status")

    def assert_valid(self) -> None:
        """Raise `AssertionError` with the whole story, unless valid."""
        if self.status != "valid":
            raise AssertionError(str(self))

    def __str__(self) -> str:
        lines = [f"{self.checker}: {self.status}: {self.reason}"]
        if self.budget:
            lines.append(f"  ended by {self.budget}")
        shown = [*map(str, self.witness), *self.evidence]
        lines += [f"  {line}" for line in shown[:_SHOWN]]
        if len(shown) > _SHOWN:
            lines.append(f"  and {len(shown) - _SHOWN:,} more")
        if self.figures:
            lines.append("  " + ", ".join(f"{n:,} {what}" for what, n in self.figures.items()))
        return "\n".join(lines)
