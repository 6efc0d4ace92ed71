"""The link to the coordinator: commits that take effect once, and reads of what is committed.

A commit whose answer is lost is sent again, under the same operation id, until it is answered or
the time is up. That is sound because the coordinator keeps what became of an id in the commit's own
transaction, and because a repeated commit waits for the locks of the first: so when it is told of a
conflict, the first will not happen any more.
"""

from __future__ import annotations

from tierstore.coordinator.checking import check_commit, refusal, refuse_eventual
from tierstore.coordinator.figures import Figures
from tierstore.errors import OutcomeUnknownError, OverloadedError, UnavailableError
from tierstore.region.damage import damage
from tierstore.region.operations import RANDOM_BYTES, mint
from tierstore.runtime import jitter, now_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Protocol, TypeVar

    from tierstore.region.commits import Commit, CommitReply, Coordinator, PrivateReply
    from tierstore.region.deadline import Deadline
    from tierstore.region.protocol import ReadReply
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime

    T = TypeVar("T")

    class Link(Protocol):
        """How the coordinator is reached."""

        skew_ms: int

        @property
        def region(self) -> Any: ...
        def register(self, deadline: Deadline) -> Any: ...
        def call(self, send: Callable[[float], Any], deadline: Deadline) -> Any: ...

    Fetch = Callable[[Sequence[str], Deadline], ReadReply]
    """The rows of keys in one snapshot, with the payloads that lie in objects."""

IN_FLIGHT_MAX = 256
"""Requests of one process that may wait for the coordinator; further ones are refused at once."""
RETRY_S_MIN, RETRY_S_MAX = 0.01, 0.5


