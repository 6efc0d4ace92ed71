"""The handle of a set."""

from __future__ import annotations

from tierstore.crdt import set as sets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.crdt.set import Element
    from tierstore.handles.engine import Engine


class Members:
    """The elements of a set: what one adds while another discards it stays.

    Made by `store.members(key)`. An element is a `str`, `bytes` or `int`. A set from which all is
    discarded is empty, not absent.
    """

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, *elements: Element, timeout: float | None = None) -> None:
        """Let `elements` be in the set. Needs no copy and no region to do so.

        Raises EncodingError if one is of another kind, and what `put` raises.
        """
        check_elements(elements)
        if elements:
            self._engine.change(sets.add(elements), timeout=timeout)

    def discard(self, *elements: Element, timeout: float | None = None) -> None:
        """Let `elements`, as far as they are seen here, be in the set no longer.

        Raises UnavailableError if the set is not resident and the region does not answer.
        """
        check_elements(elements)
        delta, generation = self._engine.observe(
            lambda state: sets.discard(state, elements), timeout
        )
        if delta:
            self._engine.change(delta, seen=generation, timeout=timeout)

    def all(self, *, timeout: float | None = None) -> set[Element]:
        """A fresh set of the elements; empty if the key is absent."""
        return self._engine.observe(lambda state: set(state.elements), timeout)[0]

    def contains(self, element: Element, *, timeout: float | None = None) -> bool:
        """Whether `element` is in the set."""
        check_elements((element,))
        return self._engine.observe(lambda state: element in state.elements, timeout)[0]

    def count(self, *, timeout: float | None = None) -> int:
        """How many elements there are."""
        return self._engine.observe(lambda state: len(state.elements), timeout)[0]

    def __contains__(self, element: Element) -> bool:
        return self.contains(element)

    def __len__(self) -> int:
        return self.count()

    def __iter__(self) -> Iterator[Element]:
        return iter(self.all())

    def __bool__(self) -> bool:
        """True: a handle is not nothing because its set is empty."""
        return True

    def __repr__(self) -> str:
        return f"<tierstore.Members {self._engine.key!r}>"


def check_elements(elements: tuple[Element, ...]) -> None:
    """Raise EncodingError unless each is a `str`, `bytes` or an `int` of 64 bits."""
    for element in elements:
        sets.check_element(element)
