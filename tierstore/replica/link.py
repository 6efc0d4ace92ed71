"""The link from one replica identity to its region: connecting, registering, noticing failure.

A link connects at its first use. It knows what every reply says of the region: its incarnation,
its clock (and so this machine's skew) and whether it can be reached at all.
"""

from __future__ import annotations

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.replica.breaker import PATIENT_S, Breaker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Protocol, TypeVar

    from tierstore.region.protocol import ReadReply, Region, Registration
    from tierstore.region.rows import Row
    from tierstore.replica.deadline import Deadline
    from tierstore.runtime import Runtime

    class Reply(Protocol):
        """What every reply carries."""

        incarnation: int
        now_ms: int

    R = TypeVar("R", bound=Reply)


class RegionSource:
    """A region that is made when it is first needed, so that its driver loads only then."""

    def __init__(self, make: Callable[[], Region]) -> None:
        self._make = make
        self.made: Region | None = None

    def get(self) -> Region:
        """The region; raises PolicyError or UnavailableError if its adapter cannot be loaded."""
        if self.made is None:
            self.made = self._make()
        return self.made


class RegionLink:
    """Calls to the region on behalf of one replica."""

    def __init__(
        self, source: RegionSource, runtime: Runtime, replica: int, skew_ms_max: int
    ) -> None:
        self._source = source
        self.replica = replica
        self.is_new = True  # this replica has never been registered, so it has sent nothing
        self.registration: Registration | None = None
        self.skew_ms = 0
        self.heard_ns = runtime.time_ns()  # when the last call that was answered was sent
        self.shown = 0  # no row that this replica was shown, or wrote, has a higher position
        self._incarnation = 0  # the life of the region in whose feed that is
        self.outlived = 0  # the life before that, if this replica has seen it
        self.is_skewed = False  # too far off the region's clock to stamp writes
        self._skew_ms_max = skew_ms_max
        self.failure: str | None = None
        self.name = "the region"
        self.breaker = Breaker(runtime, self.name)
        self._runtime = runtime
        self.registering = runtime.turn()
        self.on_registered: Callable[[Registration], None] = lambda _: None

    def rename(self, name: str) -> None:
        """Be called that in messages; before the first call."""
        self.name, self.breaker = name, Breaker(self._runtime, name)

    @property
    def region(self) -> Region:
        """The adapter."""
        return self._source.get()

    @property
    def reachable(self) -> bool:
        """Whether the last call was answered."""
        return self.failure is None

    def register(self, deadline: Deadline) -> Registration:
        """Connect and register, once; later calls return what the first one learned."""
        if self.registration is not None:
            return self.registration
        if not self.registering.acquire(True, deadline.remaining_s()):
            deadline.remaining_s()
            raise UnavailableError(f"another thread is still connecting to {self.name}")
        try:
            if self.registration is None:
                sent_ns = self._runtime.time_ns()
                registration: Registration = self.observed(lambda: self._connect(deadline))
                self._measure(registration.now_ms, sent_ns)
                if registration.info.incarnation != self._incarnation:
                    self.outlived = self._incarnation
                    self._incarnation, self.shown = registration.info.incarnation, 0
                self.note_shown(max(registration.position, registration.reached))
                self.on_registered(registration)
                self.is_new = False
                self.registration = registration
            return self.registration
        finally:
            self.registering.release()

    def call(self, send: Callable[[float], R], deadline: Deadline) -> R:
        """The region's reply to `send(timeout_s)`, noting what it says of the region."""
        registration = self.registration or self.register(deadline)
        sent_ns = self._runtime.time_ns()
        try:
            reply = send(deadline.remaining_s())
        except UnavailableError as exc:
            self._note(str(exc), deadline.timeout_s)
            raise
        except OutcomeUnknownError as exc:
            raise self._unanswered(exc) from exc
        self._hear(reply, sent_ns, registration)
        return reply

    def read(self, keys: Sequence[str], deadline: Deadline, of: int = 0) -> ReadReply:
        """The region's rows of `keys`. `call` without a function to call: every miss comes here.

        The reply says what is applied `of` another replica, if one is named. Raises
        UnavailableError at once while the breaker keeps readers away.
        """
        self.breaker.admit(deadline.timeout_s)
        registration = self.registration or self.register(deadline)
        region = self._source.made or self._source.get()
        sent_ns = self._runtime.time_ns()
        try:
            reply = region.read(keys, of or self.replica, deadline.remaining_s())
        except UnavailableError as exc:
            self._note(str(exc), deadline.timeout_s)
            raise
        except OutcomeUnknownError as exc:
            raise self._unanswered(exc) from exc
        self._hear(reply, sent_ns, registration)
        self.note_shown(reply.position, reply.rows.values())
        return reply

    def note_shown(self, position: int, rows: Iterable[Row] = ()) -> None:
        """Note how far in the feed that is which the region has shown.

        Rows can be seen that are ahead of the position that a reply tells.
        """
        for row in rows:
            if row.position > position:
                position = row.position
        if position > self.shown:
            self.shown = position

    def _hear(self, reply: Reply, sent_ns: int, registration: Registration) -> None:
        """Note what a reply says. Raises UnavailableError if the region lives another life."""
        if self.failure is not None or self.breaker.reason is not None:
            self._note(None)
        self._measure(reply.now_ms, sent_ns)
        if reply.incarnation != registration.info.incarnation:
            self.forget()
            self._runtime.sometimes("region began another life")
            raise UnavailableError(
                f"region {registration.info.region} was restored from a backup and has begun"
                " another life: try again"
            )

    def _measure(self, now_ms: int, sent_ns: int) -> None:
        """Compare this machine's clock with the region's, as a reply to what was sent then."""
        self.heard_ns = sent_ns
        self.skew_ms = skew_ms = (sent_ns + self._runtime.time_ns()) // 2_000_000 - now_ms
        self.is_skewed = not -self._skew_ms_max <= skew_ms <= self._skew_ms_max

    def become(self, replica: int, *, is_new: bool) -> None:
        """Speak for another replica from now on."""
        self.replica, self.is_new = replica, is_new
        self.forget()

    def forget(self) -> None:
        """Register again at the next call."""
        self.registration = None

    def forget_after(self, silence_ms: int) -> None:
        """Register again at the next call if the region has been silent for that long."""
        silent_ns = self._runtime.time_ns() - self.heard_ns
        if self.registration is not None and silent_ns > silence_ms * 1_000_000:
            self.forget()

    def _connect(self, deadline: Deadline) -> Registration:
        self.region.connect(deadline.remaining_s())
        return self.region.register(self.replica, deadline.remaining_s(), self.is_new)

    def leave(self, deadline: Deadline) -> None:
        """Sign off, if the region is there to be told: this replica is never heard of again.

        If it cannot be told, it will retire this replica for its silence.
        """
        if self.registration is None or not self.reachable:
            return
        self.forget()
        try:
            timeout_s = deadline.remaining_s()
            self.observed(lambda: self.region.leave(self.replica, timeout_s))
        except TierStoreError:
            return

    def observed(self, call: Callable[[], Any]) -> Any:
        """What a call of the region returns, noting whether it was answered."""
        try:
            answer = call()
        except UnavailableError as exc:
            self._note(str(exc))
            raise
        except OutcomeUnknownError as exc:
            raise self._unanswered(exc) from exc
        self._note(None)
        return answer

    def _unanswered(self, exc: OutcomeUnknownError) -> UnavailableError:
        """What a lost answer means here: whatever a link sends is idempotent and sent again."""
        self._runtime.sometimes("reply of the region lost")
        self._note(str(exc))
        return UnavailableError(str(exc))

    def _note(self, failure: str | None, patience_s: float = PATIENT_S) -> None:
        was, self.failure = self.failure, failure
        if failure is None:
            self.breaker.answered()
        elif patience_s >= PATIENT_S:
            self.breaker.unanswered(failure)
        if was is not failure:
            from tierstore.replica.log import log_reach

            log_reach(self.name, was, failure)
