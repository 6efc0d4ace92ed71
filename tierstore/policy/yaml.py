"""The strict YAML loader: plain data with the line and column of every field, or faults.

YAML 1.1 turns `no` into False, `012` into 10 and `12:30` into 750; aliases make small files
explode. So the loader works on the parser's events: it takes every scalar as text, which the
schema then reads, and refuses aliases, anchors, tags, duplicate and merge keys, deep nesting and
long files before anything is built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import yaml

from tierstore.policy.faults import Again, Fault, Places, child
from tierstore.policy.read import Examined, examine
from tierstore.units import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from tierstore.policy.model import Policy

BYTES_MAX = 256 * 1024
DEPTH_MAX = 20
NODES_MAX = 10_000
_NULLS = ("", "~", "null", "Null", "NULL")


def load_yaml(
    text: str,
    source: str = "policy.yaml",
    base_dir: str | None = None,
    known_schemes: Collection[str] | None = None,
) -> Policy:
    """The policy that the YAML `text` spells. `source` names it in messages.

    Raises: PolicyError with all faults, each with line and column.
    """
    return examine_yaml(text, source, base_dir, known_schemes).checked()


def examine_yaml(
    text: str,
    source: str,
    base_dir: str | None = None,
    known_schemes: Collection[str] | None = None,
    declared: Callable[[Policy], Mapping[str, object]] | None = None,
) -> Examined:
    """The policy that `text` spells, with all faults and warnings."""
    builder = _Builder()
    data = builder.document(text)
    if builder.fatal:
        data = {}
    return examine(
        data,
        source,
        base_dir,
        places=builder.places,
        earlier=tuple(builder.faults),
        known_schemes=known_schemes,
        declared=declared,
    )


class _StopReadingError(Exception):
    """Reading on is pointless or dangerous."""


class _Builder:
    """Builds lists, dicts and text from events, and remembers where each stood."""

    def __init__(self) -> None:
        self.places: Places = {}
        self.faults: list[Fault] = []
        self.fatal = False
        self._nodes = 0

    def document(self, text: str) -> object:
        """The data of the only document in `text`, None if it is empty."""
        try:
            if len(text) > BYTES_MAX or len(text.encode(errors="replace")) > BYTES_MAX:
                self._stop(None, "", f"the policy is longer than {BYTES_MAX // 1024} KiB")
            return self._document(yaml.parse(text, Loader=yaml.SafeLoader))
        except _StopReadingError:
            self.fatal = True
        except yaml.MarkedYAMLError as exc:
            self._syntax(exc.problem or exc.context or "it cannot be read", exc.problem_mark)
        except yaml.reader.ReaderError as exc:
            before = text[: exc.position]
            line, column = before.count("\n") + 1, exc.position - before.rfind("\n")
            code = exc.character if isinstance(exc.character, int) else ord(exc.character[:1])
            self.faults.append(Fault("", f"U+{code:04X} is not allowed", line, column))
            self.fatal = True
        except (yaml.YAMLError, ValueError, OverflowError):
            # PyYAML lets chr() of an escape such as "\\UFFFFFFFF" raise what it will.
            self._syntax("an escape names no character", None)
        return None

    def _document(self, events: Iterator[yaml.Event]) -> object:
        data: object = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "", "a second document begins; a policy is one document")
            elif isinstance(event, yaml.NodeEvent):
                data = self._node(event, events, "", 1)
        return data

    def _node(
        self, event: yaml.Event, events: Iterator[yaml.Event], path: str, depth: int
    ) -> object:
        self._admit(event, path, depth)
        self.places[path] = _place(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._list(events, path, depth)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(events, path, depth)
        if not isinstance(event, yaml.ScalarEvent):
            return None
        return self._scalar(event, path)

    def _admit(self, event: yaml.Event, path: str, depth: int) -> None:
        self._nodes += 1
        if depth > DEPTH_MAX:
            self._stop(event, path, f"nested deeper than {DEPTH_MAX} levels")
        if self._nodes > NODES_MAX:
            self._stop(event, path, f"more than {NODES_MAX:,} values")
        if isinstance(event, yaml.AliasEvent):
            self._fault(event, path, "aliases (*name) are not supported; write the value out")
            self.places["refused:" + path] = _place(event)
        elif getattr(event, "anchor", None) is not None:
            self._fault(event, path, "anchors (&name) are not supported; remove it")
        if getattr(event, "tag", None) is not None:
            self._fault(event, path, "tags (!name) are not supported; remove it")

    def _list(self, events: Iterator[yaml.Event], path: str, depth: int) -> list[object]:
        items: list[object] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._node(event, events, f"{path}[{len(items)}]", depth + 1))
        return items

    def _mapping(self, events: Iterator[yaml.Event], path: str, depth: int) -> dict[object, object]:
        mapping: dict[object, object] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event, events, path, depth)
            if key is None:
                self._skip(events, path, depth + 1)
                continue
            below = child(path, key)
            known = self.places.get("key:" + below)
            if known is None:
                self.places["key:" + below] = _place(event)
                mapping[key] = self._node(next(events), events, below, depth + 1)
            else:
                text = f"duplicate field; the first is in line {known[0]}"
                self._fault(event, below, text)
                places, self.places = self.places, {}
                item = self._node(next(events), events, below, depth + 1)
                mapping[Again(key, self.places)] = item
                self.places = places
        return mapping

    def _key(
        self, event: yaml.Event, events: Iterator[yaml.Event], path: str, depth: int
    ) -> str | None:
        if isinstance(event, yaml.ScalarEvent):
            self._admit(event, path, depth + 1)
            return event.value
        self._fault(event, path, "the name of a field must be plain text")
        self._skip(events, path, depth + 1, event)
        return None

    def _skip(
        self, events: Iterator[yaml.Event], path: str, depth: int, event: yaml.Event | None = None
    ) -> None:
        """Reads a value away without giving it a place."""
        places = dict(self.places)
        self._node(event or next(events), events, path, depth)
        self.places = places

    def _scalar(self, event: yaml.ScalarEvent, path: str) -> str | None:
        if event.style is None and event.value in _NULLS:
            return None
        if any(0xD800 <= ord(c) < 0xE000 for c in event.value):
            self._fault(event, path, f"a lone surrogate is not a character: {shown(event.value)}")
            self.places["refused:" + path] = _place(event)
            return None
        return event.value

    def _fault(self, event: yaml.Event | None, path: str, text: str) -> None:
        line, column = _place(event)
        self.faults.append(Fault(path, text, line, column))

    def _stop(self, event: yaml.Event | None, path: str, text: str) -> None:
        self._fault(event, path, text)
        raise _StopReadingError

    def _syntax(self, problem: str, mark: yaml.Mark | None) -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        self.faults.append(Fault("", f"not YAML here: {problem}", line, column))
        self.fatal = True


def _place(event: yaml.Event | None) -> tuple[int, int]:
    mark = getattr(event, "start_mark", None)
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)
