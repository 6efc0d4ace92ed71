"""Reads that are wrong by themselves, or beside one other: no order need be known for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tierstore.testing.checkers.appends.transactions import APPEND
from tierstore.testing.history import HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.testing.checkers.appends.transactions import Transaction
    from tierstore.testing.history import Operation

    Writers = dict[tuple[Any, Any], Transaction]


class WrongRead(NamedTuple):
    """What is wrong, and the operations that show it."""

    reason: str
    witness: tuple[Operation, ...]


def first_wrong_read(transactions: Sequence[Transaction]) -> WrongRead | None:
    """The first read that no order can explain. Raises HistoryError for a value appended twice."""
    writers = writers_of(transactions)
    longest: dict[Any, tuple[tuple[Any, ...], Transaction]] = {}
    for reader in transactions:
        if not reader.is_answered:
            continue
        if (reason := _against_itself(reader)) is not None:
            return WrongRead(reason, (reader.operation,))
        for key, shown in _lists(reader):
            wrong = _of_list(reader, key, shown, writers)
            if wrong is not None:
                return wrong
            best, by = longest.get(key, ((), reader))
            if shown[: len(best)] != best[: len(shown)]:
                reason = f"incompatible order: {key!r} was {_told(best)} and {_told(shown)}"
                return WrongRead(reason, (by.operation, reader.operation))
            if len(shown) >= len(best):
                longest[key] = shown, reader
    return None


def writers_of(transactions: Sequence[Transaction]) -> Writers:
    """Who appended each (key, value). Raises HistoryError if two did, or one twice."""
    writers: Writers = {}
    for writer in transactions:
        values = ((key, value) for key, part in writer.appends.items() for value in part)
        for key, value in values:
            if (key, value) in writers:
                raise HistoryError(
                    f"{value!r} is appended to {key!r} twice, the second time by "
                    f"{writer.operation}: values of one list must differ"
                )
            writers[key, value] = writer
    return writers


def _lists(reader: Transaction) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    for step in reader.steps:
        if step.verb != APPEND:
            yield step.key, step.value


def _against_itself(reader: Transaction) -> str | None:
    """How its reads contradict what it did before; None if they do not."""
    known: dict[Any, tuple[Any, ...]] = {}
    own: dict[Any, tuple[Any, ...]] = {}
    for verb, key, value in reader.steps:
        if verb == APPEND:
            own[key] = (*own.get(key, ()), value)
            continue
        added = own.get(key, ())
        is_seen = _is_beginning(reader, key, value, added)
        if key in known:
            is_seen = value == known[key] + added
        if not is_seen:
            return f"internal: a transaction read {_told(value)} of {key!r}, not what it had there"
        known[key], own[key] = value, ()
    return None


def _is_beginning(reader: Transaction, key: Any, shown: tuple[Any, ...], added: Any) -> bool:
    """Whether a first read can show this: what others appended, then what it has added so far."""
    others = len(shown) - len(added)
    own = reader.appends.get(key, ())
    return others >= 0 and shown[others:] == added and not set(shown[:others]).intersection(own)


def _of_list(
    reader: Transaction, key: Any, shown: tuple[Any, ...], writers: Writers
) -> WrongRead | None:
    alone = (reader.operation,)
    if len(set(shown)) != len(shown):
        return WrongRead(f"duplicate: {_told(shown)} of {key!r} has one value twice", alone)
    for value in shown:
        if (writer := writers.get((key, value))) is None:
            return WrongRead(f"garbage: nobody appended {value!r} to {key!r}", alone)
        both = (writer.operation, reader.operation)
        if writer.operation.outcome == "fail":
            return WrongRead(f"G1a, aborted read: {value!r} of {key!r} was never to be", both)
    return _of_parts(reader, key, shown, writers)


def _of_parts(
    reader: Transaction, key: Any, shown: tuple[Any, ...], writers: Writers
) -> WrongRead | None:
    """Whether a transaction shows by halves."""
    parts: dict[Transaction, list[Any]] = {}
    for value in shown:
        parts.setdefault(writers[key, value], []).append(value)
    for writer, seen in parts.items():
        meant = writer.appends[key]
        both = (writer.operation, reader.operation)
        if seen != meant[: len(seen)]:
            return WrongRead(f"torn append: {seen} of {meant} show in {key!r}", both)
        if writer is not reader and len(seen) < len(meant):
            return WrongRead(f"G1b, intermediate read: {seen} of {meant} show in {key!r}", both)
    return None


def _told(shown: tuple[Any, ...]) -> str:
    """The end of a list, for people."""
    return str(list(shown)) if len(shown) <= 8 else f"[… {', '.join(map(repr, shown[-8:]))}]"
