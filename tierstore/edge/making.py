"""Entries and values by type. The modules of other types than the register load when needed."""

from __future__ import annotations

from tierstore.edge.entry import GONE, Entry, fold
from tierstore.record import REGISTER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.policy.model import Rule
    from tierstore.record import Record


def make_entry(key: str, rule: Rule) -> Entry:
    """An empty entry for a key under `rule`."""
    if rule.type == "register":
        return Entry(key, rule)
    from tierstore.edge.typed import TypedEntry

    return TypedEntry(key, rule)


def fold_record(record: Record) -> Any:
    """`fold` of what `record` holds, whatever its type: the value as readers see it.

    Raises DecodingError if a state that is no register's cannot be decoded.
    """
    if record.type == REGISTER:
        return fold(record.payload)
    if record.payload is None:
        return GONE
    from tierstore.crdt.types import type_of
    from tierstore.edge.typed import folded

    type_ = type_of(record.type)
    return folded(type_.value(type_.decode(record.payload)))
