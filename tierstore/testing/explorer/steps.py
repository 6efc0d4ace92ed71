"""What an actor is about to do, and whether two such steps could be seen in either order.

Steps are *independent* if doing them in either order leads to the same state, and neither makes
the other possible or impossible (Godefroid, "Partial-Order Methods for the Verification of
Concurrent Systems", LNCS 1032, 1996, section 3.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.explorer.brief import brief, brief_call

if TYPE_CHECKING:
    from collections.abc import Mapping

_READS = frozenset(
    (
        "read", "changes", "scan", "aside", "replicas", "stream", "list", "due", "garbage",
        "stale_intents", "known_objects", "stay", "objects",
    )
)  # fmt: skip
_OF_ONE_OBJECT = frozenset(("put", "read", "stream", "delete"))


class Step:
    """Something that is not a tier call: letting time pass."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def text(self) -> str:
        """What happens, for a story."""
        return self._text

    def is_independent_of(self, other: Step) -> bool:
        """Time passes for everybody."""
        return False


class Call(Step):
    """A call of a tier that was made but not done."""

    __slots__ = ("arguments", "keywords", "name", "tier", "verb")

    def __init__(
        self, tier: object, name: str, verb: str, arguments: tuple[Any, ...], keywords: Any
    ) -> None:
        self.tier = tier
        self.name = f"{name}.{verb}"
        self.verb = verb
        self.arguments = arguments
        self.keywords: Mapping[str, Any] = keywords

    def text(self) -> str:
        """The call, its arguments abbreviated."""
        return brief_call(self.name, self.arguments, self.keywords)

    def is_independent_of(self, other: Step) -> bool:
        """Whether no order of the two can be told from the other."""
        if not isinstance(other, Call):
            return other.is_independent_of(self)
        if self.tier is not other.tier:
            return True
        if self.verb in _READS and other.verb in _READS:
            return True
        names = self._object_name(), other._object_name()
        return None not in names and names[0] != names[1]

    def _object_name(self) -> str | None:
        first = self.arguments[0] if self.arguments else None
        return first if self.verb in _OF_ONE_OBJECT and isinstance(first, str) else None


class Local(Step):
    """Code between tier calls: it touches the memory of its process and nothing else."""

    __slots__ = ("process",)

    def __init__(self, process: str) -> None:
        super().__init__(f"code of {brief(process)}")
        self.process = process

    def is_independent_of(self, other: Step) -> bool:
        """Only code of the same process can see it."""
        if isinstance(other, Local):
            return self.process != other.process
        return isinstance(other, Call)
