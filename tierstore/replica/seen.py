"""What a session has seen, as far as this replica is concerned: its token, and what it asks for.

All replicas of a region read the same rows. So what a session saw there is in each answer that the
region gives later: a copy suffices if it was compared with the region after the token came here.
What the session wrote, and may not be there yet, is a batch of one replica; whoever it comes to
waits until the region has that.

A token is `[2, replica, number, home, life, position, life, position, …]`: the last batch of a
replica that the session needs, or 0 and 0; in which of the regions that follow it was written,
counted from 1, or 0 if that is not known; and up to which position of each region's feed it may
have seen. A *life* names a region and its incarnation in 64 bits, so that a signed token of 8
regions stays below 256 characters. Format 1 was
`[1, region, incarnation, position, replica, number]`.

What was seen of other regions, the region has once it has taken over their feeds up to there.
"""

from __future__ import annotations

from hashlib import blake2b

from tierstore.errors import StaleReplicaError
from tierstore.record import REPLICA_MAX
from tierstore.region.rows import RegionInfo
from tierstore.values.opaque import Opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from tierstore.region.peers import Peer
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.engine import Replica
    from tierstore.values.opaque import Keyring

TOKEN_FORMAT = 2
TOKEN = Opaque(
    "token",
    "one of a session",
    {1: (str, int, int, int, int), TOKEN_FORMAT: None},
    keys_at="security.session_key",
)
POSITION_MAX = (1 << 63) - 1
LIFE_MAX = (1 << 64) - 1
NAP_S = 0.02
MOMENT_S = 1e-6
"""What was compared at the very moment may have been compared before."""


class Seen:
    """The context of one session at one replica. One client at a time uses it."""

    def __init__(self, token: str | None, keys: Keyring | None = None) -> None:
        """Raises InvalidArgumentError if `token` is none, or signed by none of `keys`."""
        self._keys = keys
        self._here: tuple[RegionInfo, int] | None = None
        self.positions: dict[int, int] = {}
        """Up to where the feeds of regions may have been seen, by their lives."""
        self.replica = self.number = 0
        self.home = 0
        """The life of the region that the batch was written in; 0: not known."""
        self._since_s = float("-inf")
        """From when on a copy must have been compared with the region; +inf: not settled yet."""
        if token is not None:
            self._read(TOKEN.decode(token, keys))
            self._since_s = float("inf")

    def _read(self, fields: list[Any]) -> None:
        if fields[0] == 1:
            fields = _modern(*fields[1:])
        _check(fields[1:])
        _, self.replica, self.number, home, *seen = fields
        self.positions = dict(zip(seen[::2], seen[1::2], strict=True))
        self.home = seen[2 * home - 2] if home else 0

    def token(self) -> str:
        """What another replica needs to know."""
        lives = sorted(self.positions)
        home = lives.index(self.home) + 1 if self.home in self.positions else 0
        seen = [field for life in lives for field in (life, self.positions[life])]
        return TOKEN.encode(TOKEN_FORMAT, self.replica, self.number, home, *seen, keys=self._keys)

    def forget(self) -> None:
        """Ask for nothing of what was seen until now."""
        self.positions = {}
        self.replica = self.number = self.home = 0
        self._since_s = float("-inf")

    def settle(self, replica: Replica, deadline: Deadline) -> None:
        """Return once the region has, or this replica shows, what the session wrote elsewhere.

        Raises StaleReplicaError if that is not so by `deadline`, or never will be.
        """
        state = replica.state
        self.relieve(replica)
        if self.number and self.replica == state.replica:
            self._settle_own(replica)
        elif self.number:
            self._require_home(replica, deadline)
            self._await_batch(replica, deadline)
        if self._since_s == float("inf"):
            self._meet(replica, deadline)
            self._since_s = state.runtime.monotonic()

    def relieve(self, replica: Replica) -> None:
        """Forget a batch of this replica that the region has."""
        outbox = replica.state.outbox
        if self.replica == outbox.replica and self.number <= outbox.acknowledged:
            self._rise(replica)
            self._drop_batch()

    def _drop_batch(self) -> None:
        self.replica = self.number = self.home = 0

    def bound_s(self, replica: Replica) -> float | None:
        """How old a copy may be that the session is shown; None: as old as it likes."""
        if self._since_s == float("-inf"):
            return None
        return replica.state.runtime.monotonic() - self._since_s - MOMENT_S

    def note(self, replica: Replica, keys: list[str] | None) -> None:
        """Remember what was shown or written: `keys`, or anything if None."""
        state = replica.state
        with state.lock:
            waits = state.outbox.has_unflushed(keys)
        life = self._rise(replica)
        if waits:
            self.replica, self.number = state.replica, replica.flusher.number()
            self.home = life

    def _rise(self, replica: Replica) -> int:
        """Note how far in its feed that is which the region has shown; its life, 0 if unknown."""
        link = replica.state.link
        if link.registration is None:
            return 0
        life = self._life(link.registration.info)
        self.positions[life] = max(self.positions.get(life, 0), link.shown)
        return life

    def _life(self, info: RegionInfo) -> int:
        """`life_of`, which every verb asks for."""
        if self._here is None or self._here[0] is not info:
            self._here = (info, life_of(info))
        return self._here[1]

    def _settle_own(self, replica: Replica) -> None:
        """What it wrote here shows here, unless it was in the memory of a process that died."""
        if self.number > replica.state.outbox.last_number:
            replica.flusher.number()
        if self.number > replica.state.outbox.last_number:
            raise _lost("the process that it wrote to died before it had flushed")

    def _await_batch(self, replica: Replica, deadline: Deadline) -> None:
        state = replica.state
        region, runtime = state.link.region, state.runtime
        while True:
            reply = state.link.call(
                lambda left_s: region.read([], self.replica, left_s), deadline.again()
            )
            if reply.applied >= self.number:
                self._reach(replica, deadline)
                self._rise(replica)
                self._drop_batch()
                self._since_s = float("inf")
                return
            self._require_alive(replica, deadline)
            if deadline.has_passed():
                raise StaleReplicaError(
                    "what the session wrote at another replica is not in the region yet: try again"
                )
            runtime.sleep(NAP_S)

    def _reach(self, replica: Replica, deadline: Deadline) -> None:
        """Note a position that the batch does not exceed, for replicas of other regions."""
        link, left_s = replica.state.link, deadline.again().remaining_s()
        standing = link.observed(lambda: link.region.register(link.replica, left_s, False))
        link.note_shown(standing.reached)

    def _require_alive(self, replica: Replica, deadline: Deadline) -> None:
        region = replica.state.link.region
        left_s = deadline.again().remaining_s()
        states = replica.state.link.observed(lambda: region.replicas(left_s))
        known = next((state for state in states if state.replica == self.replica), None)
        if known is None or known.retired:
            raise _lost("the replica that it wrote to was retired, or was never heard of")

    def _require_home(self, replica: Replica, deadline: Deadline) -> None:
        """Of a batch that goes to another region, nothing can be known here."""
        here = self._life(replica.state.link.register(deadline.again()).info)
        if self.home >> 32 not in (0, here >> 32):
            raise StaleReplicaError(
                "what the session wrote in another region may not be there yet: let it read there"
                " once more before it goes on here, or session.forget() goes on without"
            )

    def _meet(self, replica: Replica, deadline: Deadline) -> None:
        info = replica.state.link.register(deadline.again()).info
        here = self._life(info)
        if any(life != here and life >> 32 == here >> 32 for life in self.positions):
            raise _lost(f"it has seen another life of region {info.region}, which was restored")
        elsewhere = {life: at for life, at in self.positions.items() if life != here}
        if elsewhere:
            self._await_regions(replica, elsewhere, deadline)

    def _await_regions(
        self, replica: Replica, elsewhere: dict[int, int], deadline: Deadline
    ) -> None:
        """Return once this region has taken over what the session may have seen in others."""
        link, runtime = replica.state.link, replica.state.runtime
        ask: Callable[[float], list[Peer]] = getattr(link.region, "peers", lambda _: [])
        while True:
            left_s = deadline.again().remaining_s()
            peers = link.observed(lambda: ask(left_s))  # noqa: B023
            if not any(_is_behind(peers, life, at) for life, at in elsewhere.items()):
                return
            if deadline.has_passed():
                raise StaleReplicaError(
                    "what the session has seen in another region is not in this one yet: try again"
                )
            runtime.sometimes("session waited for another region")
            runtime.sleep(NAP_S)


