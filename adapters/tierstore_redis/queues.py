"""Queues: what was written here and may not be in the region yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import CorruptionError, InvalidArgumentError, UnavailableError
from tierstore.region.batch import CHANGE, Delta, decode_delta, encode_delta
from tierstore.region.deadline import Deadline
from tierstore.region.shared import Identity, Queued, WriteReply, life_of
from tierstore_redis import queue_scripts
from tierstore_redis.copies import encode_parts, pack_number
from tierstore_redis.errors import TIER
from tierstore_redis.keys import tag_of_key
from tierstore_redis.servers import Call, StaleRunError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tierstore.region.shared import Settled
    from tierstore.runtime import Runtime
    from tierstore_redis.connections import Argument
    from tierstore_redis.keys import Names
    from tierstore_redis.scripts import Script
    from tierstore_redis.servers import Servers

NUMBER_BYTES = 8
MOVES_MAX = 3  # of the identity of a tag, during one call
DISMISS_ATTEMPTS = 5
SCAN_COUNT = 1_000


class Queues:
    """The queues on a server, with the identities that number them."""

    def __init__(self, server: Servers, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime
        self._current: dict[int, int] = {}
        """The identity that writes of a tag went to last: a script is told its queue by name."""

    def write(
        self, deltas: Sequence[Delta], run: str, bytes_max: int, timeout_s: float
    ) -> WriteReply:
        """All of `deltas`, or none."""
        (tag,) = {tag_of_key(delta.key) for delta in deltas}
        parts: list[Argument] = []
        for delta in deltas:
            parts += (delta.op, encode_delta(delta, 0), *encode_parts(delta.record).listed())
        copies = [self._name_of(delta, tag) for delta in deltas]
        deadline = Deadline(self._runtime, timeout_s)
        for _ in range(MOVES_MAX):
            replica = self._current.get(tag, 0)
            keys = [self._names.identities[tag], self._names.queue(tag, replica), *copies]
            head: list[Argument] = [life_of(run, tag), replica, pack_number(replica), bytes_max]
            call = Call(tag, queue_scripts.WRITE, keys, [*head, *parts])
            try:
                answer = self._server.write(call, run, deadline.remaining_s())
            except StaleRunError:
                return WriteReply("unbound")
            verdict, *rest = self._server.checked(answer)
            if verdict != b"moved":
                return _to_reply(verdict.decode(), rest, replica)
            self._current[tag] = int(rest[0])
        raise UnavailableError(f"{self._server.place}: tag {tag} keeps changing its identity")

    def _name_of(self, delta: Delta, tag: int) -> bytes:
        """Of what a write of a key changes."""
        is_change = delta.op >= CHANGE
        return (self._names.waits if is_change else self._names.copy)(delta.key, tag)

    def bind(self, tag: int, run: str, replica: int, timeout_s: float, instead_of: int = 0) -> int:
        """The identity of this run."""
        call = self._call_of(queue_scripts.BIND, tag, life_of(run, tag), replica, instead_of)
        try:
            answer = self._server.checked(self._server.bind(call, run, timeout_s))
        except StaleRunError:
            answer = b"stale"
        if answer == b"stale":
            raise UnavailableError(f"{self._server.place}: it was restarted; connect to it again")
        if not answer:
            raise InvalidArgumentError(f"replica: {replica} was an identity of tag {tag} before")
        self._current[tag] = int(answer)
        return int(answer)

    def identities(self, tag: int, timeout_s: float) -> list[Identity]:
        """Oldest first."""
        answers = self._server.ask([(tag, (b"HGETALL", self._names.identities[tag]))], timeout_s)
        fields: dict[bytes, bytes] = self._server.checked(answers[0])
        try:
            return _read_identities(fields)
        except (KeyError, ValueError, AttributeError) as error:
            message = f"{self._server.place}: what counts tag {tag}'s writes is damaged"
            raise CorruptionError(message, tier=TIER) from error

    def introduce(self, tag: int, replica: int, timeout_s: float) -> None:
        """New no longer."""
        self._do(self._call_of(queue_scripts.INTRODUCE, tag, replica), timeout_s)

    def queue(self, tag: int, replica: int, limit: int, timeout_s: float) -> list[Queued]:
        """In the order of their numbers."""
        if limit <= 0:
            return []
        command = (b"LRANGE", self._names.queue(tag, replica), 0, limit - 1)
        answers = self._server.ask([(tag, command)], timeout_s)
        return [_decode_entry(raw) for raw in self._server.checked(answers[0])]

    def settle(
        self,
        tag: int,
        replica: int,
        number: int,
        settled: Sequence[Settled],
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> None:
        """Forget entries; the copies that they dirtied become clean, or go."""
        keys = [self._names.identities[tag], self._names.queue(tag, replica)]
        typed = [item for item in settled if item.is_typed]
        keys += [self._names.copy(item.key, tag) for item in settled]
        keys += [self._names.waits(item.key, tag) for item in typed]
        arguments: list[Argument] = [
            replica, pack_number(replica), pack_number(number), pack_number(fetched_ms),
            max(1, ttl_ms),
        ]  # fmt: skip
        for item in settled:
            arguments += (pack_number(item.number), 2 if item.is_typed else int(item.keep))
        for item in typed:
            arguments += (pack_number(item.number), 3)
        self._do(Call(tag, queue_scripts.SETTLE, keys, arguments), timeout_s)

    def expel(self, tag: int, replica: int, number: int, timeout_s: float) -> bytes | None:
        """The first entry of a queue, which could not be understood."""
        deadline = Deadline(self._runtime, timeout_s)
        ids, queue = self._names.identities[tag], self._names.queue(tag, replica)
        answers = self._server.ask([(tag, (b"LINDEX", queue, 0))], deadline.remaining_s())
        raw: bytes | None = self._server.checked(answers[0])
        if raw is None or (entry := _decode_entry(raw)).delta or entry.number != number:
            return None
        arguments: list[Argument] = [replica, pack_number(replica), raw]
        call = Call(tag, queue_scripts.EXPEL, [ids, queue], arguments)
        if not self._do(call, deadline.remaining_s()):
            return None
        self._disown(tag, replica, number, deadline)
        return entry.raw

    def _disown(self, tag: int, replica: int, number: int, deadline: Deadline) -> None:
        """Drop what shows an entry, whichever key it was of."""
        head: list[Argument] = [pack_number(replica), pack_number(number)]
        for pattern in (self._names.copies[tag] + b"*", self._names.waiting[tag] + b"*"):
            cursor: Any = b"0"
            while True:
                scan = (b"SCAN", cursor, b"MATCH", pattern, b"COUNT", SCAN_COUNT)
                answers = self._server.ask([(tag, scan)], deadline.remaining_s())
                cursor, found = self._server.checked(answers[0])
                if found:
                    self._do(Call(tag, queue_scripts.DISOWN, found, head), deadline.remaining_s())
                if int(cursor) == 0:
                    break

    def dismiss(self, tag: int, replica: int, timeout_s: float) -> None:
        """Forget one identity; the copies that it dirtied go with it."""
        deadline = Deadline(self._runtime, timeout_s)
        for _ in range(DISMISS_ATTEMPTS):
            if self._dismiss(tag, replica, deadline):
                return
        raise UnavailableError(f"{self._server.place}: tag {tag} is written to all the time")

    def _dismiss(self, tag: int, replica: int, deadline: Deadline) -> bool:
        """False if something was written meanwhile."""
        ids, queue = self._names.identities[tag], self._names.queue(tag, replica)
        looks = [(b"HGET", ids, b"last:%d" % replica), (b"LRANGE", queue, 0, -1)]
        answers = self._server.ask([(tag, look) for look in looks], deadline.remaining_s())
        last, entries = map(self._server.checked, answers)
        deltas = [_decode_entry(raw).delta for raw in entries]
        known = [one for one in deltas if one is not None]
        names = sorted({self._names.copy(one.key, tag) for one in known})
        waits = sorted({self._names.waits(one.key, tag) for one in known if one.op >= CHANGE})
        arguments = [replica, pack_number(replica), last or b"", len(names)]
        call = Call(tag, queue_scripts.DISMISS, [ids, queue, *names, *waits], arguments)
        return bool(self._do(call, deadline.remaining_s()))

    def _do(self, call: Call, timeout_s: float) -> Any:
        return self._server.checked(self._server.call([call], timeout_s)[0])

    def _call_of(self, script: Script, tag: int, *arguments: Argument) -> Call:
        return Call(tag, script, [self._names.identities[tag]], arguments)


def _read_identities(fields: dict[bytes, bytes]) -> list[Identity]:
    return [
        Identity(
            int(one),
            fields[b"run:" + one].decode(),
            fields[b"new:" + one] == b"1",
            int(fields[b"count:" + one]),
            int(fields[b"bytes:" + one]),
            int(fields[b"last:" + one]),
            int(fields.get(b"origin", fields[b"order"].split(b",")[0])),
        )
        for one in fields.get(b"order", b"").split(b",")
        if one
    ]


def _to_reply(verdict: str, rest: list[Any], replica: int) -> WriteReply:
    if verdict == "behind":
        return WriteReply(verdict, int.from_bytes(rest[0], "big"))
    if verdict == "full":
        return WriteReply(verdict, queued_bytes=rest[0])
    if verdict == "written":
        first, last, waiting = rest
        return WriteReply(verdict, 0, (first, last), waiting, replica)
    return WriteReply(verdict)


def _decode_entry(raw: bytes) -> Queued:
    number = int.from_bytes(raw[:NUMBER_BYTES], "big")
    delta = decode_delta(raw[NUMBER_BYTES:], 0)
    if isinstance(delta, Delta):
        return Queued(number, delta)
    return Queued(number, None, raw[NUMBER_BYTES:])
