"""Which rule a key belongs to: the first whose pattern matches, at a cost free of their number.

A pattern is segments joined by `/`: `**` stands for zero or more segments, `*` for exactly one
(possibly empty), anything else for itself; `\\` before a character takes its meaning away.

All patterns together form one automaton over segments, made deterministic while it is used (the
lazy subset construction of grep; Aho, Sethi, Ullman, "Compilers", section 3.7). A key costs at
most three dictionary look-ups per segment. What the construction remembers is bounded.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.policy.model import Rule

ANY = object()
"""The segment `*`."""
MANY = object()
"""The segment `**`."""
PATTERN_CHARS_MAX = 1024
MEMO_ITEMS_MAX = 200_000
_END = object()
_UNDECIDED = -1


def parse_pattern(pattern: str) -> tuple[object, ...]:
    """The segments of `pattern`: literal text, ANY or MANY.

    Raises: ValueError with advice.
    """
    if not pattern:
        raise ValueError('an empty pattern matches no key; "**" matches every key')
    if len(pattern) > PATTERN_CHARS_MAX:
        raise ValueError(f"a pattern has at most {PATTERN_CHARS_MAX:,} characters, as keys do")
    segments: list[object] = []
    for raw in pattern.split("/"):
        segment = _parse_segment(raw)
        if not (segment is MANY and segments and segments[-1] is MANY):
            segments.append(segment)
    return tuple(segments)


def _parse_segment(raw: str) -> object:
    if raw == "**":
        return MANY
    if raw == "*":
        return ANY
    literal, escaped = "", False
    for char in raw:
        if char == "*" and not escaped:
            raise ValueError("`*` and `**` stand for whole segments; write `\\*` for a star")
        escaped = char == "\\" and not escaped
        literal += "" if escaped else char
    if escaped:
        raise ValueError("`\\` must stand before the character that it escapes, and not before `/`")
    return literal


class State:
    """A set of places in the patterns where the segments read so far may have led.

    `decided` is the answer whatever follows, or -1; `final` the answer if the key ends here, or -1.
    """

    __slots__ = ("decided", "final", "items", "literals", "moves", "other")

    def __init__(self, items: tuple[int, ...], decided: int, final: int) -> None:
        self.items = items
        self.decided = decided
        self.final = final
        self.literals: dict[str, list[int]] | None = None
        self.moves: dict[str, State] = {}
        self.other: State | None = None


class Automaton:
    """Answers which of a list of patterns, by position in the list, is the first that matches."""

    __slots__ = ("_free_items", "_owners", "_segments", "_states", "root")

    def __init__(self, patterns: Sequence[str]) -> None:
        self._segments: list[object] = []
        self._owners: list[int] = []
        starts = []
        for owner, pattern in enumerate(patterns):
            starts.append(len(self._segments))
            segments = (*parse_pattern(pattern), _END)
            self._segments += segments
            self._owners += [owner] * len(segments)
        self._states: dict[tuple[int, ...], State] = {}
        self._free_items = MEMO_ITEMS_MAX
        self.root = State((), _UNDECIDED, _UNDECIDED)
        self.root = self._state(starts)

    def first_match(self, key: str) -> int:
        """The position of the first pattern that matches `key`, or -1."""
        state = self.root
        for segment in key.split("/"):
            if state.decided >= 0:
                return state.decided
            state = state.moves.get(segment) or self.step(state, segment)
        return state.final

    def step(self, state: State, segment: str) -> State:
        """The state after `segment`, remembered for the next time unless it is an odd one out."""
        literals = self.literals(state)
        following = literals.get(segment)
        if following is None:
            return state.other or self.step_other(state)
        target = state.moves[segment] = self._state(following + self._wild(state))
        return target

    def step_other(self, state: State) -> State:
        """The state after a segment that no pattern names at this place."""
        target = state.other = self._state(self._wild(state))
        return target

    def owners_under(self, prefix: str) -> list[int]:
        """The positions of all patterns that may be the first to match a key with this prefix."""
        *whole, partial = prefix.split("/")
        state = self.root
        for segment in whole:
            if state.decided >= 0:
                break
            state = state.moves.get(segment) or self.step(state, segment)
        if state.decided >= 0:
            return [state.decided]
        return sorted({self._owners[item] for item in state.items if self._fits(item, partial)})

    def _fits(self, item: int, partial: str) -> bool:
        """Whether a segment that begins with `partial` may follow at this place."""
        segment = self._segments[item]
        if isinstance(segment, str):
            return segment.startswith(partial)
        return segment is not _END

    def literals(self, state: State) -> dict[str, list[int]]:
        """The segments that patterns name at this place, with the places after them."""
        if state.literals is None:
            literals: dict[str, list[int]] = {}
            for item in state.items:
                segment = self._segments[item]
                if isinstance(segment, str):
                    literals.setdefault(segment, []).append(item + 1)
            state.literals = literals
        return state.literals

    def _wild(self, state: State) -> list[int]:
        """The places after any segment at all: `*` is passed, `**` stays."""
        segments = self._segments
        passed = [item + 1 for item in state.items if segments[item] is ANY]
        return passed + [item for item in state.items if segments[item] is MANY]

    def _state(self, items: list[int]) -> State:
        closed = self._closure(items)
        found = self._states.get(closed)
        return self._remember(closed) if found is None else found

    def _closure(self, items: list[int]) -> tuple[int, ...]:
        """`items` and what `**` reaches by standing for nothing, up to the first sure answer.

        A `**` is reached by staying there and by the segment before it; the place after it only
        from here, so that no place comes twice.
        """
        closed: list[int] = []
        for item in sorted(set(items)):
            if self._segments[item] is MANY and self._segments[item + 1] is _END:
                sure = self._owners[item]
                earlier = [place for place in closed if self._owners[place] < sure]
                return (*earlier, item, item + 1)
            closed += (item, item + 1) if self._segments[item] is MANY else (item,)
        return tuple(closed)

    def _remember(self, closed: tuple[int, ...]) -> State:
        ends = [item for item in closed if self._segments[item] is _END]
        final = self._owners[ends[0]] if ends else _UNDECIDED
        sure = len(closed) == 2 and final >= 0 and self._segments[closed[0]] is MANY
        state = State(closed, final if sure else _UNDECIDED, final)
        if len(closed) > self._free_items:
            # Readers keep the states that they hold; only the memory of them is dropped.
            self._states, self._free_items = {}, MEMO_ITEMS_MAX
            self._forget_root()
        self._free_items -= len(closed) + 1
        self._states[closed] = state
        return state

    def _forget_root(self) -> None:
        self.root = State(self.root.items, self.root.decided, self.root.final)


class Matcher:
    """Finds the rule of a key. `rules` ends with the default rule, so there always is one."""

    __slots__ = ("_automaton", "_rules")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._automaton = Automaton([pattern for rule in rules for pattern in rule.match])
        self._rules = [rule for rule in rules for _ in rule.match]

    def rule_for(self, key: str) -> Rule:
        """The first rule that matches `key`.

        Raises: LookupError if none does, which cannot be with the rules of a `Policy`.
        """
        position = self._automaton.first_match(key)
        if position < 0:
            raise LookupError("no rule matches, not even a default one")
        return self._rules[position]

    def rules_under(self, prefix: str) -> list[Rule]:
        """All rules that keys with this prefix may belong to, and perhaps others."""
        return [self._rules[owner] for owner in self._automaton.owners_under(prefix)]
