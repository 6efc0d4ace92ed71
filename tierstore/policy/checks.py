"""What a check of the verifier is: a function to findings, and the fields that it reads.

A field at fault has its default while the rest is verified. What a check says because of such a
default would be wrong, so it is not asked if one of its fields is at fault; all others are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore.policy.faults import above

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from tierstore.policy.faults import Fault, PolicyWarning
    from tierstore.policy.model import Policy, Rule

    Findings = Iterator[Fault | PolicyWarning]

Capabilities = Mapping[str, object]
"""What the adapters of tiers can do, by tier; what is not in it is not checked."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check looks at: a rule, and the policy around it."""

    rule: Rule
    policy: Policy
    capabilities: Capabilities = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The path of the rule."""
        return f"rules[{self.rule.index}]"

    @property
    def is_default(self) -> bool:
        """Whether the rule is the implicit one, which nobody wrote."""
        return self.rule is self.policy.rules[-1]


class Unsound:
    """The paths of fields that are at fault."""

    def __init__(self, paths: Iterable[str] = ()) -> None:
        self._paths = frozenset(paths)
        self._above = frozenset(upper for path in self._paths for upper in above(path))

    def has_lost(self, path: str) -> bool:
        """Whether the field at `path`, or one that it is part of, is at fault."""
        return path in self._paths or any(upper in self._paths for upper in above(path))

    def touches(self, path: str) -> bool:
        """Whether something of the field at `path` is at fault."""
        return path in self._above or self.has_lost(path)


@dataclass(frozen=True, slots=True)
class Check:
    """`run` finds what is wrong or odd. Of `reads`, those that begin with a dot are of the rule."""

    run: Callable[[Subject], Findings]
    reads: tuple[str, ...]

    def findings(self, subject: Subject, unsound: Unsound) -> Findings:
        """What `run` finds, or nothing if it would judge a default in place of a fault."""
        for path in self.reads:
            if unsound.touches(f"{subject.path}{path}" if path.startswith(".") else path):
                return
        yield from self.run(subject)


def reads(*paths: str) -> Callable[[Callable[[Subject], Findings]], Check]:
    """Makes a function the check that reads the fields at `paths`."""
    return lambda run: Check(run, paths)
