"""What a simulation changes in a policy, field by field, as the policy spells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.policy.model import ColdTier
from tierstore.policy.schema import POLICY, RULE, Field, Group, Leaf, Record
from tierstore.units import format_duration, format_rate, format_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tierstore.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Change:
    """A field that has another value in the simulation."""

    rule: str | None
    """The name of the rule that it is of; None for a field of the whole policy."""
    field: str
    before: str
    after: str


def changes(policy: Policy, played: Policy) -> tuple[Change, ...]:
    """The fields in which `played` differs from `policy`, of which it was made."""
    found = [*_differences(None, _fields_of_policies(), policy, played)]
    for rule, other in zip(policy.rules, played.rules, strict=True):
        found += _differences(rule.name, RULE, rule, other)
    return tuple(found)


def _fields_of_policies() -> Mapping[str, Field]:
    """All but the rules; `cold.retain` stands in the record of the tier."""
    cold = POLICY["cold"]
    assert isinstance(cold, Group)
    return {**POLICY, "cold": Record("cold", ColdTier, cold.fields)}


def _differences(
    rule: str | None, fields: Mapping[str, Field], before: Any, after: Any
) -> Iterator[Change]:
    for (path, attribute, old), (_, _, new) in zip(
        _leaves(fields, before), _leaves(fields, after), strict=True
    ):
        if old != new:
            yield Change(rule, path, _spell(attribute, old), _spell(attribute, new))


def _leaves(
    fields: Mapping[str, Field], record: Any, above: str = ""
) -> Iterator[tuple[str, str, Any]]:
    """The (path, attribute, value) of every field that holds one value."""
    for name, field in fields.items():
        path = f"{above}{name}"
        if isinstance(field, Leaf):
            yield path, field.attribute, getattr(record, field.attribute)
        elif isinstance(field, Group):
            yield from _leaves(field.fields, record, f"{path}.")
        elif isinstance(field, Record):
            yield from _leaves(field.fields, getattr(record, field.attribute), f"{path}.")


def _spell(attribute: str, value: Any) -> str:
    if isinstance(value, str) or value is None:
        return str(value)
    if attribute.endswith("bytes_per_s"):
        return f"{format_size(round(value))}/s"
    if attribute.endswith("_per_s"):
        return format_rate(value)
    if attribute.endswith("_s"):
        return format_duration(value)
    return format_size(value) if attribute.endswith("_bytes") else str(value)
