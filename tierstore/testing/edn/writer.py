"""A writer of EDN."""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

from tierstore.testing.edn.values import Keyword, Symbol, Tagged, tagged_bytes

_SPECIAL = re.compile(r'[\x00-\x1f"\\\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_CONSTANTS = {None: "nil", True: "true", False: "false"}


def write(value: Any) -> str:
    """The text of `value`, on one line. Raises `TypeError` for what EDN does not have."""
    if value is None or isinstance(value, bool):
        return _CONSTANTS[value]
    if isinstance(value, int) or (isinstance(value, float) and isfinite(value)):
        return repr(value)
    if isinstance(value, str):
        return f'"{_SPECIAL.sub(_escape, value)}"'
    if isinstance(value, Keyword):
        return f":{value.name}"
    if isinstance(value, Symbol):
        return value.name
    if isinstance(value, bytes):
        return write(tagged_bytes(value))
    if isinstance(value, Tagged):
        return f"#{value.tag} {write(value.value)}"
    return _collection(value)


def _collection(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"[{' '.join(map(write, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"#{{{' '.join(sorted(map(write, value)))}}}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write(key)} {write(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"EDN has no {type(value).__name__}: {value!r:.60}")


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[0]) or f"\\u{ord(match[0]):04x}"
