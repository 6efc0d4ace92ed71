"""Durations, sizes and rates as people write them: `5min`, `64KiB`, `6/h`, `32MiB/s`.

A unit is always required, because a bare `30` is seconds to one reader and minutes to the next.
Every parser raises `ValueError` with a sentence that says what was expected and what was found.
"""

from __future__ import annotations

from tierstore.errors import InvalidArgumentError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta
    from typing import NoReturn

MS_PER_S = 1000
DURATION_MAX_S = 100 * 365.25 * 86400.0
SIZE_MAX_BYTES = 2**60
RATE_MAX_PER_S = 1e9

_DURATION_MS = {
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "min": 60_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}
_SIZE_BYTES = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}
_BINARY_UNITS = ("TiB", "GiB", "MiB", "KiB")
_FORMAT_UNITS = ("d", "h", "min", "s", "ms")
_RATE_UNITS = ("s", "min", "h", "d", "w")
_DURATION_ADVICE = "units are ms, s, m or min, h, d, w"
_SIZE_ADVICE = "units are B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB for powers of 1000"
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list", tuple: "a list"}
_NUMBER_CHARS_MAX = 20
_SHOWN_CHARS_MAX = 40


def parse_duration_s(text: str) -> float:
    """The seconds of a duration such as `200ms`, `5min`, `1.5h`, `1h30m` or `30d`.

    Parts of a compound go from the longest unit to the shortest. At most 100 years.
    Raises: ValueError.
    """
    try:
        seconds = _duration_s(text)
    except (ValueError, TypeError, AttributeError):
        _refuse('a duration like "5min"', text, _DURATION_ADVICE)
    if seconds > DURATION_MAX_S:
        _refuse("a duration of at most 100 years", text)
    return seconds


def parse_size_bytes(text: str) -> int:
    """The bytes of a size such as `0B`, `64KiB`, `1.5GiB` or `25MB`. At most 1 EiB.

    Raises: ValueError, also when a fraction does not come to whole bytes.
    """
    try:
        numerator, divisor, unit = _leading_number(text)
        size_bytes, fraction = divmod(numerator * _SIZE_BYTES[unit], divisor)
    except (ValueError, KeyError, TypeError, AttributeError):
        _refuse('a size like "64KiB"', text, _SIZE_ADVICE)
    if fraction:
        _refuse("a whole number of bytes", text)
    if size_bytes > SIZE_MAX_BYTES:
        _refuse("a size of at most 1 EiB", text)
    return size_bytes


def parse_rate_per_s(text: str) -> float:
    """The events per second of a rate such as `6/h`, `1/d` or `500/s`. At most 10^9 per second.

    Raises: ValueError.
    """
    try:
        amount, _, unit = text.partition("/")
        numerator, divisor, rest = _leading_number(amount)
        rate_per_s = numerator * 1000 / (divisor * _DURATION_MS[unit.strip(" ")])
    except (ValueError, KeyError, TypeError, AttributeError):
        _refuse('a rate like "6/h"', text)
    if rest:
        _refuse('a rate like "6/h"', text)
    if rate_per_s > RATE_MAX_PER_S:
        _refuse("a rate of at most 1000000000/s", text)
    return rate_per_s


def parse_byte_rate_per_s(text: str) -> float:
    """The bytes per second of a rate such as `32MiB/s` or `1GiB/h`.

    Raises: ValueError.
    """
    try:
        amount, _, unit = text.partition("/")
        return parse_size_bytes(amount) * 1000 / _DURATION_MS[unit.strip(" ")]
    except (ValueError, KeyError, TypeError, AttributeError):
        _refuse('a rate of bytes like "32MiB/s"', text)


def format_duration(seconds: float) -> str:
    """`seconds` in the longest unit that gives a whole number, as `parse_duration_s` reads it.

    Exact for whole milliseconds; below that rounded to a microsecond.
    """
    ms = round(seconds * 1000, 3)
    for unit in _FORMAT_UNITS:
        if ms and ms % _DURATION_MS[unit] == 0:
            return f"{int(ms) // _DURATION_MS[unit]}{unit}"
    return f"{ms:.3f}".rstrip("0") + "ms" if ms else "0s"


def format_size(size_bytes: int) -> str:
    """`size_bytes` in the largest binary unit that gives a whole number."""
    for unit in _BINARY_UNITS:
        if size_bytes and size_bytes % _SIZE_BYTES[unit] == 0:
            return f"{size_bytes // _SIZE_BYTES[unit]}{unit}"
    return f"{size_bytes}B"


def format_rate(rate_per_s: float) -> str:
    """`rate_per_s` per the shortest unit of time that gives a whole number, else per second."""
    unit = _whole_rate_unit(rate_per_s)
    if unit is not None:
        return f"{round(rate_per_s * _DURATION_MS[unit] / 1000)}/{unit}"
    return f"{rate_per_s:.9f}".rstrip("0").rstrip(".") + "/s"


