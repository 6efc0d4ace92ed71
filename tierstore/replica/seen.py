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
`[1, region, incarnation, position, replica, number]`. Format 3 names several batches,
`[3, count, replica, number, …, home, life, position, …]`: at an edge that workers share, what waits
lies in several queues, each with a replica of its own.

What was seen of other regions, the region has once it has taken over all of their feeds up to
there: not when it has read so far, as keys that change again move on before it comes to them.
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

TOKEN_FORMAT, WIDE_FORMAT = 2, 3
TOKEN_CHARS_MAX = 255
TOKEN = Opaque(
    "token",
    "one of a session",
    {1: (str, int, int, int, int), TOKEN_FORMAT: None, WIDE_FORMAT: None},
    keys_at="security.session_key",
)
POSITION_MAX = (1 << 63) - 1
LIFE_MAX = (1 << 64) - 1
NAP_S = 0.02
NEVER = 1 << 64
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
        self.pending: dict[int, int] = {}
        """The last batch of each replica that may not be in its region yet, and is needed."""
        self.is_of_queues = False
        """Some of these are queues of an edge, of which the region may not have heard yet."""
        self.home = 0
        """The life of the region that these were written in; 0: not known."""
        self._since_s = float("-inf")
        """From when on a copy must have been compared with the region; +inf: not settled yet."""
        if token is not None:
            self._read(TOKEN.decode(token, keys))
            self._since_s = float("inf")

    def _read(self, fields: list[Any]) -> None:
        if fields[0] == 1:
            fields = _modern(*fields[1:])
        batches, home, *seen = _split(fields)
        self.is_of_queues = fields[0] == WIDE_FORMAT
        _check(batches, home, seen)
        self.pending = dict(zip(batches[::2], batches[1::2], strict=True))
        self.positions = dict(zip(seen[::2], seen[1::2], strict=True))
        self.home = seen[2 * home - 2] if home else 0

    def token(self) -> str:
        """What another replica needs to know."""
        lives = sorted(self.positions)
        home = lives.index(self.home) + 1 if self.home in self.positions else 0
        seen = [field for life in lives for field in (life, self.positions[life])]
        batches = [field for batch in sorted(self.pending.items()) for field in batch]
        if not self.pending or not self.is_of_queues:
            fields = [TOKEN_FORMAT, *(batches or (0, 0)), home, *seen]
        else:
            fields = [WIDE_FORMAT, len(self.pending), *batches, home, *seen]
        return TOKEN.encode(*fields, keys=self._keys)

    @property
    def is_too_long(self) -> bool:
        """Whether a token must name fewer batches."""
        return len(self.pending) > 1 and len(self.token()) > TOKEN_CHARS_MAX

    def forget(self) -> None:
        """Ask for nothing of what was seen until now."""
        self.positions, self.pending, self.home = {}, {}, 0
        self.is_of_queues = False
        self._since_s = float("-inf")

    def settle(self, replica: Replica, deadline: Deadline) -> None:
        """Return once the region has, or this replica shows, what the session wrote elsewhere.

        Raises StaleReplicaError if that is not so by `deadline`, or never will be.
        """
        state = replica.state
        self.relieve(replica)
        for by, number in list(self.pending.items()):
            if by == state.replica:
                self._settle_own(replica, number)
            elif not self._shows(replica, by, number, deadline):
                self._require_home(replica, deadline)
                self._await_batch(replica, by, number, deadline)
        if self._since_s == float("inf"):
            self._meet(replica, deadline)
            self._since_s = state.runtime.monotonic()

    def relieve(self, replica: Replica) -> None:
        """Forget a batch of this replica that the region has."""
        outbox = replica.state.outbox
        if self.pending.get(outbox.replica, NEVER) <= outbox.acknowledged:
            self._rise(replica)
            self.drop_batch(outbox.replica)

    def drop_batch(self, by: int) -> None:
        """The region has what is needed of a replica."""
        del self.pending[by]
        if not self.pending:
            self.home, self.is_of_queues = 0, False

    def require_batch(self, by: int, number: int, life: int) -> None:
        """A batch of a replica is needed from now on, which goes to this life of a region."""
        self.pending[by] = max(number, self.pending.get(by, 0))
        self.home = life

    def bound_s(self, replica: Replica) -> float | None:
        """How old a copy may be that the session is shown; None: as old as it likes."""
        if self._since_s == float("-inf"):
            return None
        return replica.state.runtime.monotonic() - self._since_s - MOMENT_S

    def note(self, replica: Replica, keys: list[str] | None, *, is_written: bool = False) -> None:
        """Remember what was shown, or written: `keys`, or anything if None."""
        state = replica.state
        with state.lock:
            waits = state.outbox.has_unflushed(keys)
        life = self._rise(replica)
        if waits:
            self.require_batch(state.replica, replica.flusher.number(), life)
        if state.shared is not None:
            from tierstore.replica.shared.seeing import note

            note(self, replica, keys, life, is_written=is_written)

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

    def _settle_own(self, replica: Replica, number: int) -> None:
        """What it wrote here shows here, unless it was in the memory of a process that died."""
        if number > replica.state.outbox.last_number:
            replica.flusher.number()
        if number > replica.state.outbox.last_number:
            raise lost("the process that it wrote to died before it had flushed")

    def _shows(self, replica: Replica, by: int, number: int, deadline: Deadline) -> bool:
        """Whether the edge that this worker shares shows a batch of another replica."""
        if replica.state.shared is None:
            return False
        from tierstore.replica.shared.seeing import shows

        return shows(replica, by, number, deadline)

    def _await_batch(self, replica: Replica, by: int, number: int, deadline: Deadline) -> None:
        state = replica.state
        region, runtime = state.link.region, state.runtime
        while True:
            reply = state.link.call(lambda left_s: region.read([], by, left_s), deadline.again())
            if reply.applied >= number:
                self.reach(replica, deadline)
                self.drop_batch(by)
                self._since_s = float("inf")
                return
            self._require_alive(replica, by, deadline)
            if deadline.has_passed():
                raise StaleReplicaError(
                    "what the session wrote at another replica is not in the region yet: try again"
                )
            runtime.sleep(NAP_S)

    def reach(self, replica: Replica, deadline: Deadline) -> None:
        """Note a position that what the region has does not exceed, for those of other regions."""
        link, left_s = replica.state.link, deadline.again().remaining_s()
        standing = link.observed(lambda: link.region.register(link.replica, left_s, False))
        link.note_shown(standing.reached)
        self._rise(replica)

    def _require_alive(self, replica: Replica, by: int, deadline: Deadline) -> None:
        region = replica.state.link.region
        left_s = deadline.again().remaining_s()
        states = replica.state.link.observed(lambda: region.replicas(left_s))
        known = next((state for state in states if state.replica == by), None)
        if known is None and self.is_of_queues:
            return  # no worker of its edge may have told the region of it yet
        if known is None or known.retired:
            raise lost("the replica that it wrote to was retired, or was never heard of")

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
            raise lost(f"it has seen another life of region {info.region}, which was restored")
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
        raise lost(f"it has seen another life of region {known.region}, which was restored")
    return known.watermark < position


