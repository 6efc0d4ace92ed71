"""Convergence: replicas that have received the same have the same state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHOWN = 10
_ABSENT = object()
_NOT_GIVEN = object()


def converged(states_by_replica: Mapping[str, Any], expected: Any = _NOT_GIVEN) -> Verdict:
    """Whether all replicas have equal states, equal also to `expected` if it is given.

    A state may be a digest, or a dict, of which the keys that differ are told. `expected` is the
    join of everything that was delivered: replicas that lost the same write agree, too.
    """
    if not states_by_replica:
        raise ValueError("convergence is about replicas: give the state of at least one")
    states = dict(states_by_replica)
    if expected is not _NOT_GIVEN:
        states = {"expected": expected, **states}
    first, *others = states
    different = [name for name in others if states[name] != states[first]]
    figures = {"replicas": len(states_by_replica), "different": len(different)}
    if not different:
        return Verdict("valid", "converged", "all states are equal", figures=figures)
    reason = f"{', '.join(different)} {'differs' if len(different) == 1 else 'differ'} from {first}"
    evidence = _differences(states[first], states[different[0]], first, different[0])
    return Verdict("invalid", "converged", reason, evidence=evidence, figures=figures)


def _differences(one: Any, other: Any, name: str, other_name: str) -> tuple[str, ...]:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return (f"{name} has {one!r}", f"{other_name} has {other!r}")
    keys = [key for key in {**one, **other} if one.get(key, _ABSENT) != other.get(key, _ABSENT)]
    lines = [
        f"{key}: {name} has {_told(one, key)}, {other_name} has {_told(other, key)}"
        for key in keys[:_SHOWN]
    ]
    left = len(keys) - _SHOWN
    return (*lines, f"and {left} more keys") if left > 0 else tuple(lines)


def _told(state: dict[Any, Any], key: Any) -> str:
    return repr(state[key]) if key in state else "nothing"