def rough_rate(rate_per_s: float, beside_per_s: float) -> str:
    """A measured rate in three digits, per the unit in which the rate beside it is written.

    Never the same text as the other, unless they are equal: then "just under" or "just over" it.
    """
    beside = format_rate(beside_per_s)
    unit = _whole_rate_unit(beside_per_s) or "s"
    count = rate_per_s * _DURATION_MS[unit] / 1000
    shown_count = f"{count:.3g}" if count < 100 else f"{count:.0f}"
    if 0 < count < 0.001:
        return f"less than 0.001/{unit}"
    if f"{shown_count}/{unit}" == beside and rate_per_s != beside_per_s:
        return f"just {'under' if rate_per_s < beside_per_s else 'over'} {beside}"
    return f"{shown_count}/{unit}"


def rough_duration(seconds: float) -> str:
    """A measured duration, rounded down to a tenth of its longest unit: `2.5h`, `40s`."""
    for unit in _FORMAT_UNITS:
        tenths = int(seconds * 10_000 / _DURATION_MS[unit])
        if tenths >= 10:
            return f"{tenths // 10}.{tenths % 10}".removesuffix(".0") + unit
    return "0s"


def ttl_seconds(ttl: float | int | str | timedelta) -> float:
    """The seconds of a verb's `ttl=`: a number of seconds, a timedelta, or text such as `30d`.

    Raises: InvalidArgumentError unless it is finite, above zero and at most 100 years.
    """
    if isinstance(ttl, str):
        try:
            seconds = parse_duration_s(ttl)
        except ValueError as exc:
            raise InvalidArgumentError(f"ttl: {exc}") from None
        return _checked_ttl_s(seconds, shown(ttl))
    total_seconds = getattr(ttl, "total_seconds", None)
    if total_seconds is not None:
        return _checked_ttl_s(total_seconds(), f"a timedelta of {total_seconds():g} seconds")
    if isinstance(ttl, bool) or not isinstance(ttl, (int, float)):
        raise InvalidArgumentError(
            f'ttl: expected seconds, a timedelta or a duration like "30d", got {shown(ttl)}'
        )
    return _checked_ttl_s(ttl, shown(ttl))


def shown(value: object) -> str:
    """`value` as messages quote it: short, printable, and never a url, which may hold a secret."""
    if isinstance(value, str):
        if "://" in value or "@" in value:
            return "what looks like a url or an address"
        cut = value if len(value) <= _SHOWN_CHARS_MAX else value[:_SHOWN_CHARS_MAX] + "…"
        return '"' + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut) + '"'
    if value is None:
        return "nothing"
    if isinstance(value, (bool, float)):
        return repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**_SHOWN_CHARS_MAX else "a very large integer"
    return _KINDS.get(type(value), f"a value of type {type(value).__name__}")


def _whole_rate_unit(rate_per_s: float) -> str | None:
    """The shortest unit of time in which `rate_per_s` is a whole number, if there is one."""
    for unit in _RATE_UNITS:
        count = round(rate_per_s * _DURATION_MS[unit] / 1000)
        if count * 1000 / _DURATION_MS[unit] == rate_per_s:
            return unit
    return None


def _checked_ttl_s(seconds: float, told: str) -> float:
    if not 0 < seconds <= DURATION_MAX_S:
        raise InvalidArgumentError(
            f"ttl: must be above zero and at most 100 years, got {told};"
            " None means that the value never expires"
        )
    return float(seconds)


def _duration_s(text: str) -> float:
    total, divisor, previous_ms, rest = 0, 1, 0, text.strip(" ")
    while rest or not previous_ms:
        number, power, rest = _leading_number(rest)
        end = 0
        while end < len(rest) and rest[end].isalpha():
            end += 1
        unit_ms = _DURATION_MS.get(rest[:end], 0)
        if not unit_ms or 0 < previous_ms <= unit_ms:
            raise ValueError
        total, divisor = total * power + number * unit_ms * divisor, divisor * power
        previous_ms, rest = unit_ms, rest[end:].lstrip(" ")
    return total / (divisor * 1000)


def _leading_number(text: str) -> tuple[int, int, str]:
    """The digits before the unit, the power of ten that divides them, and the unit."""
    end = 0
    while end < len(text) and text[end] in "0123456789.":
        end += 1
    whole, point, decimals = text[:end].partition(".")
    if not whole or "." in decimals or (point and not decimals) or end > _NUMBER_CHARS_MAX:
        raise ValueError
    return int(whole + decimals), 10 ** len(decimals), text[end:].strip(" ")


def _refuse(expected: str, text: object, advice: str = "") -> NoReturn:
    bare = isinstance(text, str) and text.strip(" ").replace(".", "", 1).isdecimal()
    number = bare or (isinstance(text, (int, float)) and not isinstance(text, bool))
    hint = f"; a unit is missing: {advice}" if advice and number else ""
    raise ValueError(f"expected {expected}, got {shown(text)}{hint}") from None
