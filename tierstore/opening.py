"""From a policy to a wired store: which adapter, which journal, which runtime."""

from __future__ import annotations

from tierstore.policy import load
from tierstore.policy.deciding import coordinator_url
from tierstore.policy.match import Matcher
from tierstore.policy.model import is_strong_tiered, is_tiered, resolve_path
from tierstore.replica.cold import ColdLink
from tierstore.replica.compacting import make_step
from tierstore.replica.engine import Replica
from tierstore.replica.link import RegionSource
from tierstore.replica.schedule import Step
from tierstore.replica.state import never_edge
from tierstore.runtime import Runtime, fork
from tierstore.store.core import Core
from tierstore.store.escrow import make_escrow_steps
from tierstore.store.store import Store
from tierstore.units import MS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from tierstore.linking.opening import Opener
    from tierstore.movement.step import Moving
    from tierstore.policy import Policy, PolicyLike
    from tierstore.policy.model import Rule
    from tierstore.policy.url import Url
    from tierstore.region.objects import ObjectTier
    from tierstore.region.protocol import Region
    from tierstore.region.shared import SharedEdge
    from tierstore.runtime import Watermark
    from tierstore.tiers.journal.directory import JournalDirectory

PRIVATE_EDGES = ("memory",)
"""Schemes of edges that are each process's own."""


def open(
    policy: PolicyLike = None,
    *,
    base_dir: str | os.PathLike[str] | None = None,
    connect: bool = False,
    runtime: Runtime | None = None,
) -> Store:
    """A store over the tiers of `policy`: a path (YAML, or compiled JSON), a dict, or nothing.

    Nothing means the embedded default in ./tierstore-data. Connects to nothing unless `connect`;
    then it raises UnavailableError if a tier does not answer. Raises PolicyError, listing every
    fault, if the policy cannot be used.
    """
    runtime = runtime or Runtime()
    store = wire(load(policy, base_dir), runtime, issued=runtime.issued)
    if connect:
        try:
            store._core.connect()
        except BaseException:
            store.close(0.0)
            raise
    return store


def wire(
    policy: Policy,
    runtime: Runtime,
    *,
    region: Region | None = None,
    journals: JournalDirectory | None = None,
    objects: ObjectTier | None = None,
    edge: SharedEdge | None = None,
    issued: Watermark | None = None,
    opener: Opener | None = None,
    coordinator: Region | None = None,
) -> Store:
    """A store made of these parts; they default to what the policy names.

    One with an `issued` of its own knows of no other store in its process. With an `edge` it is a
    worker of that. An `opener` makes the tiers that its links need. A `coordinator` is another
    database than the region's, in which strong keys are decided.
    """
    matcher = Matcher(policy.rules)
    source = region_source(policy, runtime) if region is None else RegionSource(lambda: region)
    open_objects = object_source(policy, runtime) if objects is None else lambda: objects
    cold = ColdLink(open_objects, runtime, may_cache(policy, matcher))
    central = make_coordinator(policy, runtime, coordinator, open_objects, matcher)
    steps = make_steps(policy, runtime, source, cold, matcher, opener, central)
    replica: Replica
    if edge is not None or edge_scheme(policy) not in PRIVATE_EDGES:
        from tierstore.replica.shared.opening import shared_replica

        make_edge = edge_source(policy, runtime) if edge is None else lambda: edge
        replica = shared_replica(
            policy, runtime, source, make_edge, matcher.rule_for, cold, steps, issued
        )
    else:
        own = journals if journals is not None else make_journals(policy)
        replica = Replica(policy, runtime, source, own, matcher.rule_for, cold, steps, issued)
    fork.register(replica)
    if central is not None:
        fork.register(central)
    return Store(Core(policy, runtime, replica, matcher, central))


