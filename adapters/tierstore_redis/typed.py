"""Keys that are no registers: the copy of a row, and beside it what waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import UnavailableError
from tierstore.region.batch import Delta, decode_delta
from tierstore.region.deadline import Deadline
from tierstore.region.shared import TypedReply, Waiting
from tierstore_redis import typed_scripts
from tierstore_redis.cluster_copies import LIVES_MAX
from tierstore_redis.copies import (
    DamagedError,
    decode_typed,
    encode_parts,
    encode_placeholder,
    pack_number,
)
from tierstore_redis.copying import group
from tierstore_redis.errors import OOM, said_code
from tierstore_redis.servers import Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierstore.record import Record
    from tierstore.runtime import Runtime
    from tierstore_redis.cluster import ClusterServers
    from tierstore_redis.cluster_copies import ClusterCopies
    from tierstore_redis.connections import Argument
    from tierstore_redis.keys import Names
    from tierstore_redis.servers import Servers

HEAD_ANSWERS = 3  # order, origin and life, before those of keys


class TypedCopies:
    """On one server."""

    def __init__(self, server: Servers, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime

    def read(self, keys: Sequence[str], timeout_s: float) -> TypedReply:
        """What is here of each, and what is damaged."""
        reply, tags = TypedReply({}), group(keys)
        calls = [self._look(tag, some) for tag, some in tags.items()]
        answers = self._server.call(calls, timeout_s) if calls else []
        for some, answer in zip(tags.values(), answers, strict=True):
            _decode_into(reply, some, self._server.checked(answer))
        return reply

    def _look(self, tag: int, keys: Sequence[str]) -> Call:
        names = [self._names.identities[tag], self._names.lives[tag]]
        for key in keys:
            names += (self._names.copy(key, tag), self._names.waits(key, tag))
        return Call(tag, typed_scripts.READ, names, ())

    def fill(
        self,
        records: Mapping[str, Record],
        base: tuple[int, int],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """The keys that are shown; none where there is no room."""
        ((tag, keys),) = group(records).items()
        names = [self._names.identities[tag]]
        arguments: list[Argument] = [
            encode_placeholder(token), pack_number(fetched_ms), max(1, ttl_ms), base[0],
            pack_number(base[0]),
        ]  # fmt: skip
        for key in keys:
            names += (self._names.copy(key, tag), self._names.waits(key, tag))
            arguments += encode_parts(records[key], base).listed()
        call = Call(tag, typed_scripts.FILL, names, arguments)
        (answer,) = self._server.call([call], timeout_s)
        if isinstance(answer, Exception) and said_code(answer) == OOM:
            return set()
        return {keys[at - 1] for at in self._server.checked(answer)}


class ClusterTyped(TypedCopies):
    """On a cluster: what was copied in an earlier life of a tag's master is not shown."""

    def __init__(
        self, server: ClusterServers, names: Names, runtime: Runtime, copies: ClusterCopies
    ) -> None:
        super().__init__(server, names, runtime)
        self._cluster = server
        self._copies = copies

    def read(self, keys: Sequence[str], timeout_s: float) -> TypedReply:
        """What is here of each and good, and what is damaged."""
        reply, tags = TypedReply({}), group(keys)
        deadline = Deadline(self._runtime, timeout_s)
        for _ in range(LIVES_MAX):
            if not tags:
                return reply
            commands = [(tag, self._look(tag, some).by_text()) for tag, some in tags.items()]
            answers = self._cluster.ask_each(commands, deadline.remaining_s())
            again: dict[int, list[str]] = {}
            for (tag, some), one in zip(tags.items(), answers, strict=True):
                found = self._server.checked(one.answer)
                since_ms = self._copies.since_ms(tag, one, found[2] or None, deadline)
                if since_ms is None:
                    again[tag] = some
                else:
                    _decode_into(reply, some, found, since_ms)
            tags = again
        place = self._server.place
        raise UnavailableError(f"{place}: tags {sorted(tags)} move again and again; try later")


def _decode_into(
    reply: TypedReply, keys: Sequence[str], answer: list[Any], since_ms: int = 0
) -> None:
    """Add what a script found of keys of one tag; copies from before `since_ms` are left out."""
    order = [int(one) for one in answer[0].split(b",") if one]
    origin, found = int(answer[1]), answer[HEAD_ANSWERS:]
    for key, raw, fields in zip(keys, found[::2], found[1::2], strict=True):
        try:
            copy = decode_typed(raw)
            copy.waiting = _waiting(fields, order)
        except DamagedError as damage:
            reply.damaged[key] = str(damage)
            continue
        if copy.fetched_ms < since_ms:
            copy.record = None
        copy.current, copy.origin = order[-1] if order else 0, origin
        reply.copies[key] = copy


def _waiting(fields: list[bytes], order: list[int]) -> list[Waiting]:
    """What waits, by identity and number. Raises DamagedError."""
    waiting = []
    for name, raw in zip(fields[::2], fields[1::2], strict=True):
        replica, number = int.from_bytes(name[:8], "big"), int.from_bytes(name[8:], "big")
        delta = decode_delta(raw, 0)
        if not isinstance(delta, Delta) or replica not in order:
            raise DamagedError("a change that waits for it is not readable")
        waiting.append(Waiting(replica, number, delta))
    waiting.sort(key=lambda one: (order.index(one.replica), one.number))
    return waiting
