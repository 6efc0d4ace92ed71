"""The link from one worker to its edge: connecting, noticing another life, failures."""

from __future__ import annotations

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.region.shared import ReplacedError
from tierstore.replica.breaker import PATIENT_S, Breaker
from tierstore.replica.shared.clock import EdgeClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tierstore.region.shared import EdgeInfo, SharedEdge
    from tierstore.replica.deadline import Deadline
    from tierstore.runtime import Runtime

    R = TypeVar("R")

TELL_S = 10.0


class EdgeLink:
    """Calls to the shared edge. It connects at its first use."""

    def __init__(
        self,
        make: Callable[[], SharedEdge],
        runtime: Runtime,
        timeout_s: float,
        require: Callable[[EdgeInfo], None],
    ) -> None:
        """`require` raises PolicyError if what the server says of itself is not enough."""
        self._make = make
        self._runtime = runtime
        self._timeout_s = timeout_s
        self._require = require
        self._connecting = runtime.turn()
        self.made: SharedEdge | None = None
        self.info: EdgeInfo | None = None
        self.run = ""
        """The life of the server that was last connected to."""
        self.on_new_life: Callable[[], None] = lambda: None
        """Called when another life of the server may answer than before."""
        self.clock = EdgeClock(runtime)
        self.failure: str | None = None
        self.breaker = Breaker(runtime, "the edge server")
        self._told_at_s: float | None = None
        self._is_spread = False  # then one server that is away says nothing about the others

    @property
    def edge(self) -> SharedEdge:
        """The adapter; raises PolicyError or UnavailableError if it cannot be loaded."""
        if self.made is None:
            self.made = self._make()
        return self.made

    def connect(self, deadline: Deadline) -> EdgeInfo:
        """What the server said when it was connected to, once until it fails to answer.

        Raises PolicyError if it does not do what the rules demand, UnavailableError.
        """
        info = self.info
        if info is not None:
            return info
        if not self._connecting.acquire(True, deadline.remaining_s()):
            raise UnavailableError("another thread is still connecting to the edge server")
        try:
            if self.info is None:
                self.on_new_life()  # until it is known, others are answered by whoever is there
                sent_at_s = self._runtime.monotonic()
                info = self.edge.connect(deadline.remaining_s())
                self.clock.heard(info.now_ms, sent_at_s)
                self._require(info)
                if self.run != info.run:
                    self.on_new_life()
                self.run = info.run
                self.info, self._is_spread = info, info.is_spread
            assert self.info is not None
            return self.info
        finally:
            self._connecting.release()

    def call(self, send: Callable[[SharedEdge, float], R], deadline: Deadline) -> R:
        """What `send(edge, timeout_s)` returns, within what a verb waits for the edge: the
        policy's `timeouts.edge`, or all that its caller named.

        Raises UnavailableError at once while the breaker keeps callers away. What may have
        happened stays an OutcomeUnknownError: the caller knows whether it can be sent again.
        """
        return self._call(send, deadline, deadline.cold_s(self._timeout_s))

    def work(self, send: Callable[[SharedEdge, float], R], deadline: Deadline) -> R:
        """`call` for many keys at once, on nobody's behalf: it may take all of the deadline."""
        return self._call(send, deadline, deadline.timeout_s)

    def _call(
        self, send: Callable[[SharedEdge, float], R], deadline: Deadline, timeout_s: float
    ) -> R:
        deadline.remaining_s()  # raises where others took the time, which says nothing of the edge
        self.breaker.admit(deadline.timeout_s)
        try:
            try:
                answer = self._sent(send, deadline, timeout_s)
            except ReplacedError:
                self.reconnect()
                answer = self._sent(send, deadline, timeout_s)
        except (UnavailableError, OutcomeUnknownError) as exc:
            self._note(str(exc), deadline.timeout_s)
            raise
        except TierStoreError:
            self._note_answered()  # that it has no room, say
            raise
        self._note_answered()
        return answer

    def _sent(
        self, send: Callable[[SharedEdge, float], R], deadline: Deadline, timeout_s: float
    ) -> R:
        self.connect(deadline)
        return send(self.edge, min(timeout_s, deadline.remaining_s()))

    @property
    def has_lost_part(self) -> bool:
        """Whether the last call failed, while other servers of the edge may still answer."""
        return self._is_spread and self.failure is not None

    def reconnect(self) -> None:
        """Look again who answers, at the next call."""
        self.info = None

    def close(self) -> None:
        """Release what was made. Idempotent."""
        if self.made is not None:
            self.made.close()

    def _note_answered(self) -> None:
        if self.failure is not None:
            self._note(None)

    def _note(self, failure: str | None, patience_s: float = PATIENT_S) -> None:
        was, self.failure = self.failure, failure
        if failure is None:
            self.breaker.answered()
        elif not self._is_spread:  # else the others are what they were; a new life meets `unbound`
            self.info = None
            if patience_s >= PATIENT_S:
                self.breaker.unanswered(failure)
        if (was is None) is not (failure is None) and self._may_tell():
            from tierstore.replica.log import log_reach

            log_reach("the edge server", was, failure)

    def _may_tell(self) -> bool:
        """Whether to log that this changed: where one of several is away it does with each call."""
        now_s = self._runtime.monotonic()
        is_soon = self._told_at_s is not None and now_s - self._told_at_s < TELL_S
        if self._is_spread and is_soon:
            return False
        self._told_at_s = now_s
        return True