def make_coordinator(
    policy: Policy,
    runtime: Runtime,
    given: Region | None,
    open_objects: Callable[[], ObjectTier],
    matcher: Matcher,
) -> Replica | None:
    """The engine of the coordinator's database; None if that is the region's."""
    if given is not None:
        source = RegionSource(lambda: given)
    elif (url := coordinator_url(policy)) is not None:
        source = region_source(policy, runtime, url)
    else:
        return None
    from tierstore.replica.coordinating import CoordinatorReplica

    cold = ColdLink(open_objects, runtime, may_cache(policy, matcher))

    def make_steps(replica: Replica) -> list[Step]:
        if not is_strong_tiered(policy):
            return []
        moving = make_moving(policy, runtime, source, replica, cold, matcher)
        return [make_move_step(policy, replica, moving, lambda: True)]

    return CoordinatorReplica(policy, runtime, source, matcher.rule_for, cold, make_steps)


def edge_scheme(policy: Policy) -> str:
    """Of the edge's url. Raises PolicyError if only a variable that is not set knows it."""
    url = policy.edge.url
    return url.scheme or type(url)(url.reveal()).scheme


def region_source(policy: Policy, runtime: Runtime, url: Url | None = None) -> RegionSource:
    """The policy's regional tier, or another one; its adapter is imported and made at first use."""

    def make() -> Region:
        from tierstore.policy.demands import require_able

        region = make_region(policy, url or policy.regional.url, runtime)
        require_able(policy, "regional", region.capabilities)
        return region

    return RegionSource(make)


def make_region(policy: Policy, url: Url, runtime: Runtime) -> Region:
    """The adapter of the region at `url`, judging by the policy's limits."""
    from tierstore.region.apply import Limits
    from tierstore.tiers.registry import load_region

    replication = policy.replication
    limits = Limits(
        max_drift_ms=round(replication.max_drift_s * MS_PER_S),
        horizon_ms=round(replication.horizon_s * MS_PER_S),
        is_tiered=is_tiered(policy),
    )
    revealed = url.reveal()  # perhaps only now known to have a scheme
    adapter = load_region(type(url)(revealed).scheme)
    region: Region = adapter(revealed, runtime=runtime, terms=limits, base_dir=policy.base_dir)
    return region


def edge_source(policy: Policy, runtime: Runtime) -> Callable[[], SharedEdge]:
    """What makes the policy's shared edge; its adapter is imported and made at first use."""

    def make() -> SharedEdge:
        from tierstore.policy.demands import require_able
        from tierstore.policy.url import Url
        from tierstore.tiers.registry import load_shared_edge

        url = policy.edge.url.reveal()
        adapter = load_shared_edge(Url(url).scheme)
        edge: SharedEdge = adapter(url, runtime=runtime, base_dir=policy.base_dir)
        require_able(policy, "edge", edge.capabilities)
        return edge

    return make


def object_source(policy: Policy, runtime: Runtime) -> Callable[[], ObjectTier]:
    """What makes the policy's cold tier; its adapter is imported and made at first use."""

    def make() -> ObjectTier:
        from tierstore.policy.demands import require_able

        objects = make_objects(policy, policy.cold.url, runtime)
        require_able(policy, "cold", objects.capabilities)
        return objects

    return make


def make_objects(policy: Policy, url: Url, runtime: Runtime) -> ObjectTier:
    """The adapter of the cold tier at `url`."""
    from tierstore.tiers.registry import load_objects

    revealed = url.reveal()
    client = policy.cold.client if url.scheme == policy.cold.url.scheme else None
    adapter = load_objects(type(url)(revealed).scheme, client)
    objects: ObjectTier = adapter(revealed, runtime=runtime, base_dir=policy.base_dir)
    return objects


def may_cache(policy: Policy, matcher: Matcher) -> Callable[[str], bool] | None:
    """Whether a key may stay in this edge's memory; None if every key may."""
    barred = never_edge(policy)
    if not barred:
        return None

    def is_allowed(key: str) -> bool:
        return matcher.rule_for(key).index not in barred

    return is_allowed


