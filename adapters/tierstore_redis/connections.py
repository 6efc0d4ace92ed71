"""Connections that are held open: a bounded number, never used after a fork, never waited for long.

The driver's own pool and client are not used: they send again what may have happened, and they
bound each read of a socket, not the whole answer.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING, Any

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as DriverTimeoutError

from tierstore.errors import DeadlineExceededError, PolicyError, UnavailableError
from tierstore.runtime import fork
from tierstore_redis.errors import DRIVER_ERRORS, NO_CLUSTER
from tierstore_redis.probing import epoch_of, parse_info, run_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.runtime import Runtime
    from tierstore_redis.address import Address

Argument = bytes | str | int
Command = tuple[Argument, ...]

FREED_POLL_S = 0.05  # between looks for a connection whose return went to somebody else
_inherited: list[object] = []
"""What a forked child must neither use nor let the driver close."""


class Allowance:
    """The time that the answer under way may take. Shared by a connection and its socket."""

    def __init__(self, runtime: Runtime) -> None:
        self._monotonic = runtime.monotonic
        self._at_s = 0.0

    def set(self, timeout_s: float) -> None:
        """Begin again, with so many seconds."""
        self._at_s = self._monotonic() + timeout_s

    def left_s(self) -> float:
        """The seconds left, above zero. Raises TimeoutError when there are none."""
        left_s = self._at_s - self._monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s


class TimedSocket:
    """A socket each call of which has what is left of an allowance, whatever it is told."""

    def __init__(self, raw: Any, allowance: Allowance) -> None:
        self._raw = raw
        self._allowance = allowance

    def settimeout(self, timeout_s: float | None) -> None:
        """Ignored: the allowance counts."""

    def recv(self, *arguments: Any) -> Any:
        """Receive in time."""
        self._raw.settimeout(self._allowance.left_s())
        return self._raw.recv(*arguments)

    def recv_into(self, *arguments: Any) -> Any:
        """Receive in time."""
        self._raw.settimeout(self._allowance.left_s())
        return self._raw.recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        """Send all in time."""
        self._raw.settimeout(self._allowance.left_s())
        self._raw.sendall(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _Timed:
    """Makes connections of the driver keep to an allowance."""

    allowance: Allowance

    @property
    def socket_connect_timeout(self) -> float:
        """What is left for the next of a host's addresses; what the driver sets is ignored."""
        return self.allowance.left_s()

    @socket_connect_timeout.setter
    def socket_connect_timeout(self, timeout_s: float | None) -> None:
        return

    def _connect(self) -> TimedSocket:
        raw = super()._connect()  # type: ignore[misc]
        return TimedSocket(raw, self.allowance)


class _TimedTcp(_Timed, Connection):  # type: ignore[misc]
    pass


class _TimedTls(_Timed, SSLConnection):  # type: ignore[misc]
    pass


class _TimedUnix(_Timed, UnixDomainSocketConnection):  # type: ignore[misc]
    pass


_KINDS: dict[str, type[Any]] = {"redis": _TimedTcp, "rediss": _TimedTls, "unix": _TimedUnix}


class Link:
    """One connection, to one life of a server: `run`."""

    def __init__(self, address: Address, runtime: Runtime, timeout_s: float) -> None:
        self._allowance = Allowance(runtime)
        self._allowance.set(timeout_s)
        kind = _KINDS[address.scheme]
        self.driver = kind(
            **address.options,
            protocol=3,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            driver_info=None,
        )
        self.driver.allowance = self._allowance
        self.run = ""
        try:
            self.driver.connect()
            info = parse_info(self._told("INFO"))
            self.run = run_of(info, self._read_epoch(address) if address.seeds else "")
        except BaseException:
            self.close()
            raise

    def ask(self, commands: Sequence[Command], timeout_s: float) -> list[Any]:
        """The answers to `commands`, sent at once; an error of the server stands for its answer.

        Raises errors of the driver; the connection is of no use then.
        """
        self.send(commands, timeout_s)
        return self.answers(len(commands))

    def send(self, commands: Sequence[Command], timeout_s: float) -> None:
        """Send commands, the answers to which `answers` or `hear` find; until all are there it may
        take `timeout_s`."""
        self._allowance.set(timeout_s)
        self.driver.send_packed_command(self.driver.pack_commands(commands), check_health=False)

    def answers(self, count: int) -> list[Any]:
        """The next answers. Raises errors of the driver."""
        return [self._read() for _ in range(count)]

    def fileno(self) -> int:
        """Of its socket. Raises OSError if it is closed."""
        try:
            return int(self.driver._sock.fileno())
        except AttributeError:
            raise OSError("the connection is closed") from None

    def hear(self, timeout_s: float) -> Any:
        """The next answer or push; None if none comes within `timeout_s`."""
        self._allowance.set(timeout_s)
        try:
            return self.driver.read_response(push_request=True, disconnect_on_error=False)
        except (DriverTimeoutError, TimeoutError):
            return None

    def is_stale(self) -> bool:
        """Whether the server closed the connection, or said what nobody asked for."""
        try:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLIN)
            return bool(poll.poll(0))
        except (ValueError, OSError):
            return True

    def close(self) -> None:
        """Close it. Idempotent; never raises what the driver does."""
        try:
            self.driver.disconnect()
        except DRIVER_ERRORS:
            return

    def abandon(self) -> None:
        """In a forked child: let go of the socket, which goes on in the parent.

        Else a server would not notice when that is killed, and keep what it was to tell it.
        """
        _inherited.append(self)
        try:
            os.close(self.driver._sock.detach())
        except (AttributeError, OSError):
            return

    def _read(self) -> Any:
        try:
            return self.driver.read_response()
        except ResponseError as error:
            return error

    def _read_epoch(self, address: Address) -> str:
        """Of the node's configuration. Raises PolicyError if it is no node."""
        try:
            return epoch_of(self._told("CLUSTER", "INFO"))
        except ResponseError as error:
            if NO_CLUSTER not in str(error):
                raise
            raise PolicyError(
                f"the edge tier at {address.shown}: it is a single server; write redis:// or"
                " rediss:// for that"
            ) from error

    def _told(self, *command: str) -> Any:
        self.driver.send_command(*command, check_health=False)
        return self.driver.read_response()


