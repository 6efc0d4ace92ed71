"""Checks of arguments, before anything happens."""

from __future__ import annotations

from tierstore.errors import InvalidArgumentError, ValueTooLargeError
from tierstore.runtime import jitter
from tierstore.units import MS_PER_S, format_size, shown, ttl_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from typing import Any

    from tierstore.policy.model import Rule
    from tierstore.runtime import Runtime

    TTL = float | int | str | timedelta | None

METADATA_BYTES_MAX = 1024
SECONDS_MAX = 1e9
"""As good as for ever, and less than locks can wait."""


class Omitted:
    """The type of `OMITTED`: an argument that was not given, where None means something."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "OMITTED"


OMITTED = Omitted()


def ttl_ms(rule: Rule, ttl: TTL | Omitted, runtime: Runtime) -> int | None:
    """The milliseconds that a write under `rule` lives; None for ever."""
    if ttl is None:
        return None
    if isinstance(ttl, Omitted):
        if rule.ttl_s is None:
            return None
        spread = 1.0 - rule.ttl_jitter * jitter(runtime) if rule.ttl_jitter else 1.0
        return max(1, round(rule.ttl_s * spread * MS_PER_S))
    return max(1, round(ttl_seconds(ttl) * MS_PER_S))


def check_metadata(metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    """A copy of `metadata`. Raises InvalidArgumentError unless it is str to str, at most 1 KiB."""
    if not metadata:
        if metadata is None or isinstance(metadata, dict):
            return None
        raise InvalidArgumentError("metadata: expected a mapping of str to str")
    try:
        copy = dict(metadata)
        size = sum(len(name.encode()) + len(text.encode()) for name, text in copy.items())
    except (AttributeError, TypeError, ValueError):
        raise InvalidArgumentError("metadata: expected a mapping of str to str") from None
    if not all(type(k) is str and type(v) is str for k, v in copy.items()):
        raise InvalidArgumentError("metadata: expected a mapping of str to str")
    if size > METADATA_BYTES_MAX:
        raise InvalidArgumentError(f"metadata: {size} bytes, at most {METADATA_BYTES_MAX}")
    return copy


def check_keys(keys: Iterable[str]) -> Iterable[str]:
    """`keys`. Raises InvalidArgumentError if they are one text, or nothing to go through."""
    if isinstance(keys, (str, bytes, bytearray)) or not hasattr(keys, "__iter__"):
        raise InvalidArgumentError(
            f"keys: expected several keys, such as a list, got {shown(keys)}"
        )
    return keys


def check_items(items: Mapping[str, Any]) -> Mapping[str, Any]:
    """`items`. Raises InvalidArgumentError unless they are a mapping."""
    if not hasattr(items, "items"):
        raise InvalidArgumentError(
            f"items: expected a mapping of keys to values, such as a dict, got {shown(items)}"
        )
    return items


def check_size(key: str, size: int, limit: int) -> None:
    """Raise ValueTooLargeError if a value's encoded `size` is above `limits.value`."""
    if size > limit:
        raise ValueTooLargeError(
            f"the value of {key!r} has {size} bytes, limits.value is {format_size(limit)}"
        )


def seconds(name: str, value: Any) -> float | None:
    """A number of seconds, zero or more (infinity, too), or None. Raises InvalidArgumentError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        raise InvalidArgumentError(f"{name}: expected seconds, zero or more, got {value!r}")
    return float(min(value, SECONDS_MAX))


def whole_number(name: str, value: Any, at_least: int = 1) -> int:
    """A whole number, `at_least` or more. Raises InvalidArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise InvalidArgumentError(
            f"{name}: expected a whole number, {at_least} or more, got {shown(value)}"
        )
    return value
