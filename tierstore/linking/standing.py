"""How a region stands with its peers, for its operator: asked of the regions, not of a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import TierStoreError
from tierstore.frozen import frozen
from tierstore.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.linking.ends import End
    from tierstore.region.peers import Peer


@frozen
class Standing:
    """One peer of a region, and how far each has got with the other's rows."""

    peer: str | None
    """As the policy names it; None: it does not."""
    region: str | None
    """Its id; None: it has never been reached."""
    cursor: int | None
    """The position of its feed up to which its rows are here."""
    lag_positions: int | None
    """How far that is behind its feed; None: it does not answer, or is read whole just now."""
    lag_there_positions: int | None
    """How far it is behind this region's feed; None: it has not begun to take rows from here."""
    is_whole: bool
    is_late: bool
    """It was away for longer than the horizon: what is old and unknown here is kept aside."""
    joined_at: float | None
    """When rows of it were taken over last, in seconds since the epoch."""
    error: str | None
    """Why it could not be asked."""

    @property
    def trouble(self) -> str | None:
        """What an operator should know of; None: all is well."""
        if self.is_late:
            return (
                "it was away for longer than the horizon: what it tells that is old and unknown"
                " here is kept aside until `tierstore peers --trust` says otherwise"
            )
        return self.error

    @property
    def told(self) -> str:
        """How it stands, in words."""
        if not self.is_whole:
            return f"region {self.region} answers; not all of its rows were taken over yet"
        return f"region {self.region} answers; {self.lag_positions} positions behind it"


def standings(own: End, peers: Sequence[End]) -> list[Standing]:
    """All peers that the policy names or the region knows.

    Raises UnavailableError if `own` does not answer; a peer that does not has an `error`.
    """
    known = {peer.region: peer for peer in own.region.peers(own.timeout_s)}
    read_there = {state.replica: state for state in own.region.replicas(own.timeout_s)}
    position = own.region.read([], 0, own.timeout_s).position

    def behind(peer: Peer) -> int | None:
        state = read_there.get(peer.reader)
        return None if state is None else max(0, position - state.acknowledged)

    found = [_asked(end, known, behind) for end in peers]
    named = {standing.region for standing in found}
    rest = [peer for peer in known.values() if peer.region not in named]
    return found + [_standing(None, peer, None, behind(peer)) for peer in rest]


def _asked(end: End, known: dict[str, Peer], behind: Callable[[Peer], int | None]) -> Standing:
    try:
        info = end.region.connect(end.timeout_s)
        position = end.region.read([], 0, end.timeout_s).position
    except TierStoreError as exc:
        return Standing(end.name, None, None, None, None, False, False, None, str(exc))
    peer = known.get(info.region)
    if peer is None:
        return Standing(end.name, info.region, None, None, None, False, False, None, None)
    return _standing(end.name, peer, position, behind(peer))


def _standing(
    name: str | None, peer: Peer, position: int | None, lag_there: int | None
) -> Standing:
    is_whole = peer.progress is not None and peer.resumes_at is None
    return Standing(
        peer=name,
        region=peer.region,
        cursor=peer.cursor if peer.progress is not None else None,
        lag_positions=max(0, position - peer.cursor) if position is not None and is_whole else None,
        lag_there_positions=lag_there,
        is_whole=is_whole,
        is_late=peer.is_late,
        joined_at=peer.joined_ms / MS_PER_S if peer.joined_ms else None,
        error=None,
    )
