"""A cluster of servers: each tag lies on one of its masters, which may be another soon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import DeadlineExceededError, TierStoreError, UnavailableError
from tierstore.region.deadline import Deadline
from tierstore.region.shared import TAGS, life_of
from tierstore_redis.copies import to_ms
from tierstore_redis.errors import MOVING, translate
from tierstore_redis.keys import STANDING
from tierstore_redis.nodes import Manner, Nodes, Request
from tierstore_redis.probing import (
    SETTINGS,
    Probed,
    check_server,
    describe_cluster,
    epoch_of,
    parse_info,
    parse_settings,
    run_of,
)
from tierstore_redis.servers import Heard, is_unknown
from tierstore_redis.topology import Topology, read_redirection, read_topology

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.region.shared import EdgeInfo
    from tierstore.runtime import Runtime
    from tierstore_redis.address import Address, Node
    from tierstore_redis.connections import Command
    from tierstore_redis.keys import Names
    from tierstore_redis.servers import Call

ROUNDS_MAX = 8
"""How often one request is sent at most, for it is sent elsewhere or with the text of a script."""
REFRESH_S = 1.0
"""What one node may take to tell the slots, or of itself, as another may be quicker."""
AWAY_S = 0.2
"""What one has to tell of itself that did not answer before, so that others need not wait."""
_SLOTS: Command = (b"CLUSTER", b"SLOTS")
_PROBES: tuple[Command, ...] = (
    (b"INFO",), (b"CLUSTER", b"INFO"), (b"CONFIG", b"GET", *SETTINGS), (b"TIME",)
)  # fmt: skip
_ASKED, _CHANGED = Manner(), Manner(is_change=True)


class ClusterServers:
    """The masters of a cluster: `servers.Servers`."""

    def __init__(self, address: Address, names: Names, runtime: Runtime) -> None:
        self.place = f"the edge tier at {address.shown}"
        self._seeds = address.seeds
        self._names = names
        self._runtime = runtime
        self._nodes = Nodes(address, runtime)
        self._topology = Topology()
        self._turn = 0

    def probe(self, timeout_s: float) -> EdgeInfo:
        """What the masters are. Those that are away have an empty life until they answer."""
        deadline = Deadline(self._runtime, timeout_s)
        self._refresh(deadline)
        topology = self._topology
        found, failure = self._probe_each(self._away_last(topology.nodes()), deadline)
        if not found:
            raise failure or self._unserved()
        lives = [_life_at(node, found) for node in topology.masters]
        standing = topology.masters[STANDING]
        now_ms = max(one.now_ms for one in found.values())
        if standing in found:
            now_ms = found[standing].now_ms
        return describe_cluster(found, lives[:TAGS], now_ms, has_replicas=topology.has_replicas)

    def open(self, timeout_s: float) -> list[Heard]:
        """A connection to each master that has a tag. Raises UnavailableError if one is away."""
        deadline = Deadline(self._runtime, timeout_s)
        self._refresh(deadline)
        masters, opened = self._topology.masters[:TAGS], list[Heard]()
        try:
            for node in dict.fromkeys(masters):
                if node is None:
                    raise self._unserved()
                tags = [tag for tag in range(TAGS) if masters[tag] == node]
                asks = [(b"EXISTS", self._names.lives[tag]) for tag in tags]
                opened.append(Heard(self._nodes.open(node, deadline.remaining_s()), asks))
        except BaseException:
            for one in opened:
                one.link.close()
            raise
        return opened

    def clock_home(self, homes: Iterable[int]) -> int:
        """Always the same, but while that is away."""
        node = self._topology.masters[STANDING]
        return STANDING if node not in self._nodes.away else next(iter(homes))

    def drop(self, home: int) -> None:
        """Use none of the connections any more that are open now to who serves a home."""
        node = self._topology.masters[home]
        if node is not None:
            self._nodes.drop(node)

    def owner(self, home: int) -> Node | None:
        """Who serves a home, as far as is known."""
        return self._topology.masters[home]

    def ask(self, commands: Sequence[tuple[int, Command]], timeout_s: float) -> list[Any]:
        """The answers to commands that change nothing."""
        return [one.answer for one in self.ask_each(commands, timeout_s)]

    def ask_each(self, commands: Sequence[tuple[int, Command]], timeout_s: float) -> list[Request]:
        """`ask`, with the life of the server that gave each answer."""
        requests = [Request(home, command) for home, command in commands]
        self._exchange(requests, Deadline(self._runtime, timeout_s), _ASKED)
        return requests

    def call(
        self,
        calls: Sequence[Call],
        timeout_s: float,
        *,
        before: Sequence[tuple[int, Command]] = (),
    ) -> list[Any]:
        """The answers to `before` and to `calls`, which may all be sent again."""
        requests = [Request(home, command) for home, command in before]
        requests += [Request(call.home, call.by_digest(), call) for call in calls]
        self._exchange(requests, Deadline(self._runtime, timeout_s), _CHANGED)
        return [one.answer for one in requests]

    def write(self, call: Call, run: str, timeout_s: float) -> Any:
        """The answer to a call that must not be sent twice, in this run of the edge only."""
        life = life_of(run, call.home)
        return self._in_life(call, Manner(is_change=True, is_write=True, life=life), timeout_s)

    def bind(self, call: Call, run: str, timeout_s: float) -> Any:
        """The answer to a call for this run of the edge, which may be sent again."""
        life = life_of(run, call.home)
        return self._in_life(call, Manner(is_change=True, life=life), timeout_s)

    def checked(self, answer: Any) -> Any:
        """An answer that is no error; what the error means is raised."""
        if isinstance(answer, Exception):
            raise translate(answer, self.place) from answer
        return answer

    def close(self) -> None:
        """Release connections. Idempotent."""
        self._nodes.close()

    def _in_life(self, call: Call, manner: Manner, timeout_s: float) -> Any:
        request = Request(call.home, call.by_digest(), call)
        self._exchange([request], Deadline(self._runtime, timeout_s), manner)
        return request.answer

    def _exchange(self, requests: list[Request], deadline: Deadline, manner: Manner) -> None:
        """Have all requests answered, wherever the nodes send them.

        Raises what kept one of them from being answered, or StaleRunError.
        """
        pending = requests
        for _ in range(ROUNDS_MAX):
            self._locate(pending, deadline)
            self._nodes.round(pending, deadline, manner)
            pending = [*self._redirected(pending, deadline), *self._failed(pending, deadline)]
            if not pending:
                return
        kind, meaning = MOVING
        raise kind(f"{self.place}: {meaning}")

    def _locate(self, requests: Iterable[Request], deadline: Deadline) -> None:
        """Give those that go to no node yet the master of their home."""
        known = {self._topology.masters[one.home] for one in requests if one.node is None}
        if None in known:
            self._refresh(deadline)
        elif known & self._nodes.away:  # another may have taken over
            self._learn_quietly(deadline)
        masters = self._topology.masters
        for request in requests:
            request.node = request.node or masters[request.home]
            if request.node is None:
                raise self._unserved()

    def _redirected(self, requests: Iterable[Request], deadline: Deadline) -> list[Request]:
        """Those that have to be sent once more, to a node that their answer names."""
        again, moved = [], []
        for request in requests:
            if request.failure is not None or not isinstance(request.answer, Exception):
                continue
            if is_unknown(request.answer) and request.call is not None:
                request.command = request.call.by_text()
                again.append(request)
                continue
            assert request.node is not None
            told = read_redirection(request.answer, request.node)
            if told is None:
                continue
            again.append(request)
            request.is_asking = told.is_asking
            request.node = told.node if told.is_asking else None
            if not told.is_asking:
                moved.append(told)
        if moved:
            self._learn_quietly(deadline)
            for told in moved:
                self._topology = self._topology.moved(told.slot, told.node)
        return again

    def _failed(self, requests: Iterable[Request], deadline: Deadline) -> list[Request]:
        """Those that got no answer and have another master by now. Raises why others got none."""
        failed = [one for one in requests if one.failure is not None]
        if not failed:
            return []
        for request in failed:
            if request.is_lost or isinstance(request.failure, DeadlineExceededError):
                assert request.failure is not None
                raise request.failure
        self._learn_quietly(deadline)
        for request in failed:
            if self._topology.masters[request.home] in (None, request.node):
                assert request.failure is not None
                raise request.failure
            request.node, request.is_asking = None, False
        return failed

    def _learn_quietly(self, deadline: Deadline) -> None:
        """Learn who serves what, if anybody tells."""
        try:
            self._refresh(deadline)
        except TierStoreError:
            self._runtime.sometimes("no node told the slots")

    def _refresh(self, deadline: Deadline) -> None:
        """Learn who serves what, from the first node that tells. Raises why none does."""
        failure: TierStoreError | None = None
        for node in self._candidates():
            try:
                topology = self._read_topology(node, deadline)
            except TierStoreError as error:
                failure = failure or error
                continue
            if topology.nodes():
                self._adopt(topology)
                return
        raise failure or self._unserved()

    def _adopt(self, topology: Topology) -> None:
        """Go by what a node told. Who got a home from another is in another life by now."""
        was, self._topology = self._topology, topology
        for before, node in zip(was.masters, topology.masters, strict=True):
            if node is not None and before not in (None, node):
                self._nodes.drop(node)
        self._nodes.keep([*topology.nodes(), *topology.others, *self._seeds])

    def _candidates(self) -> list[Node]:
        """Whom to ask for the slots: masters first, in turn, and last those that are away."""
        masters = self._topology.nodes()
        self._turn += 1
        at = self._turn % len(masters) if masters else 0
        return self._away_last([*masters[at:], *masters[:at], *self._topology.others, *self._seeds])

    def _read_topology(self, node: Node, deadline: Deadline) -> Topology:
        soon = Deadline(self._runtime, min(deadline.remaining_s(), REFRESH_S))
        request = Request(0, _SLOTS, node=node)
        self._nodes.round([request], soon, _ASKED)
        if request.failure is not None:
            raise request.failure
        place = self._nodes.place(node)
        if isinstance(request.answer, Exception):
            raise translate(request.answer, place) from request.answer
        try:
            return read_topology(request.answer, node)
        except ValueError as error:
            raise UnavailableError(f"{place}: {error}") from error

    def _probe_each(
        self, nodes: Iterable[Node], deadline: Deadline
    ) -> tuple[dict[Node | None, Probed], TierStoreError | None]:
        """What those say of themselves that answer soon, and why another did not.

        Raises PolicyError for one that cannot be part of an edge.
        """
        found: dict[Node | None, Probed] = {}
        failure: TierStoreError | None = None
        for node in nodes:
            try:
                most_s = AWAY_S if node in self._nodes.away else REFRESH_S
                soon_s = min(deadline.remaining_s() / 2, most_s)
                found[node] = self._probe_one(node, Deadline(self._runtime, soon_s))
            except UnavailableError as error:
                failure = error
        return found, failure

    def _probe_one(self, node: Node, deadline: Deadline) -> Probed:
        requests = [Request(0, probe, node=node) for probe in _PROBES]
        self._nodes.round(requests, deadline, _ASKED)
        if requests[0].failure is not None:
            raise requests[0].failure
        answers = [one.answer for one in requests]
        info, place = parse_info(self.checked(answers[0])), self._nodes.place(node)
        check_server(info, place, is_node=True)
        life = run_of(info, epoch_of(self.checked(answers[1])))
        if life != requests[0].life:
            self._nodes.drop(node)
        now_ms = to_ms(self.checked(answers[3]))
        return Probed(info, parse_settings(answers[2]), life, now_ms)

    def _away_last(self, nodes: Iterable[Node]) -> list[Node]:
        away = set(self._nodes.away)
        return sorted(dict.fromkeys(nodes), key=lambda node: node in away)

    def _unserved(self) -> UnavailableError:
        return UnavailableError(f"{self.place}: no node of the cluster serves some of its slots")


def _life_at(node: Node | None, found: dict[Node | None, Probed]) -> str:
    return found[node].life if node in found else ""
