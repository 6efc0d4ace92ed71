"""The links into one region, as one background step.

Of all processes of a region one runs the link from each peer, by a lease in the region. A peer
that cannot be reached holds back nothing but its own link.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tierstore.errors import TierStoreError, UnavailableError
from tierstore.linking.link import Link
from tierstore.linking.repair import Repair
from tierstore.linking.standing import Standing, standings
from tierstore.runtime import jitter, mint_replica_id, now_ms
from tierstore.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from tierstore.linking.ends import End
    from tierstore.runtime import Runtime

LEASE_MS = 10_000
RENEW_S = 3.0
"""A lease is renewed as often."""
STANDBY_S = 1.0
"""Who waits for a lease looks no more often than that, and about when it would end."""
PAGES_MAX = 20
"""Of one link in one step, so that the others come to their turn."""
PAUSE_S_MAX = 30.0
AWAY_S_MAX = 5.0
"""Between attempts while a region does not answer; only they notice that it is back."""


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """How one link stands."""

    source: str
    target: str
    is_running: bool
    """Whether this process runs it."""
    is_whole: bool
    """Whether all that the source had when the link began was taken over."""
    lag_s: float | None
    """The target has the source's state of so many seconds ago; None: not known here yet."""
    lag_positions: int | None
    """How far the target is behind in the source's feed, when that was asked last."""
    joined: int
    changed: int
    aside: int
    corrupt: int
    differing: int
    """Ranges that anti-entropy found different."""
    rounds: int
    """How often it has compared all keys."""
    is_late: bool
    """Whether the source was away for longer than the horizon: see `Peer.is_late`."""
    error: str | None
    """Why the last step failed, if it did."""

    def told(self) -> dict[str, Any]:
        """All of it, as plain data."""
        return asdict(self)


class Course:
    """One link with its lease, its anti-entropy and its failures."""

    def __init__(self, link: Link, runtime: Runtime, linker: int, repair_s: float) -> None:
        self.link = link
        self.repair = Repair(link)
        self.error: TierStoreError | None = None
        self.is_running = False
        self._runtime = runtime
        self._linker = linker
        self._repair_s = repair_s
        self._region = ""
        self._claim_at_s = self._retry_at_s = 0.0
        self._repair_at_s = runtime.monotonic() + repair_s * jitter(runtime)
        self._failures = 0

    def step(self, *, patiently: bool = False) -> None:
        """Take over some pages and compare a range, if this process has the lease.

        What fails is tried again later and later. `patiently`: it is tried now, and with or
        without the lease, which only spares work. Keeps the error.
        """
        if self._runtime.monotonic() < self._retry_at_s and not patiently:
            return
        try:
            if not patiently and self._runtime.monotonic() >= self._claim_at_s:
                self._claim()
            if self.is_running or patiently:
                self._run()
        except TierStoreError as exc:
            self.error = exc
            self._failures += 1
            bound_s = AWAY_S_MAX if isinstance(exc, UnavailableError) else PAUSE_S_MAX
            longest_s = min(bound_s, 2.0 ** min(self._failures, 16))
            pause_s = longest_s * (0.5 + jitter(self._runtime) / 2)
            self._retry_at_s = self._runtime.monotonic() + pause_s
        else:
            self.error, self._failures, self._retry_at_s = None, 0, 0.0

    def release(self) -> None:
        """Save how far the link has got, and let another process run it; unless it fails anyway."""
        if self.error is not None:
            return
        self.link.finish()
        if self.is_running:
            self.is_running = False
            target = self.link.target
            target.region.claim(self._region, self._linker, 0, target.timeout_s)

    def figures(self) -> LinkFigures:
        """How the link stands, as far as this process knows."""
        link, repair, tally = self.link, self.repair, self.link.tally
        peer, now_s = link.peer, self._runtime.monotonic()
        return LinkFigures(
            source=link.source.name,
            target=link.target.name,
            is_running=self.is_running,
            is_whole=peer is not None and peer.resumes_at is None,
            lag_s=None if link.current_s is None else max(0.0, now_s - link.current_s),
            lag_positions=None if peer is None else max(0, link.position - link.cursor),
            joined=tally.joined,
            changed=tally.changed,
            aside=tally.aside,
            corrupt=tally.corrupt,
            differing=repair.differing,
            rounds=repair.rounds,
            is_late=peer is not None and peer.is_late,
            error=None if self.error is None else str(self.error),
        )

    def _run(self) -> None:
        for _ in range(PAGES_MAX):
            if not self.link.step():
                break
        if self._runtime.monotonic() >= self._repair_at_s and not self.repair.step():
            self._repair_at_s = self._runtime.monotonic() + self._repair_s

    def _claim(self) -> None:
        source, target = self.link.source, self.link.target
        if not self._region:
            self._region = source.region.connect(source.timeout_s).region
        was_running, self.is_running = self.is_running, False
        if not was_running and (left_s := self._left_s()) > 0:
            pause_s = max(STANDBY_S, left_s)
        else:
            region, timeout_s = self._region, target.timeout_s
            self.is_running = target.region.claim(region, self._linker, LEASE_MS, timeout_s)
            pause_s = RENEW_S if self.is_running else STANDBY_S
        if was_running and self.is_running:
            self.link.look_at_target()
        self._claim_at_s = self._runtime.monotonic() + pause_s * (0.5 + jitter(self._runtime) / 2)

    def _left_s(self) -> float:
        """For how many seconds another process has the lease, as it looks from here."""
        target = self.link.target
        for peer in target.region.peers(target.timeout_s):
            if peer.region == self._region and peer.linker != self._linker:
                left_ms = peer.linker_until_ms - now_ms(self._runtime)
                return min(left_ms, LEASE_MS) / MS_PER_S
        return 0.0


class Linking:
    """Links that one process runs, each when it has the lease."""

    def __init__(
        self,
        pairs: Sequence[tuple[End, End]],
        runtime: Runtime,
        *,
        max_drift_s: float,
        repair_s: float,
    ) -> None:
        """`pairs` are (source, target); anti-entropy begins a round every `repair_s`."""
        linker, drift_ms = mint_replica_id(runtime), round(max_drift_s * MS_PER_S)
        self.courses = [
            Course(Link(source, target, runtime, drift_ms), runtime, linker, repair_s)
            for source, target in pairs
        ]
        self._pairs = pairs
        self._ends = {id(end): end for pair in pairs for end in pair}
        self._stepping = runtime.lock()  # steps of the background and of `maintain` take turns

    def step(self, *, patiently: bool = False) -> None:
        """A step of each link. Raises the first error, after all had their turn."""
        with self._stepping:
            for course in self.courses:
                course.step(patiently=patiently)
        for course in self.courses:
            if course.error is not None:
                raise course.error

    def figures(self) -> list[LinkFigures]:
        """How each link stands, as far as this process knows."""
        return [course.figures() for course in self.courses]

    def standings(self) -> list[Standing]:
        """How the peers stand whose rows come here. Raises UnavailableError."""
        return standings(self._pairs[0][1], [source for source, _ in self._pairs])

    def is_current(self, since_s: float) -> bool:
        """Whether every target has what its source had at that moment of the monotonic clock."""
        moments = [course.link.current_s for course in self.courses]
        return all(moment is not None and moment >= since_s for moment in moments)

    def release(self) -> None:
        """Let other processes run the links, as far as the regions answer."""
        for course in self.courses:
            with suppress(TierStoreError):  # else the lease ends by itself
                course.release()

    def close(self) -> None:
        """Release the links, and what was opened for them."""
        self.release()
        for end in self._ends.values():
            end.close()
