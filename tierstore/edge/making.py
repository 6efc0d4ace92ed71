"""Entries and values by type. The modules of other types than the register load when needed."""

from __future__ import annotations

from tierstore.edge.entry import GONE, Entry, Unfolded, fold
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

    Of another type than the register an Unfolded, which raises DecodingError if it cannot be.
    """
    if record.type == REGISTER:
        return fold(record.payload)
    payload = record.payload
    if payload is None:
        return GONE
    from tierstore.crdt.types import type_of

    type_ = type_of(record.type)
    return Unfolded(lambda: type_.value(type_.decode(payload)))