class Connections:
    """A stack of idle connections.

    Whoever needs one pops it and pushes it back, which is atomic without a lock; only opening
    takes the lock. A forked child forgets all of them and opens its own.
    """

    def __init__(self, open_one: Callable[[float], Link], count_max: int, runtime: Runtime) -> None:
        self.idle: list[Link] = []
        self._open_one = open_one
        self._count_max = count_max
        self._runtime = runtime
        self._lock = runtime.lock()
        self._held: set[Link] = set()
        self._opening: list[None] = []  # one for each that is; lists change atomically
        self._freed = runtime.event()
        self._is_closed = False
        fork.register(self)

    def take(self, timeout_s: float) -> Link:
        """An idle connection that is open still, or a new one. Return it with `give` or `discard`.

        Raises DeadlineExceededError if all that there may be stay in use.
        """
        deadline = self._runtime.monotonic() + timeout_s
        while True:
            if self._is_closed:
                raise UnavailableError("the edge tier was closed")
            link = self._find_idle() or self._open_another(deadline)
            if link is not None:
                return link
            left_s = deadline - self._runtime.monotonic()
            if left_s <= 0:
                raise DeadlineExceededError(
                    f"all {self._count_max} connections to the edge tier stayed in use"
                )
            self._freed.clear()
            if not self.idle:
                self._freed.wait(min(left_s, FREED_POLL_S))

    def give(self, link: Link) -> None:
        """Return a connection that owes no answer."""
        if self._is_closed or link not in self._held:
            self.discard(link)
            return
        self.idle.append(link)
        self._freed.set()

    def discard(self, link: Link) -> None:
        """Close a connection whose state is in doubt."""
        self._held.discard(link)
        link.close()
        self._freed.set()

    def drop(self) -> None:
        """Close what is idle now, and the others as they are returned."""
        self._held.clear()
        self._close_idle()

    def close(self) -> None:
        """Drop all, and open none any more. Idempotent."""
        self._is_closed = True
        self.drop()

    def before_fork(self) -> None:
        """Nothing."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Forget what is the parent's."""
        for link in {*self._held, *self.idle}:
            link.abandon()
        self.idle, self._held, self._opening = [], set(), []
        self._lock = self._runtime.lock()
        self._freed = self._runtime.event()

    def _find_idle(self) -> Link | None:
        while True:
            try:
                link = self.idle.pop()
            except IndexError:
                return None
            if not link.is_stale():
                return link
            self.discard(link)

    def _open_another(self, deadline: float) -> Link | None:
        """A new connection; None if there are as many as there may be."""
        with self._lock:
            if len(self._held) + len(self._opening) >= self._count_max:
                return None
            self._opening.append(None)
        try:
            left_s = deadline - self._runtime.monotonic()
            if left_s <= 0:
                raise DeadlineExceededError("no time was left to connect to the edge tier")
            link = self._open_one(left_s)
            self._held.add(link)
        finally:
            self._opening.pop()
        return link

    def _close_idle(self) -> None:
        while self.idle:
            try:
                link = self.idle.pop()
            except IndexError:
                return
            self.discard(link)
