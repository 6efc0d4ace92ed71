"""What one replica did to one key since it last told its region: changes that add up."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.crdt.protocol import Type


class Change:
    """One change, or several as one.

    `delta` is of the key's type, or None if only existence or lifetime change. It comes after a
    deletion if it `resets`. `seen` is the generation that it speaks of, 0 if of none. `touch` is
    the stamp at which the lifetime was moved, 0 if it was not: then `expires_at_ms` is only for a
    generation that begins with this change.
    """

    __slots__ = ("delta", "expires_at_ms", "resets", "seen", "touch")

    def __init__(
        self,
        delta: Any,
        *,
        resets: bool = False,
        seen: int = 0,
        touch: int = 0,
        expires_at_ms: int | None = None,
    ) -> None:
        self.delta = delta
        self.resets = resets
        self.seen = seen
        self.touch = touch
        self.expires_at_ms = expires_at_ms

    def is_over(self, now_ms: int) -> bool:
        """Whether a generation that begins with this change has expired by `now_ms`."""
        return self.expires_at_ms is not None and self.expires_at_ms <= now_ms

    def then(self, later: Change, type_: Type) -> Change:
        """One change that does what this one and then `later`, of the same replica, do.

        Not if a key that this one begins had expired when `later` was made: they are two lives,
        and each is sent by itself.
        """
        if later.resets:
            return later
        is_same_life = not (self.seen and later.seen) or self.seen == later.seen
        before = self if is_same_life else _untouched(self)
        lifetime = before if before.touch or before.delta is not None else later
        if later.touch > before.touch or self.touch > before.touch:
            lifetime = later  # also where a touch is dropped: it has replaced what was before it
        return Change(
            _composed(self.delta, later.delta, type_, is_same_life=is_same_life),
            resets=self.resets,
            seen=0 if _means_any(self, later) else later.seen or self.seen,
            touch=max(before.touch, later.touch),
            expires_at_ms=lifetime.expires_at_ms,
        )


def _means_any(first: Change, second: Change) -> bool:
    """Whether the lifetime that both give is for any generation, and nothing else names one.

    A change that renews the lifetime of what it adds to must do so wherever it arrives, also if a
    touch of what was shown here went with it.
    """
    if any(change.delta is not None and change.seen for change in (first, second)):
        return False
    return any(change.touch and not change.seen for change in (first, second))


def _untouched(change: Change) -> Change:
    """`change` without what it says of the lifetime of a generation that is over."""
    return Change(change.delta, expires_at_ms=None if change.touch else change.expires_at_ms)


def _composed(first: Any, second: Any, type_: Type, *, is_same_life: bool) -> Any:
    if first is None or second is None:
        return first if second is None else second
    return type_.compose(first, second, is_same_life=is_same_life)