def life_of_peer(peer: Peer) -> int:
    """The life of a region that another one has heard of last."""
    return life_of(RegionInfo(peer.region, peer.incarnation))


def lost(why: str) -> StaleReplicaError:
    """The error for what will never be shown here."""
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


def _split(fields: Sequence[Any]) -> list[Any]:
    """The batches, home and what was seen, of the fields of a token."""
    if len(fields) < 4 or any(type(field) is not int for field in fields):
        raise TOKEN.refusal()
    format_, *rest = fields
    if format_ == TOKEN_FORMAT:
        batches, rest = (rest[:2] if any(rest[:2]) else []), rest[2:]
    else:
        count, *rest = rest
        if not 0 < count <= len(rest) // 2:
            raise TOKEN.refusal()
        batches, rest = rest[: 2 * count], rest[2 * count :]
    if len(rest) % 2 == 0:
        raise TOKEN.refusal()
    return [batches, *rest]


def _check(batches: Sequence[int], home: int, seen: Sequence[int]) -> None:
    """Raise InvalidArgumentError unless a token may say this."""
    lives, positions = seen[::2], seen[1::2]
    if len(set(batches[::2])) < len(batches) // 2:
        raise TOKEN.refusal()
    bounds = [(home, len(lives))]
    bounds += [(replica, REPLICA_MAX) for replica in batches[::2]]
    bounds += [(number, POSITION_MAX) for number in batches[1::2]]
    bounds += [(life, LIFE_MAX) for life in lives]
    bounds += [(position, POSITION_MAX) for position in positions]
    if any(not 0 <= field <= most for field, most in bounds) or len(set(lives)) < len(lives):
        raise TOKEN.refusal()
