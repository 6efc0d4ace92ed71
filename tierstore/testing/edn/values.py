"""What EDN has and Python has not, and how histories use it."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any, Literal

from tierstore.testing.history import FrozenDict, HistoryError

Fail = Literal["differed", "never"]
NAME = re.compile(r"(?![+-]?\d)[\w.*+!?$%&=<>/|-][\w.*+!?$%&=<>/':|-]*")
BYTES = "tierstore/bytes"


@dataclass(frozen=True, slots=True)
class Keyword:
    """`:name`. Raises `HistoryError` if that cannot be written."""

    name: str

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise HistoryError(f"{self.name!r} cannot be a keyword of EDN")


@dataclass(frozen=True, slots=True)
class Symbol:
    """`name`"""

    name: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """`#tag value`"""

    tag: str
    value: Any


def check_fail(fail: Fail) -> Fail:
    """`fail`. Raises `ValueError` if it is no convention."""
    if fail not in ("differed", "never"):
        raise ValueError(f"`fail` must be 'differed' or 'never', not {fail!r}")
    return fail


def plain(value: Any) -> Any:
    """`value` as a history holds it: names become strings, unknown tags are left out."""
    if isinstance(value, (Keyword, Symbol)):
        return value.name
    if isinstance(value, Tagged):
        is_bytes = value.tag == BYTES
        return b64decode(value.value, validate=True) if is_bytes else plain(value.value)
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, frozenset):
        return frozenset(map(plain, value))
    if isinstance(value, dict):
        return FrozenDict({plain(key): plain(item) for key, item in value.items()})
    return value


def tagged_bytes(value: bytes) -> Tagged:
    """How a history's bytes are written, for EDN has none."""
    return Tagged(BYTES, b64encode(value).decode())
