"""Simulated clients: they use a store as handlers do, and write down what they were told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import (
    CorruptionError,
    FencedError,
    OutcomeUnknownError,
    OverloadedError,
    StaleReplicaError,
    StoreClosedError,
    UnavailableError,
    ValueTooLargeError,
)
from tierstore.replica.frozen import HEAT_BYTES
from tierstore.testing.history import History
from tierstore.testing.simulation.following import Follower
from tierstore.testing.simulation.scheduler import NS_PER_MS
from tierstore.testing.simulation.travelling import Travellers
from tierstore.testing.simulation.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.store.store import Store
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.script import Script, Step

NOTHING_HAPPENED = (UnavailableError, OverloadedError, FencedError, ValueTooLargeError)
WRITE_BYTES_MAX = 512
"""What a write counts for in the queue, at most."""
SCANNED_KEYS = 2
"""How many keys a page of a scan has."""
FRESH_S = 1.0
"""The age that a "fresh" read allows."""
TIMEOUT_S = 1.0
ELEMENTS: dict[str, str | bytes | int] = {"c": b"c", "d": -100}
"""What some of the elements in a script stand for, so that there are some of each kind."""
WRITES = frozenset(("put", "put_many", "delete", "delete_many", "touch", "add", "discard"))


class Workload:
    """The clients of a script, and the history of what they saw."""

    def __init__(self, cluster: Cluster, script: Script) -> None:
        self.history = History(lambda: cluster.scheduler.now_ns)
        cluster.teller.count_events = self.history.__len__
        self._cluster = cluster
        self.excesses: list[str] = []
        """When more waited for the region than the policy allows."""
        self.watch = Watch(cluster)
        self._travellers = Travellers(cluster.reached)
        self._followers: dict[str, Follower] = {}
        self._left = len(script.steps)
        self._waiting: dict[int, list[Step]] = {}
        for step in reversed(script.steps):
            self._waiting.setdefault(step.client, []).append(step)

    @property
    def is_done(self) -> bool:
        """Whether every client has done everything."""
        return self._left == 0

    def start(self, node: Node) -> None:
        """Let the clients of a node that has begun a life do what is left for them."""
        index, nodes = self._cluster.nodes.index(node), self._cluster.options.nodes
        for client, steps in sorted(self._waiting.items()):
            if client % nodes == index and steps:
                name = f"{node.life}/{client}"
                self._cluster.scheduler.spawn(node.process, name, self._client(node, name, steps))

    def _client(self, node: Node, name: str, steps: list[Step]) -> Callable[[], None]:
        scheduler = self._cluster.scheduler

        def run() -> None:
            store = node.store
            while steps:
                scheduler.sleep(int(steps[-1].pause_ms * NS_PER_MS))
                if node.is_leaving:
                    return
                step = steps.pop()
                self._left -= 1
                with self._travellers.view(node, store, name, step) as (view, who):
                    self.do(view, who, step, node)

        return run

    def follow(self, node: Node, store: Store) -> int:
        """Look at what changed in the region of `node`; how much. Raises UnavailableError."""
        follower = self._followers.setdefault(node.machine.site.name, Follower())
        return follower.look(node, store, self._cluster.reached)

    def let_go(self) -> None:
        """Let others go on with what a process that is lost for good was in the middle of."""
        for follower in self._followers.values():
            follower.is_busy = False

    def followed(self, core: list[Node]) -> list[str]:
        """What is wrong with what was told of changes, where nodes of the core asked to the end."""
        sites = {node.machine.site.name: node.machine.site for node in core}
        followers = {name: each for name, each in self._followers.items() if name in sites}
        return [text for name, each in followers.items() for text in each.check(sites[name])]

    def do(self, store: Store, name: str, step: Step, node: Node) -> None:
        """Do one operation, and record it. Raises StaleReplicaError for its session to know."""
        argument = _argument_of(step)
        key = None if argument is not None and step.verb.endswith("_many") else step.keys[0]
        self._cluster.teller.note(name, step.verb, repr(argument or step.keys))
        asked = self.history.invoke(name, step.verb, key, argument)
        try:
            if step.verb == "watch":
                result = self.follow(node, store)
            else:
                result = _VERBS[step.verb](store, step, argument)
        except StaleReplicaError as error:
            asked.fail(type(error).__name__)
            raise
        except OutcomeUnknownError as error:
            asked.info(type(error).__name__)
        except StoreClosedError as error:
            if not any(node.is_leaving for node in self._cluster.nodes):
                raise
            asked.fail(type(error).__name__)
        except NOTHING_HAPPENED as error:
            asked.fail(type(error).__name__)
        except CorruptionError:
            if not self._cluster.has_rotted:
                raise
            asked.fail("CorruptionError")
        else:
            asked.ok(result)
            self._cluster.teller.note(name, step.verb, repr(result))
            self.watch.look(node.store, step)
            if step.verb in WRITES:
                self._watch(node.store, name)

    def _watch(self, store: Store, name: str) -> None:
        """Note if the queue is longer than allowed, give or take a write of every client."""
        limits = self._cluster.policy.limits
        outbox = store._core.replica.state.outbox
        heat_bytes = sum(len(n.key) + HEAT_BYTES for f in outbox.frozen for n in f.heat)
        waiting_bytes = outbox.unflushed_bytes - heat_bytes
        spare_bytes = self._cluster.options.clients * self._cluster.options.keys * WRITE_BYTES_MAX
        if waiting_bytes > limits.unflushed_bytes + spare_bytes:
            self.excesses.append(f"{name} has {waiting_bytes} bytes that wait for the region")


def _argument_of(step: Step) -> Any:
    """What a step writes, reads or asks for, as the history shows it."""
    values = [f"{step.number}.{index}{'x' * step.size}" for index in range(len(step.keys))]
    if step.verb == "put":
        return [values[0], step.ttl_ms]
    if step.verb in ("add", "discard", "contains"):
        return step.amount or [ELEMENTS.get(name, name) for name in step.elements]
    if step.verb == "put_many":
        return [dict(zip(step.keys, values, strict=True)), step.ttl_ms]
    if step.verb == "touch":
        return step.ttl_ms
    return list(step.keys) if step.verb.endswith("_many") else None


def _lifetime(step: Step) -> dict[str, Any]:
    return {} if step.ttl_ms is None else {"ttl": step.ttl_ms / 1000}


def _put(store: Store, step: Step, argument: Any) -> None:
    store.put(step.keys[0], argument[0], **_lifetime(step), timeout=TIMEOUT_S)


def _put_many(store: Store, step: Step, argument: Any) -> None:
    store.put_many(argument[0], **_lifetime(step), timeout=TIMEOUT_S)


def _add(store: Store, step: Step, argument: Any) -> None:
    if step.amount:
        store.counter(step.keys[0]).add(step.amount, timeout=TIMEOUT_S)
    elif store._core.rule_for(step.keys[0]).type == "document":
        with store.document(step.keys[0]).edit(timeout=TIMEOUT_S) as names:
            for name in argument:
                names[name] = True
    else:
        store.members(step.keys[0]).add(*argument, timeout=TIMEOUT_S)


def _contains(store: Store, step: Step, argument: Any) -> bool:
    return store.members(step.keys[0]).contains(argument[0], timeout=TIMEOUT_S)


def _discard(store: Store, step: Step, argument: Any) -> None:
    store.members(step.keys[0]).discard(*argument, timeout=TIMEOUT_S)


def _all(store: Store, step: Step, _: Any) -> list[Any]:
    return sorted(store.members(step.keys[0]).all(timeout=TIMEOUT_S), key=repr)


def _scan(store: Store, step: Step, argument: Any) -> list[list[Any]]:
    prefix = step.keys[0][: step.keys[0].rfind("/") + 1]
    pages = store.scan(prefix, timeout=TIMEOUT_S).pages(SCANNED_KEYS)
    return [[entry.key, entry.value] for page in pages for entry in page.entries]


_VERBS: dict[str, Callable[[Store, Step, Any], Any]] = {
    "put": _put,
    "put_many": _put_many,
    "delete": lambda store, step, _: store.delete(step.keys[0], timeout=TIMEOUT_S),
    "delete_many": lambda store, step, _: store.delete_many(step.keys, timeout=TIMEOUT_S),
    "touch": lambda store, step, _: store.touch(step.keys[0], **_lifetime(step), timeout=TIMEOUT_S),
    "get": lambda store, step, _: store.get(step.keys[0], timeout=TIMEOUT_S),
    "read": lambda store, step, _: store.read(step.keys[0], timeout=TIMEOUT_S).value,
    "fresh": lambda store, step, _: store.get(step.keys[0], max_age=FRESH_S, timeout=TIMEOUT_S),
    "exists": lambda store, step, _: store.exists(step.keys[0], timeout=TIMEOUT_S),
    "get_many": lambda store, step, _: store.get_many(step.keys, timeout=TIMEOUT_S),
    "scan": _scan,
    "add": _add,
    "sum": lambda store, step, _: store.counter(step.keys[0]).get(timeout=TIMEOUT_S),
    "discard": _discard,
    "all": _all,
    "contains": _contains,
    "flush": lambda store, step, _: store.flush(TIMEOUT_S),
    "maintain": lambda store, step, _: store.maintain(1.0).ok,
}
