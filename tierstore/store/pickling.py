"""What belongs to this process says so when somebody pickles it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def refuse_pickling(what: str, advice: str) -> Callable[[object], Any]:
    """A `__reduce__` that raises TypeError with a sentence."""

    def refuse(self: object) -> Any:
        raise TypeError(f"{what} cannot be pickled: {advice}")

    return refuse