def make_steps(
    policy: Policy,
    runtime: Runtime,
    source: RegionSource,
    cold: ColdLink,
    matcher: Matcher,
    opener: Opener | None = None,
    coordinator: Replica | None = None,
) -> Callable[[Replica], list[Step]]:
    """What moves keys in the background, if any rule lets them go cold or some still are.

    And what runs the links from peers, over tiers that `opener` makes; and what looks after rights
    that are granted by a `coordinator` elsewhere.
    """

    def make(replica: Replica) -> list[Step]:
        def make_own() -> Moving:
            return make_moving(policy, runtime, source, replica, cold, matcher)

        work: Moving | Leftovers
        if is_tiered(policy):
            work, is_needed = make_own(), lambda: True
        else:
            work = Leftovers(replica, make_own, policy.movement.interval_s)
            is_needed = work.is_needed
        move = make_move_step(policy, replica, work, is_needed)
        rule_for = matcher.rule_for
        links = make_link_steps(policy, runtime, source, replica, rule_for, opener)
        return [move, make_step(replica), *links, *make_escrow_steps(replica, coordinator)]

    return make


def make_moving(
    policy: Policy,
    runtime: Runtime,
    source: RegionSource,
    replica: Replica,
    cold: ColdLink,
    matcher: Matcher,
) -> Moving:
    """The mover and the sweeper of the database of `replica`."""
    from tierstore.movement.step import Moving

    replica.moving = moving = Moving(
        policy, runtime, source.get, replica.state.link, cold, matcher.rule_for
    )
    return moving


def make_move_step(
    policy: Policy, replica: Replica, work: Moving | Leftovers, is_needed: Callable[[], bool]
) -> Step:
    """The step that moves keys."""
    return Step("move", policy.movement.interval_s, work.step, is_needed, work.pause_s,
                work.next_slice, lambda timeout_s: _release_moves(replica, timeout_s))  # fmt: skip


def _release_moves(replica: Replica, timeout_s: float) -> None:
    if replica.moving is not None and replica.state.link.reachable:
        replica.moving.release(timeout_s)


def make_link_steps(
    policy: Policy,
    runtime: Runtime,
    source: RegionSource,
    replica: Replica,
    rule_for: Callable[[str], Rule],
    opener: Opener | None = None,
) -> list[Step]:
    """What takes over the rows of the policy's peers, unless a relay does."""
    replication = policy.replication
    if not replication.peers or replication.links != "direct":
        return []
    from tierstore.linking.opening import Opener, make_ends

    opener = opener or Opener(make_region, make_objects)
    linking = make_ends(policy, runtime, opener, source.get, rule_for).linking(policy, runtime)
    replica.linking = linking
    pull_s = replication.pull_s
    return [Step("link", pull_s, linking.step, lambda: True, release=lambda _: linking.close())]


class Leftovers:
    """What an earlier policy let go cold, under one that lets nothing: brought back and swept.

    Looks once whether there is any, which is one query in the life of a process.
    """

    def __init__(
        self, replica: Replica, make_moving: Callable[[], Moving], interval_s: float
    ) -> None:
        self._replica = replica
        self._make_moving = make_moving
        self._interval_s = interval_s
        self._is_unknown = True
        self._moving: Moving | None = None

    def is_needed(self) -> bool:
        """Whether there is something left, as far as is known."""
        return self._is_unknown or self._moving is not None

    def step(self) -> None:
        """Look whether there are leftovers, or move them.

        Raises UnavailableError if a tier does not answer; the next step goes on from there.
        """
        if self._is_unknown:
            self._moving = self._make_moving() if self._is_any() else None
            self._is_unknown = False
        if self._moving is not None:
            self._moving.step()

    def pause_s(self) -> float:
        """Seconds until the next step is wanted."""
        return self._interval_s if self._moving is None else self._moving.pause_s()

    def next_slice(self) -> Callable[[], None] | None:
        """What is left of the last step and need not wait; None: nothing is."""
        return None if self._moving is None else self._moving.next_slice()

    def _is_any(self) -> bool:
        """Whether the region knows of objects: of every cold row's, and of garbage."""
        replica = self._replica
        ask = getattr(replica.region, "objects", None)
        if ask is None:
            return False
        link, deadline = replica.state.link, replica.deadline()
        link.register(deadline)
        return bool(link.observed(lambda: ask(1, deadline.remaining_s())))


def make_journals(policy: Policy) -> JournalDirectory | None:
    """The policy's journal directory, untouched; None if it has none."""
    from tierstore.tiers.journal.directory import JournalDirectory

    if policy.edge.journal is None:
        return None
    path = resolve_path(policy, policy.edge.journal)
    return JournalDirectory(path, sync_always=policy.edge.journal_sync == "full")
