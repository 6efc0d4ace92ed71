"""From a policy to its links: which regions, what reads their cold rows, which keys they take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from tierstore.errors import PolicyError
from tierstore.linking.ends import End
from tierstore.linking.linking import Linking

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.policy.model import Peer, Policy, Rule
    from tierstore.policy.url import Url
    from tierstore.region.objects import ObjectTier
    from tierstore.region.peers import PeeredRegion
    from tierstore.region.protocol import Region
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime
    from tierstore.tiers.cold import ColdReader, ColdReply

OWN = "here"


@dataclass(frozen=True, slots=True)
class Opener:
    """What makes adapters from urls."""

    region: Callable[[Policy, Url, Runtime], Region]
    objects: Callable[[Policy, Url, Runtime], ObjectTier]


@dataclass(frozen=True, slots=True)
class Ends:
    """A region and its peers, none of them connected to before it is needed."""

    own: End
    peers: list[End]

    def linking(self, policy: Policy, runtime: Runtime, *, both_ways: bool = False) -> Linking:
        """The links from the peers to the region; with `both_ways`, from there to them, too."""
        pairs = [(peer, self.own) for peer in self.peers]
        if both_ways:
            pairs += [(self.own, peer) for peer in self.peers]
        replication = policy.replication
        return Linking(
            pairs, runtime, max_drift_s=replication.max_drift_s, repair_s=replication.repair_s
        )

    def close(self) -> None:
        """Release what was opened. Idempotent."""
        for end in (self.own, *self.peers):
            end.close()


def make_ends(
    policy: Policy,
    runtime: Runtime,
    opener: Opener,
    own: Callable[[], Region],
    rule_for: Callable[[str], Rule],
) -> Ends:
    """The region `own` and the peers that `policy` names."""
    peers = [
        _peer_end(policy, runtime, opener, name, peer, rule_for)
        for name, peer in policy.replication.peers.items()
    ]
    return Ends(_own_end(policy, runtime, opener, own, rule_for), peers)


def _own_end(
    policy: Policy,
    runtime: Runtime,
    opener: Opener,
    own: Callable[[], Region],
    rule_for: Callable[[str], Rule],
) -> End:
    cold = _Cold(lambda: opener.objects(policy, policy.cold.url, runtime), runtime)
    return End(
        OWN,
        lambda: _peered(own(), OWN),
        policy.timeouts.regional_s,
        cold.read,
        policy.timeouts.cold_s,
        admits=_admission(rule_for, policy.regional.location),
        close=cold.close,
    )


def _peer_end(
    policy: Policy,
    runtime: Runtime,
    opener: Opener,
    name: str,
    peer: Peer,
    rule_for: Callable[[str], Rule],
) -> End:
    made: list[Region] = []
    cold_url = peer.cold
    cold = None
    if cold_url is not None:
        cold = _Cold(lambda: opener.objects(policy, cold_url, runtime), runtime)

    def get() -> PeeredRegion:
        if not made:
            made.append(opener.region(policy, peer.url, runtime))
        return _peered(made[0], name)

    def close() -> None:
        for region in made:
            region.close()
        if cold is not None:
            cold.close()

    return End(
        name,
        get,
        policy.timeouts.regional_s,
        None if cold is None else cold.read,
        policy.timeouts.cold_s,
        admits=_admission(rule_for, peer.location),
        close=close,
    )


class _Cold:
    """Reads payloads from a cold tier that is opened when the first is wanted."""

    def __init__(self, make: Callable[[], ObjectTier], runtime: Runtime) -> None:
        self._make = make
        self._runtime = runtime
        self._objects: ObjectTier | None = None
        self._reader: ColdReader | None = None

    def read(self, rows: dict[str, Row], timeout_s: float) -> ColdReply:
        """See `ColdReader.read`."""
        if self._reader is None:
            from tierstore.tiers.cold import ColdReader

            self._objects = self._make()
            self._reader = ColdReader(self._objects, runtime=self._runtime)
        return self._reader.read(rows, timeout_s)

    def close(self) -> None:
        """Release what was opened. Idempotent."""
        if self._objects is not None:
            self._objects.close()


def _peered(region: Region, name: str) -> PeeredRegion:
    if not hasattr(region, "join"):
        raise PolicyError(f"{name}: this kind of region does not exchange rows with others")
    return cast("PeeredRegion", region)


def _admission(rule_for: Callable[[str], Rule], location: str | None) -> Callable[[str], bool]:
    """Whether the residency of a key lets it stand in a region at `location`."""

    def is_admitted(key: str) -> bool:
        residency = rule_for(key).place.residency
        return not residency or location in residency

    return is_admitted
