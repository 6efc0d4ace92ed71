"""Histories as JSON lines: a line with the version, then one event a line."""

from __future__ import annotations

from dataclasses import fields
from json import dumps as to_text
from json import loads as from_text
from typing import TYPE_CHECKING, Any

from tierstore.testing.history.errors import HistoryError
from tierstore.testing.history.events import KINDS, Event
from tierstore.testing.history.recorder import Replay
from tierstore.testing.history.values import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.history.recorder import History

VERSION = 1
_HEADER = {"tierstore_history": VERSION}
_NAMES = tuple(field.name for field in fields(Event))


def dumps(events: Iterable[Event]) -> str:
    """One line each, the version first."""
    lines = [to_text(_HEADER)]
    for event in events:
        row = {name: getattr(event, name) for name in _NAMES}
        row["value"] = to_json(event.value)
        lines.append(to_text(row))
    return "\n".join(lines) + "\n"


def loads(text: str) -> History:
    """The history in `text`. Raises `HistoryError`, which names the line."""
    made = Replay()
    # Not splitlines: characters that it takes for line ends may stand inside a JSON string.
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, start=1):
        try:
            if number == 1:
                _check_header(_parse(line))
            else:
                made.add(_event(_parse(line), number - 2))
        except (HistoryError, RecursionError) as error:
            raise HistoryError(f"line {number}: {error}") from error
    return made.history


def _parse(line: str) -> dict[str, Any]:
    try:
        row = from_text(line, object_pairs_hook=_no_repetition)
    except HistoryError:
        raise
    except ValueError as error:
        raise HistoryError(f"not JSON: {error}") from error
    if not isinstance(row, dict):
        raise HistoryError(f"expected an object, not {line.strip()!r:.60}")
    return row


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise HistoryError(f"a field is repeated among {[name for name, _ in pairs]}")
    return made


def _check_header(row: dict[str, Any]) -> None:
    if row != _HEADER:
        raise HistoryError(f"expected {to_text(_HEADER)}, not {to_text(row):.60}")


def _event(row: dict[str, Any], index: int) -> Event:
    if row.keys() != set(_NAMES):
        raise HistoryError(f"an event has the fields {', '.join(_NAMES)}, not {', '.join(row)}")
    if row["kind"] not in KINDS:
        raise HistoryError(f"`kind` must be one of {', '.join(KINDS)}, not {row['kind']!r}")
    for name, types in _TYPES.items():
        if type(row[name]) not in types:
            raise HistoryError(f"`{name}` must not be {row[name]!r}")
    if row["index"] != index:
        raise HistoryError(f"`index` must be {index}, not {row['index']}")
    return Event(**{**row, "value": from_json(row["value"])})


_TYPES: dict[str, tuple[type, ...]] = {
    "index": (int,),
    "time_ns": (int,),
    "process": (str,),
    "verb": (str,),
    "key": (str, type(None)),
    "error": (str, type(None)),
}
