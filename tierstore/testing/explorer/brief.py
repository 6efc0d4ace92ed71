"""Short texts for arguments and replies, the same in every run.

No addresses and no order of hashes, so that one schedule always tells one story.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from tierstore.region.batch import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

TEXT_LENGTH_MAX = 40
ITEMS_MAX = 6
DEPTH_MAX = 2
_DIGITS_MAX = 9
_SAYS_LITTLE = frozenset(("incarnation", "now_ms", "info"))


def brief_call(name: str, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> str:
    """A call as it could be written, each argument abbreviated."""
    texts = [brief(argument) for argument in arguments]
    texts += [f"{key}={brief(value)}" for key, value in keywords.items()]
    return f"{name}({', '.join(texts)})"


def brief(value: Any, depth: int = DEPTH_MAX) -> str:
    """`value` in few characters."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return _cut(f"{type(value).__name__}: {value}", 2 * TEXT_LENGTH_MAX)
    if isinstance(value, int) and len(digits := str(value)) > _DIGITS_MAX:
        return f"…{digits[-4:]}"
    if value is None or isinstance(value, str | int | float):
        return _cut(repr(value), TEXT_LENGTH_MAX)
    if isinstance(value, Batch):
        return f"Batch({value.number}: {_some(repr(delta.key) for delta in value.deltas)})"
    if depth == 0:
        return type(value).__name__
    return _compound(value, lambda inner: brief(inner, depth - 1))


def _compound(value: Any, inner: Callable[[Any], str]) -> str:
    if isinstance(value, dict):
        return f"{{{_some(f'{inner(k)}: {inner(v)}' for k, v in value.items())}}}"
    if isinstance(value, set | frozenset):
        return f"{{{_some(sorted(map(inner, value)))}}}"
    if isinstance(value, list | tuple):
        return f"[{_some(map(inner, value))}]"
    if is_dataclass(value):
        named = ((f.name, getattr(value, f.name)) for f in fields(value))
        telling = ((k, v) for k, v in named if k not in _SAYS_LITTLE and v not in (None, "", b""))
        shown = (f"{name}={inner(field)}" for name, field in telling)
        return f"{type(value).__name__}({_some(shown)})"
    return type(value).__name__


def _some(texts: Iterable[str]) -> str:
    listed = list(texts)
    more = [f"… {len(listed) - ITEMS_MAX} more"] if len(listed) > ITEMS_MAX else []
    return ", ".join(listed[:ITEMS_MAX] + more)


def _cut(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"
