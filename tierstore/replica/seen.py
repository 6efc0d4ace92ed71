"""What a session has seen, as far as this replica is concerned: its token, and what it asks for.

All replicas of a region read the same rows. So what a session saw there is in each answer that the
region gives later: a copy suffices if it was compared with the region after the token came here.
What the session wrote, and may not be there yet, is a batch of one replica; whoever it comes to
waits until the region has that.

A token is `[format, region, incarnation, position, replica, number]`: up to which position of which
region's feed the session may have seen, and the last batch of a replica that it needs, or 0 and 0.
"""

from __future__ import annotations

from tierstore.errors import StaleReplicaError
from tierstore.record import REPLICA_MAX
from tierstore.values.opaque import Opaque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.replica.deadline import Deadline
    from tierstore.replica.engine import Replica

TOKEN_FORMAT = 1
NAP_S = 0.02
MOMENT_S = 1e-6
"""What was compared at the very moment may have been compared before."""
TOKEN = Opaque("token", "one of a session", {TOKEN_FORMAT: (str, int, int, int, int)})


class Seen:
    """The context of one session at one replica. One client at a time uses it."""

    def __init__(self, token: str | None) -> None:
        """Raises InvalidArgumentError if `token` is none."""
        fields: list[Any] = [TOKEN_FORMAT, "", 0, 0, 0, 0] if token is None else _decode(token)
        self.region: str = fields[1]
        self.incarnation: int = fields[2]
        self.position: int = fields[3]
        self.replica: int = fields[4]
        self.number: int = fields[5]
        self._since_s = float("-inf") if token is None else float("inf")
        """From when on a copy must have been compared with the region; +inf: not settled yet."""

    def token(self) -> str:
        """What another replica needs to know."""
        seen = (self.region, self.incarnation, self.position)
        return TOKEN.encode(TOKEN_FORMAT, *seen, self.replica, self.number)

    def forget(self) -> None:
        """Ask for nothing of what was seen until now."""
        self.region, self.incarnation, self.position = "", 0, 0
        self.replica, self.number = 0, 0
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
            self._await_batch(replica, deadline)
        if self._since_s == float("inf"):
            self._meet(replica, deadline)
            self._since_s = state.runtime.monotonic()

    def relieve(self, replica: Replica) -> None:
        """Forget a batch of this replica that the region has."""
        outbox = replica.state.outbox
        if self.replica == outbox.replica and self.number <= outbox.acknowledged:
            self.replica, self.number = 0, 0

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
        if waits:
            self.replica, self.number = state.replica, replica.flusher.number()
        if (registration := state.link.registration) is not None:
            info = registration.info
            self.region, self.incarnation = info.region, info.incarnation
            self.position = max(self.position, registration.position, state.cursor)

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
                self.replica, self.number = 0, 0
                self._since_s = float("inf")
                return
            self._require_alive(replica, deadline)
            if deadline.has_passed():
                raise StaleReplicaError(
                    "what the session wrote at another replica is not in the region yet: try again"
                )
            runtime.sleep(NAP_S)

    def _require_alive(self, replica: Replica, deadline: Deadline) -> None:
        region = replica.state.link.region
        left_s = deadline.again().remaining_s()
        states = replica.state.link.observed(lambda: region.replicas(left_s))
        known = next((state for state in states if state.replica == self.replica), None)
        if known is None or known.retired:
            raise _lost("the replica that it wrote to was retired, or was never heard of")

    def _meet(self, replica: Replica, deadline: Deadline) -> None:
        info = replica.state.link.register(deadline.again()).info
        if self.region and (info.region, info.incarnation) != (self.region, self.incarnation):
            raise _lost(f"it has seen region {self.region}, this is {info.region}, or another life")


def _lost(why: str) -> StaleReplicaError:
    return StaleReplicaError(
        f"what the session has seen cannot be shown here: {why}; session.forget() goes on without",
        lost=True,
    )


def _decode(token: str) -> Any:
    fields = TOKEN.decode(token)
    if any(number < 0 for number in fields[2:]) or fields[4] > REPLICA_MAX:
        raise TOKEN.refusal()
    return fields
