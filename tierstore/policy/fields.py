"""Parsers of single values of a policy: each returns the value, or raises ValueError with advice.

A value is text as it stands in the YAML, or whatever a Python dict holds. No parser repeats what
may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tierstore import units
from tierstore.policy.url import Secret, Url, split_references
from tierstore.units import shown

Parser = Callable[[object], object]

TEXT_CHARS_MAX = 1024
_INTEGER_DIGITS_MAX = 18


def text(value: object) -> str:
    """Text that is not empty and holds no `${…}`."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected text, got {shown(value)}")
    if len(value) > TEXT_CHARS_MAX:
        raise ValueError(f"expected at most {TEXT_CHARS_MAX:,} characters, got {len(value):,}")
    if not all(c == " " or c.isprintable() for c in value):
        raise ValueError(f"expected printable characters, got {shown(value)}")
    if "${" in value:
        raise ValueError("${env:NAME} is replaced in urls and secrets only")
    return value


def one_of(*words: str) -> Parser:
    """One of `words`."""

    def parse(value: object) -> str:
        if isinstance(value, str) and value in words:
            return value
        expected = ", ".join(words[:-1]) + " or " + words[-1]
        raise ValueError(f"expected {expected}, got {shown(value)}")

    return parse


def version(value: object) -> int:
    """1, the only version of the policy language so far."""
    if _integer(value) != 1:
        raise ValueError(f"expected 1, the version of the policy language, got {shown(value)}")
    return 1


def boolean(value: object) -> bool:
    """`true` or `false`."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return value == "true"
    raise ValueError(f"expected true or false, got {shown(value)}")


def integer(at_least: int, at_most: int) -> Parser:
    """A whole number in [at_least, at_most]."""

    def parse(value: object) -> int:
        number = _integer(value)
        if number is None:
            raise ValueError(f"expected a whole number, got {shown(value)}")
        if not at_least <= number <= at_most:
            raise ValueError(f"expected {at_least} to {at_most}, got {shown(value)}")
        return number

    return parse


def number(at_least: float, at_most: float, percent: bool = False) -> Parser:
    """A number in [at_least, at_most]; with `percent`, `10%` is 0.1."""
    bounds = f"{at_least:g} to {at_most:g}"

    def parse(value: object) -> float:
        found = _number(value, percent)
        if found is None:
            raise ValueError(f"expected a number from {bounds}, got {shown(value)}")
        if not at_least <= found <= at_most:
            raise ValueError(f"expected {bounds}, got {shown(value)}")
        return found

    return parse


def duration(at_least_s: float = 0.0) -> Parser:
    """A duration such as `5min`; `at_least_s` above zero refuses shorter ones."""

    def parse(value: object) -> float:
        if isinstance(value, timedelta):
            value = f"{value.total_seconds():.6f}s"
        seconds = units.parse_duration_s(value)  # type: ignore[arg-type]
        if seconds < at_least_s:
            least = units.format_duration(at_least_s)
            raise ValueError(f"expected at least {least}, got {shown(value)}")
        return seconds

    return parse


def size(at_least_bytes: int = 0) -> Parser:
    """A size such as `64KiB`."""

    def parse(value: object) -> int:
        size_bytes = units.parse_size_bytes(value)  # type: ignore[arg-type]
        if size_bytes < at_least_bytes:
            least = units.format_size(at_least_bytes)
            raise ValueError(f"expected at least {least}, got {shown(value)}")
        return size_bytes

    return parse


def rate(value: object) -> float:
    """A rate above zero such as `6/h`."""
    return _above_zero(units.parse_rate_per_s(value), value)  # type: ignore[arg-type]


def byte_rate(value: object) -> float:
    """A rate of bytes above zero such as `32MiB/s`."""
    return _above_zero(units.parse_byte_rate_per_s(value), value)  # type: ignore[arg-type]


def or_none(parser: Parser) -> Parser:
    """What `parser` takes, or `none`."""

    def parse(value: object) -> object:
        return None if value is None or value == "none" else _with_words(parser, value, ("none",))

    return parse


def or_word(parser: Parser, *words: str) -> Parser:
    """What `parser` takes, or one of `words`."""

    def parse(value: object) -> object:
        return value if value in words else _with_words(parser, value, words)

    return parse


def path_or_none(value: object) -> str | None:
    """A path, or the word `none`; nothing at all is not `none`, for it would drop durability."""
    if value is None:
        raise ValueError("expected a directory or none, got nothing")
    return None if value == "none" else text(value)


def url(example: str, *words: str) -> Parser:
    """A url, which may hold `${env:NAME}`, or one of `words`."""

    def parse(value: object) -> Url:
        if isinstance(value, Url):
            return value
        if not isinstance(value, str) or not value or len(value) > TEXT_CHARS_MAX:
            got = "a url that is too long" if isinstance(value, str) and value else shown(value)
            raise ValueError(f'expected a url like "{example}", got {got}')
        if any(not c.isprintable() for c in value):
            raise ValueError("a url holds printable characters only")
        references = split_references(value)
        parsed = Url(value)
        if value not in words and not parsed.scheme and (references[0] == (value, "")):
            raise ValueError(f'expected a url like "{example}", got text without a scheme')
        return parsed

    return parse


def secret(value: object) -> Secret:
    """Text that nobody is shown, which may hold `${env:NAME}`."""
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value or len(value) > TEXT_CHARS_MAX:
        got = "text that is too long" if isinstance(value, str) and value else "something else"
        raise ValueError(f'expected a secret like "${{env:NAME}}", got {got}')
    split_references(value)
    return Secret(value)


def _with_words(parser: Parser, value: object, words: tuple[str, ...]) -> object:
    try:
        return parser(value)
    except ValueError as exc:
        raise ValueError(f"{exc}; {' and '.join(words)} would also do") from None


def _above_zero(rate_per_s: float, value: object) -> float:
    if not rate_per_s:
        raise ValueError(f"expected a rate above zero, got {shown(value)}")
    return rate_per_s


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    digits = value.removeprefix("-")
    plain = digits.isascii() and digits.isdigit() and len(digits) <= _INTEGER_DIGITS_MAX
    return int(value) if plain else None


def _number(value: object, percent: bool) -> float | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if abs(value) < 10**300 else None
    if not isinstance(value, str):
        return None
    digits = value.removesuffix("%") if percent else value
    plain = digits.isascii() and digits.replace(".", "", 1).isdigit()
    if not plain or len(digits) > _INTEGER_DIGITS_MAX:
        return None
    return float(digits) / (1 if digits == value else 100)
