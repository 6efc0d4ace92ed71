"""Copies: reading them, filling them, and dropping them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.region.deadline import Deadline
from tierstore.region.shared import PLACEHOLDER_MS, CopiesReply
from tierstore_redis import scripts
from tierstore_redis.copies import (
    DamagedError,
    decode_copy,
    encode_parts,
    encode_placeholder,
    pack_number,
    pack_version,
    to_ms,
)
from tierstore_redis.errors import OOM, said_code
from tierstore_redis.keys import tag_of_key
from tierstore_redis.servers import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.runtime import Runtime
    from tierstore_redis.connections import Argument
    from tierstore_redis.keys import Names
    from tierstore_redis.scripts import Script
    from tierstore_redis.servers import Servers

NOTICED_MS = 60_000
"""How long a copy stays that became clean because the region told of its version."""
SCAN_COUNT = 1_000


class Copies:
    """The copies on one server."""

    def __init__(self, server: Servers, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime

    def read(self, keys: Sequence[str], timeout_s: float) -> CopiesReply:
        """What is here, and what is damaged."""
        reply = CopiesReply({})
        asked = list(dict.fromkeys(keys))
        if not asked:
            return reply
        name_of = self._names.copy
        names = [name_of(key, tag_of_key(key)) for key in asked]
        (answer,) = self._server.ask([(0, (b"MGET", *names))], timeout_s)
        for key, raw in zip(asked, self._server.checked(answer), strict=True):
            if raw is not None:
                decode_into(reply, key, raw)
        return reply

    def lease(self, keys: Sequence[str], token: int, timeout_s: float) -> int:
        """Placeholders where no copy is; the server's time in milliseconds."""
        head = (encode_placeholder(token), PLACEHOLDER_MS)
        calls = [
            Call(tag, scripts.LEASE, self._named(tag, some), head)
            for tag, some in group(keys).items()
        ]
        clock = self._server.clock_home(call.home for call in calls)
        answers = self._server.call(calls, timeout_s, before=[(clock, (b"TIME",))])
        for answer in answers[1:]:
            self._has_room(answer)
        return to_ms(self._server.checked(answers[0]))

    def fill(
        self,
        records: Mapping[str, Record],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """The keys that are shown; none of a tag where there is no room."""
        head = (encode_placeholder(token), pack_number(fetched_ms), max(1, ttl_ms))
        return self._call(
            scripts.FILL, records, head, lambda key: encode_parts(records[key]).listed(), timeout_s
        )

    def show(
        self, records: Mapping[str, Record], fetched_ms: int, ttl_ms: int, timeout_s: float
    ) -> set[str]:
        """The keys that are shown."""
        head = (pack_number(fetched_ms), max(1, ttl_ms))
        return self._call(
            scripts.SHOW, records, head, lambda key: encode_parts(records[key]).listed(), timeout_s
        )

    def withdraw(self, keys: Sequence[str], timeout_s: float) -> None:
        """Drop what is clean, a placeholder or damaged."""
        calls = [
            Call(tag, scripts.WITHDRAW, self._named(tag, some), ())
            for tag, some in group(keys).items()
        ]
        for answer in self._server.call(calls, timeout_s) if calls else ():
            self._server.checked(answer)

    def notice(self, changes: Mapping[str, tuple[int, int, int]], timeout_s: float) -> set[str]:
        """The keys whose copy is older, or damaged."""
        return self._call(
            scripts.NOTICE,
            changes,
            [NOTICED_MS],
            lambda key: (pack_version(*changes[key]),),
            timeout_s,
        )

    def clear_clean(self, timeout_s: float) -> None:
        """Drop all that is clean, as the server lists it."""
        deadline = Deadline(self._runtime, timeout_s)
        self._clear_matching(0, self._names.every_copy, deadline)

    def _clear_matching(self, home: int, pattern: bytes, deadline: Deadline) -> None:
        """Clear the names that match, of the server of one home."""
        cursor: Any = b"0"
        while True:
            scan = (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", SCAN_COUNT)
            answers = self._server.ask([(home, scan)], deadline.remaining_s())
            cursor, found = self._server.checked(answers[0])
            self._clear(found, deadline)
            if int(cursor) == 0:
                return

    def _clear(self, found: Iterable[bytes], deadline: Deadline) -> None:
        tags: dict[int, list[bytes]] = {}
        for name in found:
            tag = self._names.tag_of_copy(name)
            if tag is not None:
                tags.setdefault(tag, []).append(name)
        calls = [Call(tag, scripts.CLEAR, names, ()) for tag, names in tags.items()]
        for answer in self._server.call(calls, deadline.remaining_s()) if calls else ():
            self._server.checked(answer)

    def _call(
        self,
        script: Script,
        keys: Iterable[str],
        head: Sequence[Argument],
        about: Callable[[str], tuple[Argument, ...]],
        timeout_s: float,
    ) -> set[str]:
        """The keys that a script names, called once a tag with `head` and what is `about` each."""
        tags = group(keys)
        calls = [
            Call(
                tag,
                script,
                self._named(tag, some),
                [*head, *(part for key in some for part in about(key))],
            )
            for tag, some in tags.items()
        ]
        answers = self._server.call(calls, timeout_s) if calls else []
        return {
            some[at - 1]
            for some, answer in zip(tags.values(), answers, strict=True)
            if script is not scripts.FILL or self._has_room(answer)
            for at in self._server.checked(answer)
        }

    def _has_room(self, answer: Any) -> bool:
        """Whether the server had room; raises what else it refused for."""
        if isinstance(answer, Exception) and said_code(answer) == OOM:
            return False
        self._server.checked(answer)
        return True

    def _named(self, tag: int, keys: Iterable[str]) -> list[bytes]:
        return [self._names.copy(key, tag) for key in keys]


def group(keys: Iterable[str]) -> dict[int, list[str]]:
    """Keys by tag, each once. Raises InvalidKeyError."""
    tags: dict[int, list[str]] = {}
    for key in dict.fromkeys(keys):
        tags.setdefault(tag_of_key(key), []).append(key)
    return tags


def decode_into(reply: CopiesReply, key: str, raw: bytes) -> None:
    """Add what is stored for a key to `reply`."""
    try:
        copy = decode_copy(raw)
    except DamagedError as damage:
        reply.damaged[key] = str(damage)
        return
    if copy is not None:
        reply.copies[key] = copy