def _is_behind(peers: Sequence[Peer], life: int, position: int) -> bool:
    """Whether the feed of a region was not taken over up to this position.

    Raises StaleReplicaError if it never will be.
    """
    known = next((peer for peer in peers if life_of_peer(peer) >> 32 == life >> 32), None)
    if known is None or known.progress is None:
        raise StaleReplicaError(
            "the session has been in a region from which this one takes nothing over:"
            " name it in replication.peers, or session.forget() goes on without what it has seen"
        )
    if life_of_peer(known) != life:
        raise _lost(f"it has seen another life of region {known.region}, which was restored")
    return known.resumes_at is not None or known.cursor < position


def life_of_peer(peer: Peer) -> int:
    """The life of a region that another one has heard of last."""
    return life_of(RegionInfo(peer.region, peer.incarnation))


def _lost(why: str) -> StaleReplicaError:
    return StaleReplicaError(
        f"what the session has seen cannot be shown here: {why}; session.forget() goes on without",
        lost=True,
    )


def life_of(info: RegionInfo) -> int:
    """A region and its incarnation, in 32 bits each."""
    region = info.region.encode()
    return _digest(region) << 32 | _digest(b"%s/%d" % (region, info.incarnation))


def _digest(raw: bytes) -> int:
    return int.from_bytes(blake2b(raw, digest_size=4).digest(), "big")


def _modern(region: str, incarnation: int, position: int, replica: int, number: int) -> list[Any]:
    """The fields of a token of format 1, as they are now."""
    if not region:
        return [TOKEN_FORMAT, replica, number, 0]
    life = life_of(RegionInfo(region, incarnation))
    return [TOKEN_FORMAT, replica, number, 1, life, position]


def _check(fields: Sequence[Any]) -> None:
    """Raise InvalidArgumentError unless these may follow the number of the format."""
    if len(fields) < 3 or len(fields) % 2 == 0 or any(type(field) is not int for field in fields):
        raise TOKEN.refusal()
    replica, number, home, *seen = fields
    lives, positions = seen[::2], seen[1::2]
    bounds = [(replica, REPLICA_MAX), (number, POSITION_MAX), (home, len(lives))]
    bounds += [(life, LIFE_MAX) for life in lives]
    bounds += [(position, POSITION_MAX) for position in positions]
    if any(not 0 <= field <= most for field, most in bounds) or len(set(lives)) < len(lives):
        raise TOKEN.refusal()
