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

from tierstore.values import DEPTH_MAX

SHOWN_CHARS_MAX = 20
LEVELS_MAX = 2 * DEPTH_MAX + 2
"""Of JSON: each level of a value may be inside a mark. How deep Python itself can read JSON differs
between its versions."""
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


class UnfitError(ValueError):
    """The text is JSON, but stands for no value that can be told exactly."""


def loads(text: str | bytes) -> Any:
    """The value in JSON `text`.

    Raises ValueError if it is not JSON; UnfitError if it is, but repeats a name, has a mark that
    says nothing, a number beyond all bounds, or too many levels.
    """
    try:
        return _from_json(
            json.loads(
                text,
                parse_constant=_refuse_constant,
                parse_float=_finite,
                parse_int=_whole,
                object_pairs_hook=_mapping,
            )
        )
    except RecursionError:
        raise UnfitError("nested too deeply") from None


def _from_json(data: Any, room: int = LEVELS_MAX) -> Any:
    if not room:
        raise UnfitError("nested too deeply")
    if isinstance(data, list):
        return [_from_json(item, room - 1) for item in data]
    if not isinstance(data, dict):
        return data
    if not _is_marked(data):
        return {name: _from_json(item, room - 1) for name, item in data.items()}
    ((mark, content),) = data.items()
    try:
        return _unmark(mark, content, room - 1)
    except UnfitError:
        raise
    except ValueError as exc:
        raise UnfitError(f"{mark}: malformed ({exc})") from None


def _unmark(mark: str, content: Any, room: int) -> Any:
    if mark == "$literal" and isinstance(content, dict):
        return {name: _from_json(item, room) for name, item in content.items()}
    if mark == "$float" and content in ("nan", "inf", "-inf"):
        return float(content)
    if mark == "$bytes" and isinstance(content, str):
        return b64decode(content, validate=True)
    if mark == "$datetime" and isinstance(content, str):
        return datetime.fromisoformat(content)
    raise UnfitError(f"{mark}: malformed")


def _is_marked(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)) in _MARKS


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise UnfitError("a name stands twice in one object")
    return mapping


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise UnfitError(f'{_cut(text)} is beyond every float; infinity is {{"$float": "inf"}}')
    return number


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UnfitError(f"{_cut(text)} has too many digits") from None


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]}…"


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
