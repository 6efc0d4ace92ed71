"""Faults and warnings of a policy, each with its place, and how they are told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from tierstore.errors import PolicyError
from tierstore.units import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

TOLD_MAX = 100
"""How many faults a message lists; `PolicyError.faults` always holds all of them."""

Places = dict[str, tuple[int, int]]
"""Line and column, from 1, of the value at a path; of its key at `"key:" + path`; and again at
`"refused:" + path` of a value that was refused as it stands there, and told."""


@dataclass(frozen=True, slots=True, eq=False)
class Again:
    """The name of a field that its mapping has already: the value is examined, never used."""

    name: str
    places: Places
    """Those of the value, which stands beside the first one at the same path."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong or odd at `path`. `line` 0: the policy did not come from a file."""

    path: str
    text: str
    line: int = 0
    column: int = 0

    def told(self, source: str) -> str:
        """One line, such as `policy.yaml:12:7: rules[2].hotness.hot: expected …`."""
        place = f"{source}:{self.line}:{self.column}: " if self.line else ""
        return place + (f"{self.path}: " if self.path else "") + self.text


class Fault(Finding):
    """The policy cannot be used."""

    __slots__ = ()


class PolicyWarning(Finding):
    """The policy can be used, but hardly means what it says."""

    __slots__ = ()


F = TypeVar("F", bound=Finding)


def child(path: str, name: object) -> str:
    """The path of the field `name` below `path`."""
    plain = isinstance(name, str) and name.replace("_", "").isalnum() and name.isascii()
    step = str(name) if plain and len(str(name)) <= 40 else f"[{shown(name)}]"
    return f"{path}.{step}" if path and not step.startswith("[") else path + step


def locate(findings: Iterable[F], places: Mapping[str, tuple[int, int]]) -> list[F]:
    """`findings` with line and column of the nearest known place at or above their path."""
    located = []
    for finding in findings:
        if not finding.line and places:
            line, column = _nearest(finding.path, places)
            finding = replace(finding, line=line, column=column)
        located.append(finding)
    return located


def above(path: str) -> Iterator[str]:
    """The paths of what the field at `path` is part of, from the nearest to the farthest."""
    while path := path[: max(path.rfind("."), path.rfind("["), 0)]:
        yield path


def _nearest(path: str, places: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    known = (place for place in (path, *above(path), "") if place in places)
    return places.get(next(known, ""), (1, 1))


def policy_error(source: str, faults: Sequence[Fault]) -> PolicyError:
    """The error that tells all `faults`, in the order of the file."""
    ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))
    lines = tuple(dict.fromkeys(fault.told(source) for fault in ordered))
    told = lines[:TOLD_MAX]
    if len(lines) > TOLD_MAX:
        told += (f"… and {len(lines) - TOLD_MAX} more",)
    head = () if len(lines) == 1 else (f"{source}: {len(lines)} faults",)
    return PolicyError("\n".join((*head, *told)), faults=lines)


def advice(name: str, known: Iterable[str]) -> str:
    """What `name` may have meant, or else all that is `known`."""
    names = sorted(known)
    close = closest(name, names)
    return f"known: {', '.join(names)}" if close is None else f'did you mean "{close}"?'


def closest(name: str, known: Iterable[str]) -> str | None:
    """Which of `known` the name may be a slip of."""
    import difflib

    close = difflib.get_close_matches(name[:40], sorted(known), n=1, cutoff=0.6)
    return close[0] if close else None
