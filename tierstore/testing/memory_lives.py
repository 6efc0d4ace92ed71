"""What a shared edge in a dict is made of: identities, placeholders, calls that are one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from tierstore.region.batch import encode_delta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Concatenate

    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.shared import Copy
    from tierstore.runtime import Lock

P = ParamSpec("P")
R = TypeVar("R")
Version = tuple[int, int, int]


@dataclass(slots=True)
class Placeholder:
    """Where a fill is under way."""

    token: int
    ends_ms: int


@dataclass(slots=True, eq=False)
class Life:
    """One identity of a tag."""

    replica: int
    run: str
    is_new: bool = True
    last: int = 0
    queue: dict[int, Delta] = field(default_factory=dict)
    before: dict[int, tuple[Copy, Life | None] | None] = field(default_factory=dict)
    """What each entry found of its key: the copy, and the life whose entry that shows."""


class Stepping(Protocol):
    """What calls are steps of."""

    lock: Lock
    untold: list[list[str]]

    def answer(self) -> None: ...
    def tell(self, keys: Sequence[str] | None) -> None: ...


S = TypeVar("S", bound=Stepping)


def atomic(call: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """`call` as one step, if the server answers at all; listeners are told afterwards."""

    @wraps(call)
    def step(self: S, /, *arguments: P.args, **options: P.kwargs) -> R:
        with self.lock:
            self.answer()
            found = call(self, *arguments, **options)
            untold, self.untold = self.untold, []
        for keys in untold:
            self.tell(keys)
        return found

    return step


def version(record: Record) -> Version:
    """By which copies and rows are compared."""
    return record.stamp, record.replica, record.touch


def size(delta: Delta) -> int:
    """Bytes that an entry counts for."""
    return len(encode_delta(delta, 0))
