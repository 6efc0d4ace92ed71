"""Copies on a cluster: one request a tag, and none that a failover may have brought back is shown.

A pull of the region's feed tells all tags' copies of changes, and then how far it came is noted,
which says how old any copy may be. A tag whose master changed may lack the latest of what it was
told, while the note, on another master, is still there. So each tag keeps the life of the master
in which its copies are good, and since when: what was fetched before that is as good as absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import UnavailableError
from tierstore.region.deadline import Deadline
from tierstore.region.shared import TAGS, CopiesReply
from tierstore_redis import queue_scripts
from tierstore_redis.copies import NEVER, to_ms
from tierstore_redis.copying import Copies, decode_into, group
from tierstore_redis.servers import Call, StaleRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.runtime import Runtime
    from tierstore_redis.cluster import ClusterServers
    from tierstore_redis.keys import Names
    from tierstore_redis.nodes import Request

LIVES_MAX = 4
"""How many lives of a tag one read may see the end of."""


class ClusterCopies(Copies):
    """The copies on a cluster."""

    def __init__(
        self,
        server: ClusterServers,
        names: Names,
        runtime: Runtime,
        doubt: Callable[[str, Sequence[str]], None],
    ) -> None:
        """`doubt` is told which life of a server a read was answered in, and for which keys."""
        super().__init__(server, names, runtime)
        self._cluster = server
        self._doubt = doubt

    def read(self, keys: Sequence[str], timeout_s: float) -> CopiesReply:
        """What is here and good, and what is damaged."""
        reply, tags = CopiesReply({}), group(keys)
        deadline = Deadline(self._runtime, timeout_s)
        for _ in range(LIVES_MAX):
            if not tags:
                return reply
            tags = self._read_into(reply, tags, deadline)
        place = self._server.place
        raise UnavailableError(f"{place}: tags {sorted(tags)} move again and again; try later")

    def _read_into(
        self, reply: CopiesReply, tags: dict[int, list[str]], deadline: Deadline
    ) -> dict[int, list[str]]:
        """Add the copies of some tags; what is to be read again, as a life ended meanwhile."""
        commands = [
            (tag, (b"MGET", self._names.lives[tag], *self._named(tag, some)))
            for tag, some in tags.items()
        ]
        answers = self._cluster.ask_each(commands, deadline.remaining_s())
        again: dict[int, list[str]] = {}
        for (tag, some), one in zip(tags.items(), answers, strict=True):
            marker, *found = self._server.checked(one.answer)
            since_ms = self.since_ms(tag, one, marker, deadline)
            if since_ms is None:
                again[tag] = some
                continue
            self._doubt(one.life, some)
            for key, raw in zip(some, found, strict=True):
                if raw is not None:
                    decode_into(reply, key, raw)
                    _distrust(reply, key, since_ms)
        return again

    def clear_clean(self, timeout_s: float) -> None:
        """Drop all that is clean, as the masters list it, wherever a tag moves meanwhile."""
        deadline = Deadline(self._runtime, timeout_s)
        for tag in range(TAGS):
            owner = None
            while owner is None or owner != self._cluster.owner(tag):
                look = (b"EXISTS", self._names.lives[tag])  # the owner answers it, no other
                self._server.checked(self._server.ask([(tag, look)], deadline.remaining_s())[0])
                owner = self._cluster.owner(tag)
                self._clear_matching(tag, self._names.copies[tag] + b"*", deadline)
                self._server.checked(self._server.ask([(tag, look)], deadline.remaining_s())[0])

    def since_ms(
        self, tag: int, request: Request, marker: bytes | None, deadline: Deadline
    ) -> int | None:
        """Since when the copies of a tag are good that came with `marker`, by the edge's clock.

        None if who answered is in another life by now than when it was connected to.
        """
        if request.is_asking:
            # Who has what is on its way here is not the owner, and cannot tell what came before.
            return NEVER
        life = request.life
        noted, _, since = (marker or b"").partition(b" ")
        if noted.decode("ascii", "replace") == life and since.isdigit():
            return int(since)
        return self._begin(tag, life, deadline)

    def _begin(self, tag: int, life: str, deadline: Deadline) -> int | None:
        """Let the copies of a tag be good from now on, in this life of its master."""
        self._runtime.sometimes("a tag of the edge began another life")
        clock = (self._server.clock_home([tag]), (b"TIME",))
        now: Any = self._server.checked(self._server.ask([clock], deadline.remaining_s())[0])
        call = Call(tag, queue_scripts.BEGIN, [self._names.lives[tag]], [life, to_ms(now)])
        try:
            answer = self._server.checked(self._server.bind(call, life, deadline.remaining_s()))
        except StaleRunError:
            answer = b"stale"
        if answer == b"stale":
            self._cluster.drop(tag)
            return None
        return int(answer)


def _distrust(reply: CopiesReply, key: str, since_ms: int) -> None:
    """Leave out a clean copy from before, and let a dirty one be of unknown age."""
    copy = reply.copies.get(key)
    if copy is not None and 0 < copy.fetched_ms < since_ms:
        copy.fetched_ms = 0
        if not copy.number:
            del reply.copies[key]
