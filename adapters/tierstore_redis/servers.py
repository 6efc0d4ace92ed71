"""Which server serves which tag: one serves all here, each some of them in `cluster`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tierstore.errors import DeadlineExceededError, TierStoreError
from tierstore.region.deadline import Deadline
from tierstore.region.shared import ReplacedError, life_of
from tierstore_redis.connections import Connections, Link
from tierstore_redis.copies import to_ms
from tierstore_redis.errors import DRIVER_ERRORS, NOSCRIPT, STALE, said_code, translate
from tierstore_redis.probing import (
    SETTINGS,
    check_server,
    describe,
    parse_info,
    parse_settings,
    run_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tierstore.region.shared import EdgeInfo
    from tierstore.runtime import Runtime
    from tierstore_redis.address import Address
    from tierstore_redis.connections import Argument, Command
    from tierstore_redis.scripts import Script


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a script on the keys of one home, such as a tag: see `keys.HOMES`."""

    home: int
    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Argument]

    def by_digest(self) -> Command:
        """As the server knows it, if it has not forgotten it."""
        return (b"EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments)

    def by_text(self) -> Command:
        """With the whole script."""
        return (b"EVAL", self.script.text, len(self.keys), *self.keys, *self.arguments)


class StaleRunError(Exception):
    """The server is in another life than the caller thinks; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A connection to listen on, which the listener closes."""

    link: Link
    asks: Sequence[Command]
    """What to ask now and then, to know that it can still be heard and speaks for its tags."""


class Servers(Protocol):
    """The servers of an edge. What is asked or called names the home that it is about."""

    place: str

    def probe(self, timeout_s: float) -> EdgeInfo:
        """What answers now. Connections to what answered before are not used any more.

        Raises UnavailableError, and PolicyError for what cannot be an edge.
        """

    def open(self, timeout_s: float) -> list[Heard]:
        """New connections to all that serve a tag."""

    def clock_home(self, homes: Iterable[int]) -> int:
        """The home by whose server time is told, while `homes` are called."""

    def ask(self, commands: Sequence[tuple[int, Command]], timeout_s: float) -> list[Any]:
        """The answers to commands that change nothing. An error of a server stands for its answer.

        Raises UnavailableError, DeadlineExceededError.
        """

    def call(
        self,
        calls: Sequence[Call],
        timeout_s: float,
        *,
        before: Sequence[tuple[int, Command]] = (),
    ) -> list[Any]:
        """The answers to `before` and to `calls`, which may all be sent again."""

    def write(self, call: Call, run: str, timeout_s: float) -> Any:
        """The answer to a call that must not be sent twice, in this `run` of the edge only.

        Raises StaleRunError, and OutcomeUnknownError if the answer was lost.
        """

    def bind(self, call: Call, run: str, timeout_s: float) -> Any:
        """The answer to a call for this `run` of the edge, which may be sent again.

        Raises StaleRunError.
        """

    def checked(self, answer: Any) -> Any:
        """An answer that is no error; what the error means is raised."""

    def close(self) -> None:
        """Release connections. Idempotent."""


class SingleServer:
    """One server for all tags."""

    def __init__(self, address: Address, runtime: Runtime) -> None:
        self.place = f"the edge tier at {address.shown}"
        self._address = address
        self._runtime = runtime
        self._connections = Connections(self._open, address.pool, runtime)
        self._life = ""
        """What was probed; empty before, and while it is."""

    def probe(self, timeout_s: float) -> EdgeInfo:
        """What the server is."""
        deadline = Deadline(self._runtime, timeout_s)
        self._life = ""
        self.renew()
        probes = [(b"INFO",), (b"CONFIG", b"GET", *SETTINGS), (b"TIME",)]
        answers = self.ask([(0, probe) for probe in probes], deadline.remaining_s())
        info = parse_info(self.checked(answers[0]))
        check_server(info, self.place)
        self._life = run_of(info)
        return describe(info, parse_settings(answers[1]), to_ms(self.checked(answers[2])))

    def open(self, timeout_s: float) -> list[Heard]:
        """One connection."""
        try:
            return [Heard(self._open(timeout_s), [(b"PING",)])]
        except DRIVER_ERRORS as error:
            raise translate(error, self.place) from error

    def clock_home(self, homes: Iterable[int]) -> int:
        """Any: there is one clock."""
        return 0

    def ask(self, commands: Sequence[tuple[int, Command]], timeout_s: float) -> list[Any]:
        """The answers to commands that change nothing, each with the tag that it is about."""
        asked = [one for _, one in commands]
        return self._with_link(
            timeout_s, lambda link, left_s: self._in_life(link).ask(asked, left_s)
        )

    def call(
        self,
        calls: Sequence[Call],
        timeout_s: float,
        *,
        before: Sequence[tuple[int, Command]] = (),
    ) -> list[Any]:
        """The answers to `before` and to `calls`, which may all be sent again.

        An error of the server stands for its answer.
        """
        first = [command for _, command in before]
        return self._with_link(
            timeout_s,
            lambda link, left_s: self._run(self._in_life(link), calls, left_s, first),
            is_change=True,
        )

    def write(self, call: Call, run: str, timeout_s: float) -> Any:
        """The answer to a call that must not be sent twice, in this `run` of the server only.

        Raises StaleRunError, and OutcomeUnknownError if the answer was lost.
        """

        return self._in_run(call, run, timeout_s, is_write=True)

    def bind(self, call: Call, run: str, timeout_s: float) -> Any:
        """The answer to a call for this `run` of the server, which may be sent again.

        Raises StaleRunError.
        """
        return self._in_run(call, run, timeout_s, is_write=False)

    def checked(self, answer: Any) -> Any:
        """An answer that is no error; what the error means is raised."""
        if isinstance(answer, Exception):
            raise translate(answer, self.place) from answer
        return answer

    def renew(self) -> None:
        """Use none of the connections any more that are open now."""
        self._connections.drop()

    def close(self) -> None:
        """Release connections. Idempotent."""
        self._connections.close()

    def _open(self, timeout_s: float) -> Link:
        return Link(self._address, self._runtime, timeout_s)

    def _in_life(self, link: Link) -> Link:
        """The link, if it is to what was probed. What was not may lack what callers rely on."""
        if self._life not in ("", link.run):
            raise ReplacedError(f"{self.place}: it was restarted, or another took over; try again")
        return link

    def _in_run(self, call: Call, run: str, timeout_s: float, *, is_write: bool) -> Any:
        def send(link: Link, left_s: float) -> list[Any]:
            if link.run != life_of(run, call.home):
                raise StaleRunError
            return self._run(link, [call], left_s, ())

        return self._with_link(timeout_s, send, is_change=True, is_write=is_write)[0]

    def _with_link(
        self, timeout_s: float, send: Any, *, is_change: bool = False, is_write: bool = False
    ) -> list[Any]:
        ends_s = self._runtime.monotonic() + timeout_s
        link = self._take(timeout_s)
        left_s = ends_s - self._runtime.monotonic()
        if left_s <= 0:
            self._connections.give(link)
            raise DeadlineExceededError(f"{self.place}: no connection was free in time")
        try:
            answers: list[Any] = send(link, left_s)
        except DRIVER_ERRORS as error:
            self._connections.discard(link)
            raise translate(error, self.place, is_sent=is_change, is_write=is_write) from error
        except (StaleRunError, ReplacedError):
            self._connections.give(link)
            raise
        except BaseException:
            self._connections.discard(link)
            raise
        if any(isinstance(one, Exception) and said_code(one) in STALE for one in answers):
            self._connections.drop()
        self._connections.give(link)
        return answers

    def _take(self, timeout_s: float) -> Link:
        try:
            return self._connections.take(timeout_s)
        except TierStoreError:
            raise
        except DRIVER_ERRORS as error:
            raise translate(error, self.place) from error

    def _run(
        self, link: Link, calls: Sequence[Call], timeout_s: float, before: Sequence[Command]
    ) -> list[Any]:
        """Call by digest, and by text what the server does not know: that did not happen."""
        ends_s = self._runtime.monotonic() + timeout_s
        commands = [*before, *(call.by_digest() for call in calls)]
        answers = link.ask(commands, timeout_s)
        unknown = [at for at, one in enumerate(answers) if is_unknown(one)]
        if unknown:
            texts = [calls[at - len(before)].by_text() for at in unknown]
            again = link.ask(texts, ends_s - self._runtime.monotonic())
            for at, answer in zip(unknown, again, strict=True):
                answers[at] = answer
        return answers


def is_unknown(answer: Any) -> bool:
    """Whether a script was not run because the server does not know it."""
    return isinstance(answer, Exception) and said_code(answer) == NOSCRIPT
