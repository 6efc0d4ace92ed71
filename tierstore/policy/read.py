"""From plain data to a policy by the schema, collecting every fault on the way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierstore.frozen import replace
from tierstore.policy import model
from tierstore.policy.checks import Unsound
from tierstore.policy.faults import (
    Again,
    Fault,
    Places,
    PolicyWarning,
    advice,
    child,
    closest,
    locate,
    policy_error,
)
from tierstore.policy.schema import (
    CONTRADICTIONS,
    POLICY,
    RULE,
    Field,
    Group,
    Items,
    Leaf,
    Record,
    Table,
)
from tierstore.policy.verify import verify
from tierstore.units import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tierstore.policy.checks import Capabilities


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
    declared: Callable[[model.Policy], Capabilities] | None = None,
) -> Examined:
    """The policy that `data` spells, with all faults and warnings.

    `declared` says what the adapters of its tiers can do, where that is to be checked.

    A field at fault takes its default, so that the rest can be verified in the same run; what
    would follow from that default alone is left out.
    """
    reader = _Reader(places or {}, list(earlier), {fault.path for fault in earlier})
    policy = replace(reader.policy(data), source=source, base_dir=os.path.abspath(base_dir or ""))
    unsound = Unsound(reader.unsound)
    able = {} if declared is None else declared(policy)
    found, warnings = verify(policy, able, known_schemes, unsound)
    contradicted = [fault for fault, read in reader.contradicted if not unsound.touches(read)]
    return Examined(
        policy,
        (*reader.faults, *locate([*contradicted, *found], reader.places)),
        tuple(locate(warnings, reader.places)),
    )


@dataclass(slots=True)
class _Reader:
    places: Places
    faults: list[Fault]
    unsound: set[str]
    """The paths of fields that are at fault, or that a misspelt one may stand for."""
    contradicted: list[tuple[Fault, str]] = field(default_factory=list)
    """Fields that another one, at a path, leaves no sense to."""

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
                text = 'match is missing; say which keys, such as match: "product/**"'
                self.fault(path, text, reads=child(path, "match"))
        found.setdefault("match", ())
        found.setdefault("name", found["match"][0] if found["match"] else path)
        return model.Rule(index=index, **found)

    def contradictions(self, rule: Mapping[str, object], path: str) -> None:
        """Notes fields that the rest of the rule leaves no sense to."""
        for name, read, excluded, text in CONTRADICTIONS:
            if name in rule and excluded(rule):
                fault = Fault(child(path, name), text)
                self.contradicted.append((fault, child(path, read)))

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
            if isinstance(name, Again):
                self.again(name, value, path, fields)
            elif isinstance(name, str) and name in fields:
                self.field(fields[name], value, child(path, name), found)
            else:
                self.unknown(name, path, (*fields, *also))
        return found

    def again(self, name: Again, value: object, path: str, fields: Mapping[str, Field]) -> None:
        """Faults of the value of a field that stands in its mapping before."""
        reader = _Reader(name.places, self.faults, self.unsound)
        if name.name in fields:
            reader.field(fields[name.name], value, child(path, name.name), {})
        elif name.name == "rules" and not path:
            reader.rules(value)

    def field(self, field: Field, value: object, path: str, found: dict[str, Any]) -> None:
        """Puts what `value` means into `found`."""
        if isinstance(field, Group):
            found.update(self.fields(field.fields, value, path))
        elif isinstance(field, Record):
            found[field.attribute] = field.make(**self.fields(field.fields, value, path))
        elif isinstance(field, Table):
            found[field.attribute] = self.table(field, value, path)
        elif isinstance(field, Items):
            self.items(field, value, path, found)
        else:
            self.leaf(field, value, path, found)

    def table(self, field: Table, value: object, path: str) -> dict[str, Any]:
        """The fields of a mapping whose names are data; those at fault are left out."""
        if not isinstance(value, Mapping):
            self.fault(path, f"expected a mapping, got {shown(value)}")
            return {}
        fields = {name: field.item(name) for name in value if self.names(field, name, path)}
        known = {name: item for name, item in value.items() if _plain(name) in fields}
        return self.fields(fields, known, path)

    def names(self, field: Table, name: object, path: str) -> bool:
        """Whether `name` is one that `field` takes; notes a fault if not."""
        try:
            return not isinstance(name, Again) and bool(field.name(name))
        except ValueError as exc:
            below = child(path, name)
            self.fault(below, str(exc), self.places.get("key:" + below))
            return False

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
        """A fault at the name of a field of what is at `path`."""
        below = meant = child(path, name)
        if not isinstance(name, str):
            text = f"names of fields are text, got {shown(name)}"
        elif name == "<<":
            text = "merge keys are not supported; write the fields out"
        else:
            text = f"unknown field; {advice(name, known)}"
            meant = child(path, closest(name, known) or name)
        self.fault(below, text, self.places.get("key:" + below), reads=meant)

    def fault(
        self,
        path: str,
        text: str,
        place: tuple[int, int] | None = None,
        reads: str | None = None,
    ) -> None:
        """Notes that `path` is wrong, unless the loader refused the value there already."""
        self.unsound.add(path if reads is None else reads)
        if place is None and "refused:" + path in self.places:
            return
        fault = Fault(path, text, *(place or (0, 0)))
        self.faults += locate([fault], self.places)


def _plain(name: object) -> object:
    return name.name if isinstance(name, Again) else name
