"""Word of copies that change or go, by the server's tracking of names with a prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import UnavailableError
from tierstore_redis.errors import DRIVER_ERRORS, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.runtime import Runtime
    from tierstore_redis.connections import Link
    from tierstore_redis.keys import Names
    from tierstore_redis.servers import SingleServer

OPEN_S = 5.0
SILENT_WAITS = 3
"""How many times `wait_s` the server may be silent, although it is asked to answer in each."""


class Listener:
    """Hears one server."""

    def __init__(self, server: SingleServer, names: Names, runtime: Runtime) -> None:
        self._server = server
        self._names = names
        self._runtime = runtime

    def listen(
        self,
        on_ready: Callable[[], None],
        on_gone: Callable[[Sequence[str] | None], None],
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Tell until stopped. Raises UnavailableError when the server cannot be heard."""
        link = self._server.open(OPEN_S)
        try:
            heard = self._track(link)
            on_ready()
            self._follow(link, heard, on_gone, wait_s, is_stopped)
        except DRIVER_ERRORS as error:
            raise translate(error, self._server.place, is_sent=True) from error
        finally:
            link.close()

    def _track(self, link: Link) -> list[Any]:
        """Have the server tell; what it told while it began to."""
        heard: list[Any] = []
        link.driver._parser.set_invalidation_push_handler(heard.append)
        prefixes = [part for name in self._names.copies for part in (b"PREFIX", name)]
        command = (b"CLIENT", b"TRACKING", b"ON", b"BCAST", *prefixes)
        self._server.checked(link.ask([command], OPEN_S)[0])
        return heard

    def _follow(
        self,
        link: Link,
        heard: list[Any],
        on_gone: Callable[[Sequence[str] | None], None],
        wait_s: float,
        is_stopped: Callable[[], bool],
    ) -> None:
        monotonic = self._runtime.monotonic
        heard_s = ping_s = monotonic()
        while not is_stopped():
            self._tell(heard, on_gone)
            now_s = monotonic()
            if now_s >= ping_s:
                link.send((b"PING",), wait_s)
                ping_s = now_s + wait_s
            answer = link.hear(max(ping_s - now_s, 0.001))
            if answer is not None or heard:
                heard_s = monotonic()
            elif monotonic() - heard_s > SILENT_WAITS * wait_s:  # and there was nothing to read
                raise UnavailableError(f"{self._server.place}: it does not answer its listener")

    def _tell(self, heard: list[Any], on_gone: Callable[[Sequence[str] | None], None]) -> None:
        pushes, heard[:] = list(heard), []
        for _, names in pushes:
            if names is None:
                on_gone(None)
                continue
            keys = [key for name in names if (key := self._names.key_of(name)) is not None]
            if keys:
                on_gone(keys)
