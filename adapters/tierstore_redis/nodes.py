"""Connections to the nodes of a cluster, and rounds of requests to several of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tierstore.errors import DeadlineExceededError, TierStoreError, UnavailableError
from tierstore_redis.connections import Connections, Link
from tierstore_redis.errors import DRIVER_ERRORS, STALE, said_code, translate
from tierstore_redis.servers import StaleRunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.region.deadline import Deadline
    from tierstore.runtime import Runtime
    from tierstore_redis.address import Address, Node
    from tierstore_redis.connections import Command
    from tierstore_redis.servers import Call

FAILURES_MAX = 3
PAUSE_S_MIN = 0.1
PAUSE_S_MAX = 1.0
"""How long nobody asks a node that failed so often in a row, but for one at a time afterwards."""
PATIENT_S = 0.1
"""A caller who waited for less than this says little about a node."""
ASKING: Command = (b"ASKING",)


@dataclass(frozen=True, slots=True)
class Manner:
    """How requests are sent."""

    is_change: bool = False
    is_write: bool = False
    """It must not be sent twice."""
    life: str | None = None
    """To a server in this life only; None: in any."""


@dataclass(slots=True, eq=False)
class Request:
    """One command on its way, and what became of it in the last round."""

    home: int
    command: Command
    call: Call | None = None
    """What `command` was made of."""
    node: Node | None = None
    is_asking: bool = False
    """The node is told to take it although the slot is not its own yet."""
    answer: Any = None
    """An error of the server stands for its answer."""
    life: str = ""
    """Of the server that answered."""
    failure: TierStoreError | None = None
    """Why there is no answer."""
    is_lost: bool = False
    """It must not be sent again, as it may have happened."""


@dataclass(slots=True)
class _Flight:
    """What was sent to one node and not answered yet."""

    node: Node
    pool: Connections
    link: Link
    requests: Sequence[Request]


@dataclass(slots=True)
class _Absence:
    """Of a node that did not answer when it was last asked."""

    failures: int = 0
    retry_at_s: float = 0.0


class Nodes:
    """The nodes of one cluster, with a bounded number of connections to each."""

    def __init__(self, address: Address, runtime: Runtime) -> None:
        self._address = address
        self._runtime = runtime
        self._pools: dict[Node, Connections] = {}
        self._is_closed = False
        self._absent: dict[Node, _Absence] = {}

    @property
    def away(self) -> set[Node]:
        """Those that did not answer when they were last asked."""
        return set(self._absent)

    def place(self, node: Node) -> str:
        """What messages call a node."""
        return f"the edge tier at {node} of {self._address.shown}"

    def open(self, node: Node, timeout_s: float) -> Link:
        """A connection that the caller closes. Raises UnavailableError."""
        try:
            return Link(self._address.at(node), self._runtime, timeout_s)
        except DRIVER_ERRORS as error:
            raise translate(error, self.place(node)) from error

    def round(self, requests: Iterable[Request], deadline: Deadline, manner: Manner) -> None:
        """Send each request to its `node`, all of them before any answer is waited for.

        Raises StaleRunError, when nothing was sent.
        """
        by_node: dict[Node, list[Request]] = {}
        for request in requests:
            assert request.node is not None
            request.failure, request.answer = None, None
            by_node.setdefault(request.node, []).append(request)
        flights: list[_Flight] = []
        try:
            for node, some in by_node.items():
                self._start(node, some, deadline, manner, flights)
            for flight in list(flights):
                self._finish(flight, deadline, manner)
                flights.remove(flight)
        finally:
            for flight in flights:
                flight.pool.discard(flight.link)

    def drop(self, node: Node) -> None:
        """Use none of the connections to a node any more that are open now."""
        self._pool(node).drop()

    def keep(self, nodes: Iterable[Node]) -> None:
        """Close connections to all other nodes."""
        kept = set(nodes)
        for node in list(self._pools):
            if node not in kept and (pool := self._pools.pop(node, None)) is not None:
                pool.close()
                self._absent.pop(node, None)

    def close(self) -> None:
        """Close all connections, and open none any more. Idempotent."""
        self._is_closed = True
        for pool in list(self._pools.values()):
            pool.close()

    def _start(
        self,
        node: Node,
        requests: Sequence[Request],
        deadline: Deadline,
        manner: Manner,
        flights: list[_Flight],
    ) -> None:
        """Send what goes to one node."""
        try:
            self._admit(node)
            pool = self._pool(node)
            link = self._take(pool, deadline, manner.life)
        except StaleRunError:
            self._absent.pop(node, None)  # it answers, as another
            raise
        except TierStoreError as error:
            _fail(requests, error)
            return
        except DRIVER_ERRORS as error:
            self._note_absent(node, deadline)
            _fail(requests, translate(error, self.place(node)))
            return
        flight = _Flight(node, pool, link, requests)
        flights.append(flight)
        commands: list[Command] = []
        for request in requests:
            commands += [ASKING, request.command] if request.is_asking else [request.command]
        try:
            link.send(commands, deadline.remaining_s())
        except DeadlineExceededError as error:
            flights.remove(flight)
            pool.give(link)
            _fail(requests, error)
        except DRIVER_ERRORS as error:
            flights.remove(flight)
            self._break(flight, error, deadline, manner)

    def _finish(self, flight: _Flight, deadline: Deadline, manner: Manner) -> None:
        """Read the answers of one node."""
        try:
            answers = flight.link.answers(sum(1 + one.is_asking for one in flight.requests))
        except DRIVER_ERRORS as error:
            self._break(flight, error, deadline, manner)
            return
        self._absent.pop(flight.node, None)
        told = iter(answers)
        for request in flight.requests:
            if request.is_asking:
                next(told)
            request.answer, request.life = next(told), flight.link.run
        if any(isinstance(one, Exception) and said_code(one) in STALE for one in answers):
            flight.pool.drop()
        flight.pool.give(flight.link)

    def _take(self, pool: Connections, deadline: Deadline, life: str | None) -> Link:
        """A connection to a server in this life. Raises StaleRunError where there is none."""
        link = pool.take(deadline.remaining_s())
        if life is None or link.run == life:
            return link
        pool.discard(link)
        pool.drop()  # it may only be the connection that is of another life
        link = pool.take(deadline.remaining_s())
        if link.run != life:
            pool.give(link)
            raise StaleRunError
        return link

    def _break(self, flight: _Flight, error: Exception, deadline: Deadline, manner: Manner) -> None:
        """The answers of a node were lost."""
        flight.pool.discard(flight.link)
        self._note_absent(flight.node, deadline)
        is_sent, is_write = manner.is_change, manner.is_write
        failure = translate(error, self.place(flight.node), is_sent=is_sent, is_write=is_write)
        failure.__cause__ = error
        _fail(flight.requests, failure, is_lost=is_write)

    def _admit(self, node: Node) -> None:
        """Raise UnavailableError for a node that is away, but for one caller now and then."""
        absence = self._absent.get(node)
        if absence is None or absence.failures < FAILURES_MAX:
            return
        now_s = self._runtime.monotonic()
        left_s = absence.retry_at_s - now_s
        if left_s > 0:
            raise UnavailableError(
                f"{self.place(node)}: it has not answered {absence.failures} times in a row and is"
                f" asked again in {left_s:.1f} s"
            )
        absence.retry_at_s = now_s + PAUSE_S_MAX

    def _note_absent(self, node: Node, deadline: Deadline) -> None:
        absence = self._absent.setdefault(node, _Absence())
        if deadline.timeout_s >= PATIENT_S:
            absence.failures += 1
        pause_s = PAUSE_S_MIN * 2.0 ** min(max(absence.failures - FAILURES_MAX, 0), 16)
        absence.retry_at_s = self._runtime.monotonic() + min(PAUSE_S_MAX, pause_s)

    def _pool(self, node: Node) -> Connections:
        if self._is_closed:
            raise UnavailableError("the edge tier was closed")
        pool = self._pools.get(node)
        if pool is None:
            address = self._address.at(node)

            def open_one(timeout_s: float) -> Link:
                return Link(address, self._runtime, timeout_s)

            made = Connections(open_one, self._address.pool, self._runtime)
            pool = self._pools.setdefault(node, made)  # of two threads the first counts
        return pool


def _fail(requests: Iterable[Request], error: TierStoreError, *, is_lost: bool = False) -> None:
    for request in requests:
        request.failure, request.is_lost = error, is_lost
