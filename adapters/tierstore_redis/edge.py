"""The edge that workers share, in a Redis or Valkey server or cluster. Imports the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError
from tierstore.region.capabilities import Capabilities
from tierstore_redis.address import check_prefix, parse_address
from tierstore_redis.cluster import ClusterServers
from tierstore_redis.cluster_copies import ClusterCopies
from tierstore_redis.copying import Copies
from tierstore_redis.keys import Names
from tierstore_redis.listening import Listener
from tierstore_redis.queues import Queues
from tierstore_redis.servers import SingleServer
from tierstore_redis.together import Together
from tierstore_redis.typed import ClusterTyped, TypedCopies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.shared import (
        CopiesReply,
        EdgeInfo,
        Identity,
        Queued,
        Settled,
        Standing,
        TypedReply,
        WriteReply,
    )
    from tierstore.runtime import Runtime


class _Parts:
    """What there is from the first use on."""

    def __init__(self, url: str, prefix: str, runtime: Runtime) -> None:
        names = Names(check_prefix(prefix))
        address = parse_address(url)
        self.server: SingleServer | ClusterServers
        if address.seeds:
            self.server = cluster = ClusterServers(address, names, runtime)
            self.listener = Listener(cluster, names, runtime)
            copies = ClusterCopies(cluster, names, runtime, self.listener.doubt)
            self.copies: Copies = copies
            self.typed: TypedCopies = ClusterTyped(cluster, names, runtime, copies)
        else:
            self.server = SingleServer(address, runtime)
            self.listener = Listener(self.server, names, runtime)
            self.copies = Copies(self.server, names, runtime)
            self.typed = TypedCopies(self.server, names, runtime)
        self.queues = Queues(self.server, names, runtime)
        self.together = Together(self.server, names, runtime)


class RedisEdge:
    """A shared edge on a Redis or Valkey server or cluster: `region.shared.SharedEdge`.

    `url` is redis://, rediss:// or unix://, or of a cluster redis+cluster:// or rediss+cluster://;
    `prefix` is what its keys begin with. The constructor
    touches nothing, so PolicyError for a malformed url comes from the first call.
    """

    capabilities = Capabilities(durable=True, shared=True, ttl=True, feed_notify=True)

    def __init__(
        self, url: str, *, runtime: Runtime, base_dir: object = None, prefix: str = "ts"
    ) -> None:
        self._url = url
        self._prefix = prefix
        self._runtime = runtime
        self._made: list[_Parts] = []  # of one; lists change atomically
        self._is_closed = False

    def __repr__(self) -> str:
        return f"RedisEdge({self._made[0].server.place if self._made else 'not used yet'})"

    def connect(self, timeout_s: float) -> EdgeInfo:
        """Connect anew, check the layout, and say what the server is."""
        return self._parts().together.connect(timeout_s)

    # Copies

    def read(self, keys: Sequence[str], timeout_s: float) -> CopiesReply:
        """The copies of `keys`."""
        return self._parts().copies.read(keys, timeout_s)

    def lease(self, keys: Sequence[str], token: int, timeout_s: float) -> int:
        """Placeholders where no copy is; the server's time in milliseconds."""
        return self._parts().copies.lease(keys, token, timeout_s)

    def fill(
        self,
        records: Mapping[str, Record],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """Under a live placeholder, or over what is not newer; the keys that are shown now."""
        return self._parts().copies.fill(records, token, fetched_ms, ttl_ms, timeout_s)

    def show(
        self, records: Mapping[str, Record], fetched_ms: int, ttl_ms: int, timeout_s: float
    ) -> set[str]:
        """Over what is not newer; the keys that are shown now."""
        return self._parts().copies.show(records, fetched_ms, ttl_ms, timeout_s)

    def withdraw(self, keys: Sequence[str], timeout_s: float) -> None:
        """Drop what is clean, a placeholder or damaged."""
        self._parts().copies.withdraw(keys, timeout_s)

    def notice(self, changes: Mapping[str, tuple[int, int, int]], timeout_s: float) -> set[str]:
        """Compare versions; the keys whose copy is older, or damaged."""
        return self._parts().copies.notice(changes, timeout_s)

    def clear_clean(self, timeout_s: float) -> None:
        """Drop all that is clean, a placeholder or damaged."""
        self._parts().copies.clear_clean(timeout_s)

    # Copies of keys that are no registers

    def read_typed(self, keys: Sequence[str], timeout_s: float) -> TypedReply:
        """Rows and what waits; those of one tag in one step."""
        return self._parts().typed.read(keys, timeout_s)

    def fill_typed(
        self,
        records: Mapping[str, Record],
        base: tuple[int, int],
        token: int,
        fetched_ms: int,
        ttl_ms: int,
        timeout_s: float,
    ) -> set[str]:
        """Rows of one tag, under a live placeholder or over what is not newer."""
        return self._parts().typed.fill(records, base, token, fetched_ms, ttl_ms, timeout_s)

    # Writes

    def write(
        self, deltas: Sequence[Delta], run: str, bytes_max: int, timeout_s: float
    ) -> WriteReply:
        """All of `deltas`, or none. Raises OutcomeUnknownError if the answer was lost."""
        return self._parts().queues.write(deltas, run, bytes_max, timeout_s)

    def bind(self, tag: int, run: str, replica: int, timeout_s: float, instead_of: int = 0) -> int:
        """The identity of this run. Raises UnavailableError if the server is in another."""
        return self._parts().queues.bind(tag, run, replica, timeout_s, instead_of)

    def identities(self, tag: int, timeout_s: float) -> list[Identity]:
        """Oldest first."""
        return self._parts().queues.identities(tag, timeout_s)

    def introduce(self, tag: int, replica: int, timeout_s: float) -> None:
        """New no longer."""
        self._parts().queues.introduce(tag, replica, timeout_s)

    def queue(self, tag: int, replica: int, limit: int, timeout_s: float) -> list[Queued]:
        """In the order of their numbers."""
        return self._parts().queues.queue(tag, replica, limit, timeout_s)

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
        self._parts().queues.settle(tag, replica, number, settled, fetched_ms, ttl_ms, timeout_s)

    def expel(self, tag: int, replica: int, number: int, timeout_s: float) -> bytes | None:
        """Remove the first entry of a queue, if it cannot be understood; what it was."""
        return self._parts().queues.expel(tag, replica, number, timeout_s)

    def dismiss(self, tag: int, replica: int, timeout_s: float) -> None:
        """Forget one identity; the copies that it dirtied go with it."""
        self._parts().queues.dismiss(tag, replica, timeout_s)

    # Together

    def lead(self, work: str, holder: int, ttl_ms: int, timeout_s: float) -> bool:
        """A lease by the server's clock."""
        return self._parts().together.lead(work, holder, ttl_ms, timeout_s)

    def standing(self, timeout_s: float) -> Standing:
        """What the workers know together, and the server's time."""
        return self._parts().together.standing(timeout_s)

    def advance(self, standing: Standing, was_cursor: int, timeout_s: float) -> bool:
        """Compare and set by the cursor."""
        return self._parts().together.advance(standing, was_cursor, timeout_s)

    # Listening

    def listen(
        self,
        on_ready: Callable[[], None],
        on_gone: Callable[[Sequence[str] | None], None],
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Tell of what the server tells, on a connection of its own, until stopped."""
        self._parts().listener.listen(on_ready, on_gone, wait_s, is_stopped)

    def close(self) -> None:
        """Release connections. Idempotent."""
        self._is_closed = True
        for parts in self._made:
            parts.server.close()

    def _parts(self) -> _Parts:
        if self._is_closed:
            raise UnavailableError("the edge tier was closed")
        if not self._made:  # two threads may make one each: the first counts
            self._made.append(_Parts(self._url, self._prefix, self._runtime))
        return self._made[0]
