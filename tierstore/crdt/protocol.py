"""What each type but the register is: functions over a state and over deltas.

A type is a module with these functions. Imported for type checkers only.

The *state* of a key is what a row of a region holds. A *delta* is what one replica did to it since
it last told its region, which applies each delta exactly once and in the order of its replica. So a
delta needs no version vector: what makes states of different regions join (who counted, which add
was seen) is noted when the region applies it, under the region's own actor. State therefore grows
with the number of regions, not with that of replicas, however many come and go.
"""

from __future__ import annotations

from typing import Any, Protocol


class Type(Protocol):
    """One replicated type. States and deltas are of its own making, and opaque to others."""

    CODE: int
    """The code of the type in records."""

    def empty(self) -> Any:
        """A fresh state in which nothing has happened."""

    def decode(self, payload: bytes) -> Any:
        """The state with these bytes. Raises DecodingError if `encode` never wrote them."""

    def encode(self, state: Any) -> bytes:
        """The bytes of a state: equal if and only if the states are, whatever led to them."""

    def join(self, left: Any, right: Any) -> Any:
        """The least upper bound of two states. Changes neither."""

    def value(self, state: Any) -> Any:
        """What readers see, as plain data of their own."""

    def as_seen(self, state: Any) -> Any:
        """`state` without what regions only remember to understand each other, and replicas."""

    def decode_delta(self, payload: bytes) -> Any:
        """The delta with these bytes. Raises DecodingError if `encode_delta` never wrote them."""

    def encode_delta(self, delta: Any) -> bytes:
        """The bytes of a delta: equal ones for equal deltas."""

    def compose(self, first: Any, second: Any, *, is_same_life: bool) -> Any:
        """One delta that does what `first` and then `second`, of the same replica, do.

        `is_same_life`: both speak of the same generation of the key. Changes neither.
        """

    def apply(self, state: Any, delta: Any, *, origin: int, actor: int, is_same_life: bool) -> Any:
        """`state` after `delta`; may change and return its argument.

        `origin` is the replica that made the delta, `actor` the region that applies it, or 0 where
        a replica shows what it has yet to tell. What the delta says of things that it has seen
        counts only if it speaks of the generation that the state is of (`is_same_life`). Raises
        DecodingError if the delta cannot be applied.
        """
