"""From plain data to a policy by the schema, collecting every fault on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierstore.frozen import replace
from tierstore.policy import model
from tierstore.policy.faults import (
    Fault,
    Places,
    PolicyWarning,
    advice,
    child,
    locate,
    policy_error,
)
from tierstore.policy.schema import CONTRADICTIONS, POLICY, RULE, Field, Group, Items, Leaf, Record
from tierstore.policy.verify import verify
from tierstore.units import shown

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True, slots=True)
class Examined:
    """A policy with what is wrong and odd about it; not to be used if there are `faults`."""

    policy: model.Policy
    faults: tuple[Fault, ...]
    warnings: tuple[PolicyWarning, ...]

    def checked(self) -> model.Policy:
        """The policy. Raises: PolicyError with all faults, if there are any."""
        if self.faults:
            raise policy_error(self.policy.source, self.faults)
        return self.policy


def load_dict(
    data: Mapping[str, object],
    source: str = "policy",
    base_dir: str | None = None,
    known_schemes: Collection[str] | None = None,
) -> model.Policy:
    """The policy that `data` spells, by the same schema as YAML.

    Raises: PolicyError with all faults.
    """
    return examine(data, source, base_dir, known_schemes=known_schemes).checked()


def examine(
    data: object,
    source: str,
    base_dir: str | None = None,
    *,
    places: Places | None = None,
    earlier: tuple[Fault, ...] = (),
    known_schemes: Collection[str] | None = None,
) -> Examined:
    """The policy that `data` spells, with all faults and warnings.

    A field at fault takes its default, so that the rest can be verified in the same run; what the
    verifier then says because of that default is left out.
    """
    reader = _Reader(places or {}, list(earlier), {fault.path for fault in earlier})
    policy = replace(reader.policy(data), source=source, base_dir=os.path.abspath(base_dir or ""))
    faults, warnings = verify(policy, known_schemes=known_schemes)
    sound = [
        fault
        for fault in faults
        if not any(_spoils(read.path, fault.path) for read in reader.faults)
    ]
    return Examined(
        policy,
        (*reader.faults, *locate([*reader.contradicted, *sound], reader.places)),
        tuple(locate(warnings, reader.places)),
    )


def _spoils(read: str, verified: str) -> bool:
    """Whether a default in place of what is at fault at `read` may have led to `verified`."""
    if not read or verified == read or verified.startswith((f"{read}.", f"{read}[")):
        return True
    section, _, rest = read.partition(".")
    name = rest.partition(".")[0].partition("[")[0]
    if section != verified.partition(".")[0]:
        hint = {"tiers": ".place", "prices": ".hotness.cold"}.get(section)
        return hint is not None and hint in verified
    return not section.startswith("rules[") or name == "durability" or name not in RULE


@dataclass(slots=True)
class _Reader:
    places: Places
    faults: list[Fault]
    told: set[str]
    contradicted: list[Fault] = field(default_factory=list)

    def policy(self, data: object) -> model.Policy:
        """The policy of `data`; faulty fields have their defaults."""
        data = {} if data is None else data
        rules_data: object = ()
        if isinstance(data, Mapping):
            rules_data = data.get("rules", ())
            data = {name: value for name, value in data.items() if name != "rules"}
        found = self.fields(POLICY, data, "", also=("rules",))
        retain_s = found.pop("retain_s", None)
        policy = model.Policy(**found, rules=self.rules(rules_data))
        if retain_s is None:
            return policy
        return replace(policy, cold=replace(policy.cold, retain_s=retain_s))

    def rules(self, data: object) -> tuple[model.Rule, ...]:
        """The rules of a list, and the default rule after them."""
        if not isinstance(data, (list, tuple)):
            self.fault("rules", f"expected a list of rules, got {shown(data)}")
            data = ()
        declared = [self.rule(item, index) for index, item in enumerate(data)]
        return (*declared, model.default_rule(len(declared)))

    def rule(self, data: object, index: int) -> model.Rule:
        """The rule at `index`; without patterns if `match` is at fault."""
        path = f"rules[{index}]"
        found = self.fields(RULE, data, path)
        if isinstance(data, Mapping):
            self.contradictions(data, path)
            if "match" not in data:
                self.fault(path, 'match is missing; say which keys, such as match: "product/**"')
        found.setdefault("match", ())
        found.setdefault("name", found["match"][0] if found["match"] else path)
        return model.Rule(index=index, **found)

    def contradictions(self, rule: Mapping[str, object], path: str) -> None:
        """Faults for fields that the rest of the rule leaves no sense to."""
        for name, excluded, text in CONTRADICTIONS:
            if name in rule and excluded(rule):
                self.contradicted.append(Fault(child(path, name), text))

    def fields(
        self, fields: Mapping[str, Field], data: object, path: str, also: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """The attributes that the mapping `data` sets; those at fault are left out."""
        found: dict[str, Any] = {}
        if not isinstance(data, Mapping):
            names = ", ".join((*fields, *also))
            self.fault(path, f"expected a mapping of {names}, got {shown(data)}")
            return found
        for name, value in data.items():
            below = child(path, name)
            if isinstance(name, str) and name in fields:
                self.field(fields[name], value, below, found)
            else:
                self.unknown(name, below, (*fields, *also))
        return found

    def field(self, field: Field, value: object, path: str, found: dict[str, Any]) -> None:
        """Puts what `value` means into `found`."""
        if isinstance(field, Group):
            found.update(self.fields(field.fields, value, path))
        elif isinstance(field, Record):
            found[field.attribute] = field.make(**self.fields(field.fields, value, path))
        elif isinstance(field, Items):
            self.items(field, value, path, found)
        else:
            self.leaf(field, value, path, found)

    def items(self, field: Items, value: object, path: str, found: dict[str, Any]) -> None:
        """A tuple of parsed values, unless one of them is at fault or there is none."""
        listed = isinstance(value, (list, tuple))
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        parsed: dict[str, Any] = {}
        for index, item in enumerate(items):
            below = f"{path}[{index}]" if listed else path
            self.leaf(Leaf(str(index), field.parse), item, below, parsed)
        if not items:
            self.fault(path, "expected at least one item, got an empty list")
        if items and len(parsed) == len(items):
            found[field.attribute] = tuple(parsed.values())

    def leaf(self, field: Leaf, value: object, path: str, found: dict[str, Any]) -> None:
        """The parsed value, or a fault."""
        try:
            found[field.attribute] = field.parse(value)
        except ValueError as exc:
            self.fault(path, str(exc))

    def unknown(self, name: object, path: str, known: tuple[str, ...]) -> None:
        """A fault at the field's name."""
        if not isinstance(name, str):
            text = f"names of fields are text, got {shown(name)}"
        elif name == "<<":
            text = "merge keys are not supported; write the fields out"
        else:
            text = f"unknown field; {advice(name, known)}"
        self.fault(path, text, self.places.get("key:" + path))

    def fault(self, path: str, text: str, place: tuple[int, int] | None = None) -> None:
        """Notes that `path` is wrong, unless the loader refused the value there already."""
        if place is None and path in self.told:
            return
        fault = Fault(path, text, *(place or (0, 0)))
        self.faults += locate([fault], self.places)
