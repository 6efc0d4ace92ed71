"""The resident entry of a key that is no register: its state unfolded, and what waits of it.

Unlike that of a register, what was done here is not what a reader sees: an increment says nothing
of the sum. So `pending` holds what the region has yet to be told, whether the state is resident or
not, and `stamp` and `replica` are those of the region's row that the state was last read from.
"""

from __future__ import annotations

from tierstore.crdt import changes
from tierstore.crdt.types import type_of
from tierstore.edge.entry import GONE, PLAIN, Entry, Unfolded, key_size
from tierstore.record import DOCUMENT, TYPE_CODES, Record
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.stamp import physical_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.pending import Change
    from tierstore.policy.model import Rule

GROWTH, GROWTH_FREE_BYTES = 2, 256
"""A state, and what waits, is as large as what was added to it, at most: an element may be there
already, and increments are one number. It is measured anew when it has grown so many times."""

LIVE = object()
"""`value` of an entry with a value. Its `guard` keeps readers of registers from taking it."""


class TypedEntry(Entry):
    """A key's resident state and what of it waits. Changed under the replica's lock only."""

    __slots__ = ("author", "generation", "pending", "pending_bytes", "pending_due", "size_due",
                 "state", "told", "type", "written")  # fmt: skip

    def __init__(self, key: str, rule: Rule) -> None:
        super().__init__(key, rule)
        self.guard |= PLAIN
        self.type = type_of(TYPE_CODES[rule.type])
        self.state: Any = None
        self.generation = 0
        self.pending: Change | None = None
        self.pending_bytes = 0
        self.pending_due = self.size_due = 0  # sizes that are looked at before they are believed
        self.author = 0  # the replica that made what is pending
        self.written = 0  # the stamp of the last of it
        self.told: Delta | None = None
        """The delta that an interrupted freeze made of what is pending."""

    def show(self, record: Record) -> None:
        """Become a copy of `record`; what is pending is in it, and stays."""
        payload = record.payload
        self.state = None if payload is None else self.type.decode(payload)
        self.value = GONE if payload is None else LIVE
        self.generation = record.generation
        self.expires_at = record.expires_at_ms
        self.stamp = record.stamp
        self.replica = record.replica
        self.touch = record.touch
        self._set_size(key_size(self.key) + len(payload or b""))

    def measured(self) -> int:
        """`size`, counted anew. Not of an entry that is under the eviction policy."""
        self._set_size(self.exact_size())
        return self.size

    def exact_size(self) -> int:
        """The bytes of the key and of the encoded state."""
        return key_size(self.key) + len(self.payload() or b"")

    def _set_size(self, size: int) -> None:
        self.size, self.size_due = size, GROWTH * size + GROWTH_FREE_BYTES

    def record(self) -> Record:
        """The record that this entry shows."""
        payload = None if self.value is GONE else self.type.encode(self.state)
        return Record(
            self.stamp, self.replica, payload, self.expires_at, self.touch, None,
            self.type.CODE, self.generation,
        )  # fmt: skip

    outline = record

    def folded(self) -> Any:
        """The value as readers see it; of a document, whose states never change, an Unfolded."""
        if self.value is GONE:
            return GONE
        type_, state = self.type, self.state
        unfolded = Unfolded(lambda: type_.value(state))
        return unfolded if type_.CODE == DOCUMENT else unfolded.fold()

    def payload(self) -> bytes | None:
        """The encoded state; None if deleted."""
        return None if self.value is GONE else self.type.encode(self.state)

    @property
    def waiting_bytes(self) -> int:
        """What this entry counts for while it waits: the changes, not the state."""
        return self.pending_bytes

    @property
    def written_stamp(self) -> int:
        """The stamp of the last change that may wait."""
        return self.written

    def take(self, change: Change, stamp: int, author: int, size_bytes: int) -> None:
        """Let `change` be pending; of `size_bytes`, made at `stamp` by `author`."""
        pending = self.pending
        if pending is None:
            self.pending, self.pending_bytes = change, size_bytes
            self.pending_due = GROWTH * size_bytes + GROWTH_FREE_BYTES
        else:
            self.pending = pending.then(change, self.type)
            self.pending_bytes += size_bytes - key_size(self.key)
            if self.pending_bytes > self.pending_due:
                self._measure_pending()
        self.written, self.author = stamp, author

    def _measure_pending(self) -> None:
        assert self.pending is not None
        delta = self.pending.delta
        size = 0 if delta is None else len(self.type.encode_delta(delta))
        self.pending_bytes = key_size(self.key) + size
        self.pending_due = GROWTH * self.pending_bytes + GROWTH_FREE_BYTES

    def show_change(self, change: Change, stamp: int, author: int, size_bytes: int) -> None:
        """Let the state that is here contain `change`, too."""
        now_ms = physical_ms(stamp)
        if not change.resets and not change.touch and self.is_live(now_ms):
            is_same_life = change.seen == self.generation
            self.state = self.type.apply(
                self.state, change.delta, origin=author, actor=0, is_same_life=is_same_life
            )
            self.size += size_bytes - key_size(self.key)
            if self.size > self.size_due:
                self.measured()
            return
        delta = told(change, self.type, stamp, author)
        shown = changes.change(self.record(), delta, resets=change.resets, now_ms=now_ms, actor=0)
        if shown is not None:
            self.show(shown)

    def delta(self) -> Delta:
        """What is pending, as the region is told."""
        assert self.pending is not None
        record = told(self.pending, self.type, self.written, self.author)
        return Delta(self.key, RESET if self.pending.resets else CHANGE, record)

    def sign(self, replica: int) -> None:
        """Let what is pending be told by `replica`: its own adds are what that makes of them."""
        self.author = replica

    def freeze(self) -> Delta:
        """`delta`, and whoever is interrupted can see from it that this is in a batch already."""
        self.told = self.delta()
        return self.told

    def unfreeze(self) -> None:
        """What is pending is in no batch after all."""
        self.told = None

    def forget_pending(self) -> None:
        """What was pending is in a batch."""
        self.pending, self.pending_bytes, self.told = None, 0, None


def told(change: Change, type_: Any, stamp: int, author: int) -> Record:
    """The record that a delta carries to say `change`."""
    payload = None if change.delta is None else type_.encode_delta(change.delta)
    return Record(
        stamp, author, payload, change.expires_at_ms, change.touch, None, type_.CODE, change.seen
    )
