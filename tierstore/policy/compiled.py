"""Compiled policies: canonical JSON that loads without YAML, for starts within milliseconds.

The text holds every value, defaults included, so another version's defaults do not change it.
Secrets stay `${env:NAME}`. A checksum over the values tells a file that was cut, damaged or
edited by hand from one that the verifier has seen; white space does not matter.
"""

from __future__ import annotations

import os
import sys
import zlib

from tierstore.errors import PolicyError
from tierstore.frozen import as_dict
from tierstore.policy import model
from tierstore.policy.availability import unavailable
from tierstore.policy.url import Secret, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

FORMAT = 1
_HEAD = "tierstore_policy"
_NOT_COMPILED = ("source", "base_dir")


def compile_policy(policy: model.Policy) -> str:
    """`policy` as JSON text; the same policy always gives the same text."""
    import json

    values = {
        name: _plain(value) for name, value in as_dict(policy).items() if name not in _NOT_COMPILED
    }
    document = {
        _HEAD: FORMAT,
        "library": _library_version(),
        "checksum": _checksum(values),
        "policy": values,
    }
    return json.dumps(document, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def load_compiled(
    text: str, source: str = "policy.json", base_dir: str | None = None
) -> model.Policy:
    """The policy that `compile_policy` wrote to `text`.

    Raises: PolicyError if the text is of an unknown format, damaged, or asks for what this
    version lacks.
    """
    values = _values(text, source)
    try:
        policy = _policy(values, source, os.path.abspath(base_dir or ""))
    except (TypeError, ValueError, KeyError, AttributeError) as exc:
        raise _refused(source, "another version wrote it, or it was damaged") from exc
    lacking = tuple(f"{source}: {path}: {text}" for path, text in unavailable(policy))
    if lacking:
        raise PolicyError("\n".join(lacking), faults=lacking)
    return policy


def _values(text: str, source: str) -> dict[str, Any]:
    try:
        document = _parse_json(text)
    except (ValueError, StopIteration, RecursionError) as exc:
        raise _refused(source, "it is not complete JSON") from exc
    if not isinstance(document, dict) or _HEAD not in document:
        raise _refused(source, f'it has no "{_HEAD}"')
    if document[_HEAD] != FORMAT:
        raise _refused(source, f"its format is not {FORMAT}, the only one this version reads")
    values = document.get("policy")
    if not isinstance(values, dict) or document.get("checksum") != _checksum(values):
        raise _refused(source, "it was changed or damaged since")
    return values


def _refused(source: str, why: str) -> PolicyError:
    fault = f"{source}: not a compiled policy that can be used: {why}; compile the YAML again"
    return PolicyError(fault, faults=(fault,))


def _checksum(values: dict[str, Any]) -> str:
    return f"{zlib.crc32(ascii(values).encode()):08x}"


def _library_version() -> str:
    # The package itself stands above all layers, so it is looked up rather than imported.
    return str(vars(sys.modules[__name__.partition(".")[0]])["__version__"])


class _Context:
    """What the scanner of the json module asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    def __init__(self) -> None:
        self.memo: dict[str, str] = {}

    @staticmethod
    def parse_constant(name: str) -> float:
        """No NaN, no Infinity. Raises: ValueError."""
        raise ValueError(name)


def _parse_json(text: str) -> object:
    """The data of JSON `text`, by the scanner inside the json module, whose import costs 16 ms."""
    scan = _scanner()
    if scan is None:
        import json

        return json.loads(text)
    begin = len(text) - len(text.lstrip())
    data, end = scan(text, begin)
    if text[end:].strip():
        raise ValueError("text after the end")
    return data


def _scanner() -> Callable[[str, int], tuple[object, int]] | None:
    try:
        from _json import make_scanner
    except ImportError:
        return None
    scan: Callable[[str, int], tuple[object, int]] = make_scanner(_Context())  # type: ignore[arg-type]
    return scan


def _plain(value: Any) -> Any:
    """`value` as what JSON has: records as objects, urls as written."""
    if isinstance(value, Secret):
        return value.template
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return {k: _plain(v) for k, v in as_dict(value).items()} if _is_record(value) else value


def _is_record(value: object) -> bool:
    return type(value).__module__ == model.__name__


def _policy(values: dict[str, Any], source: str, base_dir: str) -> model.Policy:
    fields = {**values, "source": source, "base_dir": base_dir}
    for name, make in _RECORDS.items():
        fields[name] = _record(make, _with_secrets(values[name]))
    fields["replication"] = _replication(values["replication"])
    fields["rules"] = tuple([_rule(rule) for rule in values["rules"]])
    return _record(model.Policy, fields)


_RECORDS: dict[str, type[Any]] = {
    "edge": model.EdgeTier,
    "regional": model.RegionalTier,
    "cold": model.ColdTier,
    "movement": model.Movement,
    "coordinator": model.Coordinator,
    "timeouts": model.Timeouts,
    "limits": model.Limits,
    "security": model.Security,
}


def _replication(values: dict[str, Any]) -> model.Replication:
    peers = {
        name: _record(model.Peer, _with_secrets(peer)) for name, peer in values["peers"].items()
    }
    return _record(model.Replication, {**values, "peers": peers})


def _rule(values: dict[str, Any]) -> model.Rule:
    place = values["place"]
    fields = dict(values)
    fields["match"] = tuple(values["match"])
    fields["hotness"] = _record(model.Hotness, values["hotness"])
    fields["read"] = _record(model.ReadBounds, values["read"])
    fields["place"] = _record(
        model.Place, {name: None if v is None else tuple(v) for name, v in place.items()}
    )
    return _record(model.Rule, fields)


def _record(make: type[T], fields: dict[str, Any]) -> T:
    """A record of all its fields. A quarter of the time of the constructor, which also takes
    defaults, positions and names; a policy of 100 rules has 400 records.
    """
    names: tuple[str, ...] = make.__slots__  # type: ignore[attr-defined]
    if len(names) != len(fields):
        raise ValueError(f"{make.__name__} has other fields")
    record = object.__new__(make)
    for name in names:
        object.__setattr__(record, name, fields[name])
    return record


def _with_secrets(values: dict[str, Any]) -> dict[str, Any]:
    if "session_key" in values:
        return {**values, "session_key": tuple(map(Secret, values["session_key"]))}
    urls = {name: Url(values[name]) for name in ("url", "cold") if values.get(name) is not None}
    return {**values, **urls}
