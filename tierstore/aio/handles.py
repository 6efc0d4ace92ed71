"""The handles of an async store: the verbs of `tierstore.handles` as coroutines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter
from tierstore.crdt import set as sets
from tierstore.handles.counter import check_number
from tierstore.handles.members import check_elements

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tierstore.aio.store import AsyncStore
    from tierstore.crdt.set import Element
    from tierstore.store.typed import TypedKey

    T = TypeVar("T")


class AsyncEngine:
    """One key of an async store: what needs no I/O runs in the caller, the rest in a worker."""

    __slots__ = ("_astore", "_typed")

    def __init__(self, astore: AsyncStore, typed: TypedKey) -> None:
        self._astore = astore
        self._typed = typed

    @property
    def key(self) -> str:
        """The key, as its user named it."""
        return self._typed.key

    def bump(self, number: int) -> bool:
        """Add `number` to a counter, if that takes no more than the copy that is here."""
        self._astore._workers.refuse_closing()
        return self._typed.bump(number)

    async def observe(self, look: Callable[[Any], T], timeout: float | None) -> tuple[T, int]:
        """What `look` makes of the state of the key, and of which generation that is."""
        typed, astore = self._typed, self._astore
        await astore._ensure_open(timeout)
        if (seen := typed.observe_here(look)) is not None:
            return seen
        return await astore._run(lambda left_s: typed.observe(look, left_s), timeout)

    async def change(self, delta: Any, *, seen: int = 0, timeout: float | None = None) -> None:
        """Acknowledge a change of the key at the durability that its rule declares."""
        await self._astore._ensure_open(timeout)
        await self._astore._write([self._typed.write(delta, seen)], timeout)


class AsyncCounter:
    """`tierstore.handles.counter.Counter` for event loops."""

    __slots__ = ("_engine",)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, number: int = 1, *, timeout: float | None = None) -> None:
        """Add `number`, which may be negative; see `Counter.add`."""
        check_number(number)
        if not self._engine.bump(number):
            await self._engine.change(counter.add(number), timeout=timeout)

    async def get(self, *, timeout: float | None = None) -> int:
        """The sum, own increments included; 0 if the key is absent."""
        return (await self._engine.observe(counter.value, timeout))[0]

    def __repr__(self) -> str:
        return f"<tierstore.AsyncCounter {self._engine.key!r}>"


class AsyncMembers:
    """`tierstore.handles.members.Members` for event loops."""

    __slots__ = ("_engine",)

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, *elements: Element, timeout: float | None = None) -> None:
        """Let `elements` be in the set; see `Members.add`."""
        check_elements(elements)
        if elements:
            await self._engine.change(sets.add(elements), timeout=timeout)

    async def discard(self, *elements: Element, timeout: float | None = None) -> None:
        """Let `elements`, as far as they are seen here, be in the set no longer."""
        check_elements(elements)
        delta, generation = await self._engine.observe(
            lambda state: sets.discard(state, elements), timeout
        )
        if delta:
            await self._engine.change(delta, seen=generation, timeout=timeout)

    async def all(self, *, timeout: float | None = None) -> set[Element]:
        """A fresh set of the elements; empty if the key is absent."""
        return (await self._engine.observe(lambda state: set(state.elements), timeout))[0]

    async def contains(self, element: Element, *, timeout: float | None = None) -> bool:
        """Whether `element` is in the set."""
        check_elements((element,))
        return (await self._engine.observe(lambda state: element in state.elements, timeout))[0]

    async def count(self, *, timeout: float | None = None) -> int:
        """How many elements there are."""
        return (await self._engine.observe(lambda state: len(state.elements), timeout))[0]

    def __repr__(self) -> str:
        return f"<tierstore.AsyncMembers {self._engine.key!r}>"
