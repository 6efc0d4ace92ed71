"""What of a policy is checked, and what came of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from itertools import count
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tierstore.policy.match import Matcher
from tierstore.policy.model import is_tiered
from tierstore.policy.url import Url
from tierstore.testing.simulation.families import families_of, hastened, is_simulated
from tierstore.testing.verification.hastening import changes
from tierstore.tiers.registry import SHARED_EDGES, load_objects, load_region

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal

    from tierstore.policy.model import Policy, Rule, TierName
    from tierstore.testing.conformance.checking import Conformance
    from tierstore.testing.simulation.campaign import Campaign, Outcome
    from tierstore.testing.verification.hastening import Change

    Progress = Callable[[str, int, int], None]
    Word = Literal["ok", "refuted", "incomplete"]

KEYS = 5
"""So many keys of a rule a simulation uses at most."""
SIMULATION = "simulation"
MEMORY_BACKED = "/dev/shm"  # noqa: S108  # only a place, names in it are minted
ROOM_BYTES = 2**30
FAILURES_MAX = 3
"""After so many seeds that violate something, more of them tell nothing new."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is checked."""

    seeds: int | None = 100
    """None: as many as there is time for. 0: no simulation."""
    minutes: float | None = None
    """Of simulation. None: as long as it takes."""
    first_seed: int = 0
    has_conformance: bool = True
    behaviour: str | None = None
    """Only behaviours whose name contains this."""


@dataclass(frozen=True, slots=True)
class TierCheck:
    """A tier of the policy, and what its suite found; None if it was left out, for a reason."""

    tier: TierName
    scheme: str
    has_journal: bool
    """Of an edge that is a process's own."""
    found: Conformance | None = None
    left_out: str = ""
    client: str | None = None
    """Of a cold tier, if the policy names one."""

    @property
    def status(self) -> Literal["ok", "refuted", "not checked", "left out"]:
        """What is to be said of it."""
        if self.found is None:
            return "left out"
        if self.found.broken:
            return "refuted"
        return "ok" if self.found.unchecked is None else "not checked"


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """A rule, and the keys under it that are used; none for a `reason`."""

    rule: str
    keys: tuple[str, ...]
    reason: str = ""


@dataclass(slots=True)
class Verification:
    """What was found."""

    extent: Extent
    tiers: list[TierCheck] = field(default_factory=list)
    rules: tuple[RuleCheck, ...] = ()
    changes: tuple[Change, ...] = ()
    """What is different in the simulation."""
    simulated: Campaign | None = None
    """None if that was left out, or no rule could be simulated."""

    @property
    def verdict(self) -> Word:
        """Whether what was to be checked was checked, and holds."""
        states = {tier.status for tier in self.tiers}
        if "refuted" in states or (self.simulated is not None and self.simulated.failures):
            return "refuted"
        is_missing = self.simulated is None and (self.extent.seeds != 0 or "ok" not in states)
        return "incomplete" if is_missing or "not checked" in states else "ok"


def verify(
    policy: Policy,
    extent: Extent,
    progress: Progress = lambda stage, done, total: None,
) -> Verification:
    """Check `policy` on scratch tiers and in simulation; data of its own tiers are not touched.

    Raises PolicyError if a url that only the environment knows cannot be used, UnavailableError
    if the driver of an adapter is missing.
    """
    tiers = _tiers_of(policy, extent)
    played = hastened(policy)
    found = Verification(extent)
    found.rules, found.changes = tuple(_rules_of(played)), changes(policy, played)
    with TemporaryDirectory(prefix="tierstore-", dir=_roomy_memory()) as folder:
        for tier in tiers:
            url = getattr(policy, tier.tier).url.reveal()
            found.tiers.append(_check(tier, url, folder, extent, progress))
    if extent.seeds != 0 and any(rule.keys for rule in found.rules):
        found.simulated = _simulate(played, extent, progress)
    return found


def _simulate(policy: Policy, extent: Extent, progress: Progress) -> Campaign:
    from tierstore.testing.simulation.campaign import World, run_campaign

    done, total = count(1), extent.seeds or 0

    def show(outcome: Outcome) -> None:
        progress(SIMULATION, next(done), total)

    progress(SIMULATION, 0, total)
    return run_campaign(
        World(policy=policy),
        seeds=extent.seeds,
        minutes=extent.minutes,
        first_seed=extent.first_seed,
        failures_max=FAILURES_MAX,
        on_outcome=show,
    )


def _roomy_memory() -> str | None:
    """A place in memory for scratch tiers, which sync much; None if there is none or it is small.

    What a suite has to know of a disk, such as that it is full, it makes itself.
    """
    try:
        free_bytes = shutil.disk_usage(MEMORY_BACKED).free
    except OSError:
        return None
    return MEMORY_BACKED if free_bytes >= ROOM_BYTES else None


def _tiers_of(policy: Policy, extent: Extent) -> list[TierCheck]:
    reason = "" if extent.has_conformance else "--no-conformance"
    edge, regional = _scheme(policy.edge.url), _scheme(policy.regional.url)
    has_journal = policy.edge.journal is not None and edge not in SHARED_EDGES
    load_region(regional)
    tiers = [
        TierCheck("edge", edge, has_journal, left_out=reason),
        TierCheck("regional", regional, has_journal=False, left_out=reason),
    ]
    if not is_tiered(policy):
        unused = "no rule lets keys go cold"
        return [*tiers, TierCheck("cold", policy.cold.url.scheme, False, left_out=unused)]
    cold = _scheme(policy.cold.url)
    client = policy.cold.client
    load_objects(cold, client)
    return [*tiers, TierCheck("cold", cold, False, left_out=reason, client=client)]


def _scheme(url: Url) -> str:
    """The scheme, perhaps only known to the environment."""
    return Url(url.reveal()).scheme


def _check(tier: TierCheck, url: str, folder: str, extent: Extent, progress: Progress) -> TierCheck:
    if tier.left_out:
        return tier
    from tierstore.testing.conformance.checking import Subject, check

    subject = Subject(tier.tier, tier.scheme, tier.has_journal, url, tier.client)
    found = check(subject, folder, behaviour=extent.behaviour, progress=progress)
    if not found.behaviours and found.unchecked is None:
        unnamed = f'no behaviour of it has "{extent.behaviour}" in its name'
        return replace(tier, left_out=unnamed)
    return replace(tier, found=found)


def _rules_of(policy: Policy) -> Iterator[RuleCheck]:
    """Each rule; the implicit one only where keys of it are used, for nobody wrote it."""
    matcher = Matcher(policy.rules)
    families = [family.keys for family in families_of(policy, KEYS)]
    keys_of = {matcher.rule_for(keys[0]).index: keys for keys in families}
    for rule in policy.rules:
        keys = keys_of.get(rule.index, ())
        if keys or rule is not policy.rules[-1]:
            yield RuleCheck(rule.name, keys, "" if keys else _why_not(rule))


def _why_not(rule: Rule) -> str:
    if is_simulated(rule):
        return "earlier rules take the keys that a simulation would use"
    if rule.consistency == "strong":
        return "the simulator knows no strong keys"
    if rule.type == "document":
        return "the simulator knows no document that expires"
    return f"the simulator knows no {rule.type}"
