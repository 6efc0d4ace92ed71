"""What a handle needs of the store that made it. Imported for type checkers only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Engine(Protocol):
    """Reads and changes one key of a type that is no register."""

    @property
    def key(self) -> str:
        """The key, as its user named it."""

    def observe(self, look: Callable[[Any], T], timeout: float | None) -> tuple[T, int]:
        """What `look` makes of the state of the key, and of which generation that is.

        The state is that of an edge copy, or comes from a tier further away; an empty one, of
        generation 0, if the key is absent. `look` must neither change nor keep it.
        """

    def change(self, delta: Any, *, seen: int = 0, timeout: float | None = None) -> None:
        """Acknowledge a change of the key at the durability that its rule declares."""


class CounterEngine(Engine, Protocol):
    """The engine of a counter."""

    def bump(self, number: int) -> bool:
        """Add `number`, if that takes no more than the copy that is here; False if it does."""


class DocumentEngine(Engine, Protocol):
    """The engine of a document."""

    def random(self, size_bytes: int) -> int:
        """A random number of that size."""

    def process_id(self) -> int:
        """The id of this process; a forked child has another."""

    def take(self) -> Any:
        """The document that an earlier edit left open, from now on the caller's; or None."""

    def give(self, document: Any) -> None:
        """Keep a document open, all of whose edits were acknowledged."""
