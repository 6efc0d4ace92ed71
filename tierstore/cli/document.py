"""Values as JSON and back, exactly: what JSON lacks is written as an object with one `$` field.

`bytes` is `{"$bytes": base64}`, a datetime `{"$datetime": iso}`, a float that is not finite
`{"$float": "nan"}`. A mapping that looks like one of these is `{"$literal": …}`.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any

_MARKS = ("$bytes", "$datetime", "$float", "$literal")


def dumps(data: Any) -> str:
    """`data` as JSON on one line, in ASCII."""
    return json.dumps(to_json(data), allow_nan=False)


def to_json(value: Any) -> Any:
    """`value` as what JSON has."""
    if isinstance(value, dict):
        plain = {name: to_json(item) for name, item in value.items()}
        return {"$literal": plain} if _is_marked(value) else plain
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, bytes):
        return {"$bytes": b64encode(value).decode()}
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    return value


def loads(text: str | bytes) -> Any:
    """The value in JSON `text`.

    Raises ValueError if it is not JSON, repeats a name, or has a mark that says nothing.
    """
    try:
        data = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_mapping)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _from_json(data)


def _from_json(data: Any) -> Any:
    if isinstance(data, list):
        return [_from_json(item) for item in data]
    if not isinstance(data, dict):
        return data
    if not _is_marked(data):
        return {name: _from_json(item) for name, item in data.items()}
    ((mark, content),) = data.items()
    return _unmark(mark, content)


def _unmark(mark: str, content: Any) -> Any:
    if mark == "$literal" and isinstance(content, dict):
        return {name: _from_json(item) for name, item in content.items()}
    if mark == "$float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if mark == "$bytes" and isinstance(content, str):
        return b64decode(content, validate=True)
    if mark == "$datetime" and isinstance(content, str):
        return datetime.fromisoformat(content)
    raise ValueError(f"{mark}: malformed")


def _is_marked(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in _MARKS


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return mapping


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
