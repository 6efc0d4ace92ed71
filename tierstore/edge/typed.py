"""The resident entry of a key that is no register: its state unfolded, and what waits of it.

Unlike that of a register, what was done here is not what a reader sees: an increment says nothing
of the sum. So `pending` holds what the region has yet to be told, whether the state is resident or
not, and `stamp` and `replica` are those of the region's row that the state was last read from.
"""

from __future__ import annotations

from tierstore.crdt import changes
from tierstore.crdt.types import type_of
from tierstore.edge.entry import GONE, PLAIN, Entry, Packed, key_size
from tierstore.record import TYPE_CODES, Record
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.stamp import physical_ms
from tierstore.values import encode, is_immutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.pending import Change
    from tierstore.policy.model import Rule

LIVE = object()
"""`value` of an entry with a value. Its `guard` keeps readers of registers from taking it."""


def folded(value: Any) -> Any:
    """`edge.entry.fold` of a value that is at hand."""
    return value if is_immutable(value) else Packed(encode(value))


class TypedEntry(Entry):
    """A key's resident state and what of it waits. Changed under the replica's lock only."""

    __slots__ = ("author", "generation", "pending", "pending_bytes", "state", "told", "type",
                 "written")  # fmt: skip

    def __init__(self, key: str, rule: Rule) -> None:
        super().__init__(key, rule)
        self.guard |= PLAIN
        self.type = type_of(TYPE_CODES[rule.type])
        self.state: Any = None
        self.generation = 0
        self.pending: Change | None = None
        self.pending_bytes = 0
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
        self.size = key_size(self.key) + len(payload or b"")

    def record(self) -> Record:
        """The record that this entry shows."""
        payload = None if self.value is GONE else self.type.encode(self.state)
        return Record(
            self.stamp, self.replica, payload, self.expires_at, self.touch, None,
            self.type.CODE, self.generation,
        )  # fmt: skip

    outline = record

    def folded(self) -> Any:
        """The value as readers see it."""
        return GONE if self.value is GONE else folded(self.type.value(self.state))

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
        if pending is not None:
            end_ms = pending.expires_at_ms
            is_outlived = end_ms is not None and end_ms <= physical_ms(stamp)
            change = pending.then(change, self.type, is_outlived=is_outlived)
        self.pending = change
        self.pending_bytes += size_bytes
        self.written, self.author = stamp, author

    def show_change(self, change: Change, stamp: int, author: int, size_bytes: int) -> None:
        """Let the state that is here contain `change`, too."""
        now_ms = physical_ms(stamp)
        if not change.resets and not change.touch and self.is_live(now_ms):
            is_same_life = change.seen == self.generation
            self.state = self.type.apply(
                self.state, change.delta, origin=author, actor=0, is_same_life=is_same_life
            )
            self.size += size_bytes - key_size(self.key)
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
