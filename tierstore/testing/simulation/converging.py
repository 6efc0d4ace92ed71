"""How regions come to rest, whether they are equal then, and what anti-entropy alone mends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter
from tierstore.errors import UnavailableError
from tierstore.record import COUNTER
from tierstore.runtime.chance import Chance
from tierstore.testing import checkers
from tierstore.testing.simulation.links import open_links, pairs_of
from tierstore.testing.simulation.network import Weather
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S, Process

if TYPE_CHECKING:
    from tierstore.linking.linking import Course, Linking
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.sites import Site

TIMEOUT_S = 10.0
ROWS_MAX = 100_000
QUIET_S = 10
"""If nothing moves for so long, and every link has looked meanwhile, nothing will."""
REST_S_MAX = 300
"""Longer than the longest pause of a link, after the lease of one that has ended."""
MEND_S_MAX = 600
TRIES_MAX = 10
"""How often a comparison is begun anew because a link was faster."""
LEVEL_MAX = 6
"""How often all is compared for versions to become equal: movers come in between."""
DIVERGED_SHARE = 0.5
"""How often a region is spoilt at the end."""

Past = dict[str, dict[str, Any]]


def rest(cluster: Cluster) -> list[str]:
    """Let time pass until links have nothing to do any more; what is wrong if they always have."""
    scheduler = cluster.scheduler
    if len(cluster.sites) == 1:
        return []
    quiet_ns = QUIET_S * NS_PER_S + 2 * cluster.options.pull_ms * NS_PER_MS
    for _ in range(REST_S_MAX // QUIET_S):
        began_s, before = scheduler.now_ns / NS_PER_S, _positions(cluster)
        scheduler.run(scheduler.now_ns + quiet_ns)
        if before == _positions(cluster) and _is_current(cluster, began_s):
            return []
    errors = {
        f"{source} to {target}: {course.error}"
        for source, target, course in cluster.courses
        if course.error
    }
    return [f"links never come to rest: {'; '.join(sorted(errors)) or 'rows go round'}"]


def level(cluster: Cluster) -> list[str]:
    """Let regions that are equal but for versions of keys that were cold compare their rows.

    What was told while a key is cold, nobody can compare until a mover has brought that home.
    """
    for _ in range(LEVEL_MAX if _has_movers(cluster) else 0):
        states = {site.name: _sound_records(cluster, site) for site in cluster.sites}
        first, *others = (_contents(cluster, records) for records in states.values())
        if checkers.converged(states).is_valid or any(contents != first for contents in others):
            return []
        if not _repair(cluster):
            return [f"anti-entropy did not get through in {MEND_S_MAX} s"]
        cluster.reached["versions of cold keys made equal"] += 1
        if left := rest(cluster):
            return left
    return []


def check(cluster: Cluster) -> list[str]:
    """Whether all regions have equal rows."""
    if len(cluster.sites) == 1:
        return []
    states = {site.name: _sound_records(cluster, site) for site in cluster.sites}
    _note_united(cluster)
    if not _has_movers(cluster):
        states = {name: _contents(cluster, records) for name, records in states.items()}
    verdict = checkers.converged(states)
    if not verdict.is_valid:
        return [f"regions differ after everything settled: {verdict}"]
    may_differ = cluster.damaged or cluster.options.horizon_s or not _has_movers(cluster)
    return [] if may_differ else _differing_digests(cluster)


def _has_movers(cluster: Cluster) -> bool:
    """Whether in each region somebody is left who brings keys home."""
    left = {node.machine.site.name for node in cluster.nodes if not node.is_lost}
    return len(left) == len(cluster.sites)


def _contents(cluster: Cluster, records: dict[str, Any]) -> dict[str, Any]:
    """`records` without the versions of sets and documents that may be cold."""
    may_differ = {
        key
        for family in cluster.families
        if family.is_tiered and family.is_typed
        for key in family.keys
    }
    return {
        key: ((*fields[:2], *fields[4:]), payload) if key in may_differ else (fields, payload)
        for key, (fields, payload) in records.items()
    }


def _differing_digests(cluster: Cluster) -> list[str]:
    """What regions tell each other when they compare: a few bytes of all rows."""
    told = {site.name: site.region.fingerprint("", None, ROWS_MAX, TIMEOUT_S)
            for site in cluster.sites}  # fmt: skip
    digests = {name: f"{each.digest:016x} of {each.count} rows" for name, each in told.items()}
    verdict = checkers.converged(digests)
    return [] if verdict.is_valid else [f"equal rows have unequal digests: {verdict}"]


def remember(cluster: Cluster) -> Past:
    """The rows as they are now."""
    return {site.name: site.take_rows() for site in cluster.sites} if len(cluster.sites) > 1 else {}


def mend(cluster: Cluster, past: Past) -> list[str]:
    """Spoil a region behind the feed's back, and let anti-entropy alone mend it; in some worlds.

    Rows are lost, or are what they were in the `past`; what the region is known to have is not.
    """
    chance = Chance(cluster.seed, "divergence")
    site = chance.choice(cluster.sites)
    # A region does not take what a peer tells that was away beyond the horizon, not even this.
    if len(cluster.sites) == 1 or cluster.options.horizon_s:
        return []
    if chance.random() >= DIVERGED_SHARE:
        return []
    for process in cluster.nodes if cluster.options.is_direct else cluster.links:
        process.crash()
    kept = {each.name: _sound_records(cluster, each) for each in cluster.sites}
    _spoil(site, past[site.name], chance)
    if _sound_records(cluster, site) == kept[site.name]:
        return []
    cluster.teller.note("nemesis", "region spoilt", site.name)
    if not _repair(cluster):
        return [f"anti-entropy did not get through in {MEND_S_MAX} s"]
    states = {each.name: _sound_records(cluster, each) for each in cluster.sites}
    # A state that waits on a cold row gives it a version of its own, though both come to the same.
    contents = {name: _contents(cluster, records) for name, records in states.items()}
    verdict = checkers.converged(contents, _contents(cluster, kept[site.name]))
    if not verdict.is_valid:
        return [f"regions differ after anti-entropy: {verdict}"]
    cluster.reached["region mended by anti-entropy"] += 1
    return []


def _spoil(site: Site, past: dict[str, Any], chance: Chance) -> None:
    rows = site.take_rows()
    if chance.random() < 0.3:
        site.change_rows(list(rows), {})
        return
    lost: list[str] = []
    changed: dict[str, Any] = {}
    for key in sorted(rows):
        how = chance.choice(("keep", "lose", "put back"))
        if how == "lose":
            lost.append(key)
        elif how == "put back" and key in past and _may_lie(site, key, past[key], rows[key]):
            changed[key] = past[key]
    site.change_rows(lost, changed)


def _may_lie(site: Site, key: str, row: Any, now: Any) -> bool:
    """Whether a row of the past may be put back: its object, if any, is that of the row `now`.

    A region counts how many rows lie in an object, and nobody tells it of what is put back.
    """
    name = site.lies_in(key, row)
    return name is None or name == site.lies_in(key, now)


def _repair(cluster: Cluster) -> bool:
    """Compare all regions, as often as it takes to get from one end to the other; whether done."""
    process = Process("repair")
    weathers = {site.name: Weather() for site in cluster.sites}
    linking = open_links(cluster, process, weathers)

    def run() -> None:
        for _ in cluster.sites:
            _compare(linking)

    scheduler = cluster.scheduler
    task = scheduler.spawn(process, "repair", run)
    until_ns = scheduler.now_ns + MEND_S_MAX * NS_PER_S
    try:
        return scheduler.run(until_ns, lambda: task.is_over)
    finally:
        for site in cluster.sites:
            site.close_of(process)


def _compare(linking: Linking) -> None:
    for course in linking.courses:
        for _ in range(TRIES_MAX):
            if _has_compared(course):
                break


def _has_compared(course: Course) -> bool:
    """Compare all rows; False: a link was faster, and it has to begin anew."""
    try:
        while course.link.begun().resumes_at is not None:
            course.link.step()  # it reads all rows anyway, as it was retired, say
        while course.repair.step():
            pass
    except UnavailableError:
        return False
    return True


def _positions(cluster: Cluster) -> list[int]:
    return [site.region.read([], 0, TIMEOUT_S).position for site in cluster.sites]


def _is_current(cluster: Cluster, since_s: float) -> bool:
    """Whether for each pair of regions some process has seen that it has all, since a moment."""
    current = {
        (source, target)
        for source, target, course in cluster.courses
        if course.link.current_s is not None and course.link.current_s >= since_s
    }
    return len(current) == len(pairs_of(cluster.options))


def _sound_records(cluster: Cluster, site: Site) -> dict[str, Any]:
    """What regions must have in common: all but what the rot of objects may have damaged."""
    damaged, is_forgetful = cluster.damaged, bool(cluster.options.horizon_s)
    records = site.records()
    if is_forgetful:  # what is dead is forgotten here sooner, there later
        dead = set(records) - site.live_keys()
        damaged = damaged | dead
    return {key: record for key, record in records.items() if key not in damaged}


def _note_united(cluster: Cluster) -> None:
    """Count what only the rows tell of joins."""
    first = cluster.sites[0]
    actors = {site.region.connect(TIMEOUT_S).actor for site in cluster.sites}
    for row in first.region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S).rows:
        record = row.record
        if record.type == COUNTER and record.payload is not None:
            counted = counter.decode(record.payload).keys() & actors
            cluster.reached["counter counted in several regions"] += len(counted) > 1
        cluster.reached["join made a third state"] += record.replica in actors
