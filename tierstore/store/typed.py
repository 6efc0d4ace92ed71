"""The engine of a handle: one key of a store, of another type than the register."""

from __future__ import annotations

from tierstore.crdt.types import type_of
from tierstore.edge.entry import AGE, GONE, key_size
from tierstore.edge.typed import TypedEntry
from tierstore.errors import TypeMismatchError
from tierstore.record import TYPE_CODES
from tierstore.replica.changing import ChangeWrite
from tierstore.store.arguments import OMITTED, check_size, ttl_ms
from tierstore.store.pickling import refuse_pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.store.resolving import Resolver

    T = TypeVar("T")

TYPE_NAMES = {code: name for name, code in TYPE_CODES.items()}
VERBS = {
    "register": "store.put(key, value)",
    "counter": "store.counter(key)",
    "set": "store.members(key)",
    "document": "store.document(key)",
    "bounded_counter": "store.bounded_counter(key)",
}


class TypedKey:
    """Reads and changes one key; see `tierstore.handles.engine.Engine`."""

    __reduce__ = refuse_pickling("a handle", "ask the store for it where it is needed")

    __slots__ = ("_code", "_full", "_rule", "_store", "key")

    def __init__(self, store: Resolver, key: str, type_name: str) -> None:
        """Raises TypeMismatchError if the key's rule declares another type than `type_name`."""
        store._core.refuse_closed()
        self.key = key
        self._store = store
        self._full, self._rule = store._place(key)
        require_type(key, self._rule, type_name)
        self._code = TYPE_CODES[type_name]

    def observe(self, look: Callable[[Any], T], timeout: float | None) -> tuple[T, int]:
        """What `look` makes of the state of the key, and of which generation that is.

        Raises what `get` raises, and TypeMismatchError if the key was created as another type.
        """
        if (seen := self.observe_here(look)) is not None:
            return seen
        type_ = type_of(self._code)
        answer = self._store._resolve(self.key, None, timeout)
        record = answer.record
        if record is not None:
            self._require(record)
        if record is None or record.payload is None or not self._store._is_live(answer):
            return look(type_.empty()), 0
        return look(type_.decode(record.payload)), record.generation

    def observe_here(self, look: Callable[[Any], T]) -> tuple[T, int] | None:
        """`observe`, if a plain copy of the edge answers."""
        entry = self._resident()
        if entry is None:
            return None
        with self._store._core.replica.state.lock:
            return None if entry.value is GONE else (look(entry.state), entry.generation)

    def _resident(self) -> TypedEntry | None:
        """The copy that answers reads here and now, if there is one."""
        entry = self._store._lookup(self.key)
        if not isinstance(entry, TypedEntry) or entry.guard & AGE:
            return None
        if not entry.is_live(self._store._time_ns() // 1_000_000):
            return None
        entry.reads += 1
        return entry

    def _require(self, record: Record) -> None:
        if record.type != self._code:
            held = TYPE_NAMES.get(record.type, "another type")
            raise TypeMismatchError(
                f"{self.key!r} was created as a {held}, and its rule {self._rule.name!r} now"
                f" declares a {self._rule.type}: a key keeps its type; use another key"
            )

    def random(self, size_bytes: int) -> int:
        """A random number of that size."""
        return int.from_bytes(self._store._core.runtime.random_bytes(size_bytes), "big")

    def process_id(self) -> int:
        """The id of this process; a forked child has another."""
        return self._store._core.runtime.process_id()

    def take(self) -> Any:
        """The document that an earlier edit left open, from now on the caller's; or None."""
        return self._store._core.opened.take(self._full)

    def give(self, document: Any) -> None:
        """Keep a document open, all of whose edits were acknowledged."""
        self._store._core.opened.give(self._full, document)

    def bump(self, number: int) -> bool:
        """Add `number` to a counter, if that takes no more than the copy that is here."""
        store = self._store
        entry = store._lookup(self.key)
        return entry is not None and store._bump(entry, number)

    def change(self, delta: Any, *, seen: int = 0, timeout: float | None = None) -> None:
        """Acknowledge a change at the durability that the rule declares."""
        core = self._store._core
        write = self.write(delta, seen)
        self._store._open()
        core.write_one(write, timeout)

    def write(self, delta: Any, seen: int = 0) -> ChangeWrite:
        """The change, checked. Raises ValueTooLargeError."""
        core = self._store._core
        lifetime_ms = ttl_ms(self._rule, OMITTED, core.runtime)
        write = ChangeWrite(self._full, self._rule, delta, lifetime_ms, seen=seen)
        entry = self._store._lookup(self.key)
        bound = core.policy.limits.value_bytes
        size = write.size if entry is None else write.size + entry.size
        if size > bound and isinstance(entry, TypedEntry):  # which may be smaller than it says
            size = self._grown(entry, write, bound)
        check_size(self.key, size, bound)
        return write

    def _grown(self, entry: TypedEntry, write: ChangeWrite, bound: int) -> int:
        """The size of a resident key after a change; 0 if that lets it shrink.

        One may be above its bound: several edges added to it at once. It can always be emptied.
        """
        replica = self._store._core.replica.state
        with replica.lock:
            payload = entry.payload()
        if payload is None or write.size + key_size(self._full) + len(payload) <= bound:
            return write.size + len(payload or b"")
        type_, is_same_life = entry.type, write.seen == entry.generation
        state = type_.apply(
            type_.decode(payload), write.delta, origin=replica.outbox.replica, actor=0,
            is_same_life=is_same_life,
        )  # fmt: skip
        after = len(type_.encode(state))
        return after + key_size(self._full) if after > len(payload) else 0


def require_type(key: str, rule: Rule, type_name: str) -> None:
    """Raise TypeMismatchError, naming the verbs to use, unless `rule` declares `type_name`."""
    if rule.type != type_name:
        raise TypeMismatchError(
            f"{key!r} is a {rule.type} by rule {rule.name!r}, not a {type_name}: use"
            f" {VERBS[rule.type]}"
        )
