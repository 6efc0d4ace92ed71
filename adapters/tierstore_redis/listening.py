"""Word of copies that change or go, by the servers' tracking of names with a prefix."""

from __future__ import annotations

import select
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tierstore.errors import UnavailableError
from tierstore.runtime import fork
from tierstore_redis.errors import DRIVER_ERRORS, translate
from tierstore_redis.probing import process_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.runtime import Runtime
    from tierstore_redis.keys import Names
    from tierstore_redis.servers import Heard, Servers

    OnGone = Callable[[Sequence[str] | None], None]

OPEN_S = 5.0
SILENT_WAITS = 3
"""How many times `wait_s` a server may be silent, although it is asked to answer in each."""
DRAIN_S = 0.001
"""How long to wait for more of what may be in a buffer already."""
HEAR_S = 0.005
"""How long to take in what a server says before it is told on: busy servers never pause."""


@dataclass(slots=True, eq=False)
class _Source:
    """One server that is heard."""

    heard: Heard
    pushes: list[Any] = field(default_factory=list)
    heard_s: float = 0.0


class Listener:
    """Hears all servers of an edge, or none."""

    def __init__(self, server: Servers, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime
        self._on_gone: OnGone | None = None
        self._sources: list[_Source] = []
        fork.register(self)
        self._processes: frozenset[str] = frozenset()

    def listen(
        self,
        on_ready: Callable[[], None],
        on_gone: OnGone,
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Tell until stopped. Raises UnavailableError when a server cannot be heard."""
        sources = self._sources = [_Source(one) for one in self._server.open(OPEN_S)]
        try:
            for source in sources:
                self._track(source)
            self._processes = frozenset(process_of(one.heard.link.run) for one in sources)
            self._on_gone = on_gone
            on_ready()
            self._follow(sources, on_gone, wait_s, is_stopped)
        except DRIVER_ERRORS as error:
            raise translate(error, self._server.place, is_sent=True) from error
        finally:
            self._sources, self._on_gone = [], None
            for source in sources:
                source.heard.link.close()

    def doubt(self, life: str, keys: Sequence[str]) -> None:
        """Let nobody keep what a server in this life told of `keys`, if it is not listened to."""
        on_gone = self._on_gone
        if on_gone is not None and process_of(life) not in self._processes:
            on_gone(keys)

    def before_fork(self) -> None:
        """Nothing."""

    def after_fork_in_parent(self) -> None:
        """Nothing."""

    def after_fork_in_child(self) -> None:
        """Forget what is the parent's: nobody listens here."""
        for source in self._sources:
            source.heard.link.abandon()
        self._sources, self._on_gone = [], None

    def _track(self, source: _Source) -> None:
        """Have a server tell; what it tells while it begins to is kept."""
        link = source.heard.link
        link.driver._parser.set_invalidation_push_handler(source.pushes.append)
        prefixes = [part for name in self._names.copies for part in (b"PREFIX", name)]
        command = (b"CLIENT", b"TRACKING", b"ON", b"BCAST", *prefixes)
        self._server.checked(link.ask([command], OPEN_S)[0])

    def _follow(
        self,
        sources: Sequence[_Source],
        on_gone: OnGone,
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        monotonic = self._runtime.monotonic
        ask_s = monotonic()
        unheard: list[_Source] = []  # what they said may be in a buffer, which no poll sees
        for source in sources:
            source.heard_s = ask_s
        while not is_stopped():
            for source in sources:
                self._tell(source.pushes, on_gone)
            now_s = monotonic()
            if now_s >= ask_s:
                for source in sources:
                    source.heard.link.send(source.heard.asks, wait_s)
                ask_s = now_s + wait_s
            ready = _ready(sources, 0 if unheard else max(ask_s - now_s, DRAIN_S))
            unheard = [one for one in dict.fromkeys([*unheard, *ready]) if not self._hear(one)]
            silent_s = monotonic() - min(source.heard_s for source in sources)
            if silent_s > SILENT_WAITS * wait_s and not _ready(sources, 0):
                raise UnavailableError(f"{self._server.place}: it does not answer its listener")

    def _hear(self, source: _Source) -> bool:
        """Take what a server has said; whether that was all of it."""
        ends_s = self._runtime.monotonic() + HEAR_S
        while source.heard_s < ends_s:
            known = len(source.pushes)
            answer = source.heard.link.hear(DRAIN_S)
            if answer is None and len(source.pushes) == known:
                return True
            source.heard_s = self._runtime.monotonic()
        return False

    def _tell(self, pushes: list[Any], on_gone: OnGone) -> None:
        told, pushes[:] = list(pushes), []
        for _, names in told:
            if names is None:
                on_gone(None)
                continue
            keys = [key for name in names if (key := self._names.key_of(name)) is not None]
            if keys:
                on_gone(keys)


def _ready(sources: Sequence[_Source], wait_s: float) -> list[_Source]:
    """The sources that have said something, as soon as one has. Raises OSError if one is closed."""
    poll = select.poll()
    by_number = {source.heard.link.fileno(): source for source in sources}
    for number in by_number:
        poll.register(number, select.POLLIN)
    return [by_number[number] for number, _ in poll.poll(wait_s * 1000)]