class Central:
    """Commits and reads at the coordinator. Thread-safe."""

    def __init__(
        self, link: Link, fetch: Fetch, runtime: Runtime, figures: Figures | None = None
    ) -> None:
        self._link = link
        self.figures = figures or Figures()
        self._fetch = fetch
        self._runtime = runtime
        self._least_ms = 0  # the coordinator's highest time, while its clock is set back
        self._in_flight: dict[object, None] = {}  # one for each request; dicts change atomically

    @property
    def coordinator(self) -> Coordinator:
        """The adapter."""
        coordinator: Coordinator = self._link.region
        return coordinator

    def life(self, deadline: Deadline) -> int:
        """The life that the coordinator lives, as far as known."""
        incarnation: int = self._link.register(deadline).info.incarnation
        return incarnation

    def mint(self, deadline: Deadline) -> str:
        """The id of an operation that begins now, by the coordinator's clock as far as known."""
        self._link.register(deadline)
        begun_ms = max(self.now_ms(), self._least_ms)
        return mint(begun_ms, self._runtime.random_bytes(RANDOM_BYTES))

    def now_ms(self) -> int:
        """The coordinator's clock, as far as known."""
        return now_ms(self._runtime) - self._link.skew_ms

    def commit(self, commit: Commit, deadline: Deadline) -> CommitReply:
        """The answer to `commit`, which is "committed" or "conflict".

        Raises ValueTooLargeError, InvalidArgumentError and ConsistencyMismatchError,
        UnavailableError and OverloadedError: nothing happened; OutcomeUnknownError.
        """
        check_commit(commit)
        try:
            reply = self._admitted(lambda: self._send(commit, deadline))
        except OutcomeUnknownError:
            self.figures.unknown += 1
            raise
        if (error := refusal(commit, reply)) is not None:
            raise error
        self.figures.conflicts += reply.verdict == "conflict"
        return reply

    def read(self, keys: Sequence[str], deadline: Deadline) -> ReadReply:
        """The rows of `keys` in one snapshot that has all commits acknowledged until now.

        Raises UnavailableError, OverloadedError, ConsistencyMismatchError.
        """
        reply = self._admitted(lambda: self._fetch(keys, deadline))
        refuse_eventual(reply)
        return reply

    def read_live(self, keys: Sequence[str], deadline: Deadline) -> dict[str, Row | None]:
        """`read`, by key: its row if it has a value by the coordinator's clock, else None.

        Raises CorruptionError, too.
        """
        reply = self.read(keys, deadline)
        for key, reason in reply.corrupt.items():
            raise damage(key, reason, reply.rows.get(key))
        rows = {key: reply.rows.get(key) for key in keys}
        return {
            key: row if row is not None and row.record.is_live(reply.now_ms) else None
            for key, row in rows.items()
        }

    def peek(self, keys: Sequence[str], deadline: Deadline) -> PrivateReply:
        """The private records of `keys`. Raises UnavailableError, OverloadedError."""
        send = lambda left_s: self.coordinator.peek(keys, left_s)  # noqa: E731
        reply: PrivateReply = self._admitted(lambda: self._link.call(send, deadline))
        return reply

    def browse(self, prefix: str, after: str, limit: int, deadline: Deadline) -> PrivateReply:
        """Private records below `prefix`, in order. Raises UnavailableError, OverloadedError."""
        send = lambda left_s: self.coordinator.browse(prefix, after, limit, left_s)  # noqa: E731
        reply: PrivateReply = self._admitted(lambda: self._link.call(send, deadline))
        return reply

    def settle(self, operation_id: str, deadline: Deadline) -> CommitReply:
        """What became of an operation; see `Coordinator.settle`. Raises UnavailableError."""
        send = lambda left_s: self.coordinator.settle(operation_id, left_s)  # noqa: E731
        reply: CommitReply = self._admitted(lambda: self._link.call(send, deadline))
        return reply

    def _send(self, commit: Commit, deadline: Deadline) -> CommitReply:
        doubt: UnavailableError | None = None
        pause_s = RETRY_S_MIN
        answers: list[CommitReply] = []

        def send(left_s: float) -> CommitReply:
            answers.append(self.coordinator.commit(commit, left_s))
            self._note_time(answers[0])
            return answers[0]

        while True:
            try:
                reply: CommitReply = self._link.call(send, deadline)
            except UnavailableError as exc:
                if answers:  # which came from another life of the coordinator than was known
                    return answers[0]
                if isinstance(exc.__cause__, OutcomeUnknownError):
                    doubt = exc
                if doubt is None:
                    raise
                self._pause(commit, deadline, pause_s, doubt)
                self.figures.retries += 1
                pause_s = min(RETRY_S_MAX, pause_s * 2)
            else:
                return reply

    def _note_time(self, reply: CommitReply) -> None:
        self._least_ms = reply.now_ms + reply.ahead_ms if reply.ahead_ms else 0

    def _pause(
        self, commit: Commit, deadline: Deadline, pause_s: float, doubt: UnavailableError
    ) -> None:
        """Wait before a commit in doubt is sent again. Raises OutcomeUnknownError after time."""
        self._runtime.sometimes("commit sent again as its answer was lost")
        if not deadline.has_passed():
            self._runtime.sleep(pause_s * (0.5 + jitter(self._runtime)))
        if deadline.has_passed():
            tells = ": store.outcome(error.operation_id) tells what became of it"
            raise OutcomeUnknownError(
                f"the coordinator did not confirm the commit in time ({doubt})"
                + (tells if commit.operation_id else "; it may be sent again"),
                operation_id=commit.operation_id,
            ) from doubt

    def _admitted(self, request: Callable[[], T]) -> T:
        if len(self._in_flight) >= IN_FLIGHT_MAX:
            raise OverloadedError(
                f"{IN_FLIGHT_MAX} requests to the coordinator are under way: slow down"
            )
        ticket = object()
        self.figures.requests += 1
        try:  # from here on, as Ctrl-C may come when it has been put down
            self._in_flight[ticket] = None
            return request()
        finally:
            self._in_flight.pop(ticket, None)
