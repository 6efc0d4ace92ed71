"""Links that stores run: what an edge process of a world of several regions needs for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.frozen import replace
from tierstore.linking.opening import OWN, Opener
from tierstore.policy.model import Peer
from tierstore.policy.url import Url
from tierstore.testing.simulation.links import lessened, pairs_of, reach_site, shorten
from tierstore.testing.simulation.network import Weather

if TYPE_CHECKING:
    from tierstore.linking.linking import Course, Linking
    from tierstore.policy.model import Policy
    from tierstore.runtime import Runtime
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.scheduler import Process
    from tierstore.testing.simulation.sites import Site


class Neighbours:
    """The regions from which an edge process of `home` takes over rows, in all its lives."""

    def __init__(self, cluster: Cluster, home: Site) -> None:
        self._cluster = cluster
        self._home = home
        numbers = [source for source, target in pairs_of(cluster.options)
                   if cluster.sites[target] is home]  # fmt: skip
        self._sites = {cluster.sites[number].name: cluster.sites[number] for number in numbers}
        rates = lessened(cluster.options.rates)
        self.weathers = {name: Weather(rates=rates) for name in self._sites}
        """How the way to each of them is."""

    def policy(self) -> Policy:
        """What an operator of this region writes down."""
        policy = self._cluster.policy
        peers = {name: Peer(_url(name), _url(name)) for name in self._sites}
        replication = replace(
            policy.replication, peers=peers, links="direct", repair_s=self._cluster.options.repair_s
        )
        return replace(policy, replication=replication)

    def opener(self, process: Process) -> Opener:
        """What makes the ways of one life."""

        def region(policy: Policy, url: Url, runtime: Runtime) -> Any:
            name = _named(url)
            tier = reach_site(
                self._cluster, process, runtime, self._sites[name], self.weathers[name]
            )
            shorten(tier, self._cluster.options.page_rows)
            return tier

        def objects(policy: Policy, url: Url, runtime: Runtime) -> Any:
            return self._sites.get(_named(url), self._home).objects

        return Opener(region, objects)


def courses_of(linking: Linking, home: Site) -> list[tuple[str, str, Course]]:
    """All links of a store, each with the names of its source and its target."""
    return [
        (
            course.link.source.name,
            home.name if course.link.target.name == OWN else course.link.target.name,
            course,
        )
        for course in linking.courses
    ]


def _url(name: str) -> Url:
    return Url(f"simulated:{name}")


def _named(url: Url) -> str:
    return str(url.reveal()).partition(":")[2]
