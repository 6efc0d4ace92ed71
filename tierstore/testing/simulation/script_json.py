"""Scripts as JSON, for people to keep and change: one object, with the version of its format."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any, TypeVar, cast, get_type_hints

from tierstore.testing.simulation.options import Options, Rates
from tierstore.testing.simulation.script import Fault, Script, Step

VERSION = 1
_NAME = "tierstore_script"

T = TypeVar("T", Options, Rates, Step, Fault)


class ScriptError(ValueError):
    """What should be a script is none; the text says where."""


def dumps(script: Script) -> str:
    """`script` as text that `loads` takes: options by name, then a line for each step and fault."""
    whole = {_NAME: VERSION, "seed": script.seed}
    lines = [f"{_text(name)}: {_text(value)}" for name, value in whole.items()]
    options = json.dumps(asdict(script.options), indent=1, ensure_ascii=False)
    lines.append(f'"options": {options}')
    for name in ("steps", "faults"):
        rows = ",\n ".join(_text(asdict(row)) for row in getattr(script, name))
        lines.append(f'"{name}": [\n {rows}\n]' if rows else f'"{name}": []')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def loads(text: str) -> Script:
    """The script that `dumps` wrote. Fields that are left out are as a default says.

    Raises ScriptError if a field is unknown, missing without a default, or of a wrong type.
    """
    try:
        whole = json.loads(text)
    except ValueError as error:
        raise ScriptError(f"not JSON: {error}") from error
    if not isinstance(whole, dict) or whole.get(_NAME) != VERSION:
        raise ScriptError(f'a script is an object with "{_NAME}": {VERSION}')
    unknown = whole.keys() - {_NAME, "seed", "options", "steps", "faults"}
    if unknown or type(whole.get("seed")) is not int:
        raise ScriptError(f"a script has a seed, options, steps and faults, not {sorted(unknown)}")
    return Script(
        whole["seed"],
        _options(whole.get("options")),
        tuple(_make(Step, row, f"step {at}") for at, row in enumerate(_list(whole, "steps"))),
        tuple(_make(Fault, row, f"fault {at}") for at, row in enumerate(_list(whole, "faults"))),
    )


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _list(whole: dict[str, Any], name: str) -> list[Any]:
    rows = whole.get(name, [])
    if not isinstance(rows, list):
        raise ScriptError(f"{name} must be an array")
    return rows


def _options(row: Any) -> Options:
    if isinstance(row, dict) and "rates" in row:
        row = {**row, "rates": _make(Rates, row["rates"], "rates")}
    return _make(Options, row, "options")


def _make(kind: type[T], row: Any, where: str) -> T:
    if not isinstance(row, dict):
        raise ScriptError(f"{where} must be an object, not {row!r:.60}")
    hints = get_type_hints(kind)
    unknown = sorted(row.keys() - {field.name for field in fields(kind)})
    if unknown:
        raise ScriptError(f"{where} has fields that are not known: {', '.join(unknown)}")
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
    for name, value in values.items():
        if not _fits(value, str(hints[name])):
            raise ScriptError(f"{where}: {name} must not be {value!r:.60}")
    try:
        made: T = cast("Any", kind)(**values)
    except TypeError as error:
        raise ScriptError(f"{where}: {error}") from error
    return made


def _fits(value: object, hint: str) -> bool:
    """Whether `value` is of the type that `hint` names, as far as scripts have such."""
    if value is None:
        return "None" in hint
    if isinstance(value, tuple):
        return "tuple" in hint and all(isinstance(item, str) for item in value)
    if isinstance(value, bool):
        return "bool" in hint
    if isinstance(value, int):
        return "int" in hint or "float" in hint
    if isinstance(value, Rates):
        return "Rates" in hint
    return "tuple" not in hint and (
        ("float" in hint and isinstance(value, float))
        or (("str" in hint or "Literal" in hint) and isinstance(value, str))
    )
