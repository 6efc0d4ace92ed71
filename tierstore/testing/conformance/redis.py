"""The harness of an edge on Redis or Valkey: a prefix of its own on a server that is there."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from tierstore.errors import PolicyError
from tierstore.runtime import Runtime
from tierstore.testing.conformance.harness import CannotError
from tierstore.testing.conformance.harnesses import URL_VARIABLE
from tierstore.testing.conformance.shared.harness import SharedHarness
from tierstore.tiers.registry import load_shared_edge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tierstore.region.shared import SharedEdge

TIMEOUT_S = 10.0
MS_PER_S = 1000
SCANNED = 10_000
"""Names that the server looks at in one step."""
DAMAGED_AT = 40
"""A byte of a copy that says something."""
SECRET = "c4n4ry"  # noqa: S105  # what must not show
_OTHERS = "the server is not ours to"


class RedisHarness(SharedHarness):
    """An edge under a prefix that is made for it, and removed at the end."""

    cannot: Mapping[str, str] = {
        "clock": "the server has its own",
        "evicting": f"{_OTHERS} set up",
        "full": f"{_OTHERS} fill",
        "lose": f"{_OTHERS} end",
        "open_resources": "the server is not ours alone: others connect to it meanwhile",
        "restart": f"{_OTHERS} end",
        "unreachable": f"{_OTHERS} stop",
    }

    def __init__(self, folder: str | os.PathLike[str], url: str | None = None) -> None:
        """`folder` is not used; without a `url` it is taken from the environment."""
        named = url or os.environ.get(URL_VARIABLE)
        if not named:
            raise CannotError(f"it needs a server: name one in {URL_VARIABLE}")
        self.url = named
        self.prefix = f"tierstore-check-{Runtime().random_bytes(6).hex()}"
        self._runtime = Runtime()
        self._opened: list[SharedEdge] = []
        self._adapter: Any = load_shared_edge("redis")
        self._raw = self._require_server()

    def connect_raw(self) -> Any:
        """A client of the driver alone. Raises PolicyError if the url is malformed."""
        import redis
        from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

        kinds: dict[str, type[Any]] = {
            "redis": Connection, "rediss": SSLConnection, "unix": UnixDomainSocketConnection,
        }  # fmt: skip
        parsing = import_module(f"{self._adapter.__module__.partition('.')[0]}.address")
        address = parsing.parse_address(self.url)
        pool: Any = redis.ConnectionPool(
            connection_class=kinds[address.scheme], socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S, **address.options,
        )  # fmt: skip
        return redis.Redis(connection_pool=pool)

    def _require_server(self) -> Any:
        """The driver's own client. Raises CannotError unless the server answers it."""
        from redis.exceptions import RedisError

        try:
            raw = self.connect_raw()
            raw.ping()
        except (RedisError, OSError, PolicyError) as error:
            raise CannotError(f"its server cannot be used: {type(error).__name__}") from error
        return raw

    def open(self) -> SharedEdge:
        """A handle of the prefix."""
        return self._open(self.url, self.prefix)

    def open_other(self) -> SharedEdge:
        """A handle of another prefix, which is removed as well."""
        return self._open(self.url, f"{self.prefix}-other")

    def open_secret(self) -> tuple[object, str]:
        """A handle of a server that is not there."""
        return self._open(f"redis://someone:{SECRET}@127.0.0.1:1/0", self.prefix), SECRET

    def wait_ms(self, wait_ms: int) -> None:
        """The server's time is the system's."""
        self._runtime.sleep(wait_ms / MS_PER_S)

    def corrupt(self, key: str) -> None:
        """Overwrite a part of it."""
        (name,) = (n for n in self._names() if n.endswith(b":c:" + key.encode()))
        self._raw.setrange(name, DAMAGED_AT, b"\xff\xff")

    def release(self) -> None:
        """Close the handles."""
        while self._opened:
            self._opened.pop().close()

    def close(self) -> None:
        """Remove everything under the prefix."""
        self.release()
        if names := self._names():
            self._raw.unlink(*names)
        self._raw.connection_pool.disconnect()

    def _names(self) -> list[bytes]:
        return list(self._raw.scan_iter(f"{self.prefix}*", count=SCANNED))

    def _open(self, url: str, prefix: str) -> SharedEdge:
        edge: SharedEdge = self._adapter(url, runtime=self._runtime, prefix=prefix)
        self._opened.append(edge)
        return edge
