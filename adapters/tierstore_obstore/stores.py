"""Stores of obstore: made at first use, one set per process.

A store gives each request the time that it was made with, from its beginning to the last byte of
the answer. So there are several, by that time, and a call takes the one that gives most without
outlasting its deadline. Cancelling a coroutine would do without them, but is slower, and a process
that ends meanwhile may crash: docs/decisions/0014 has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tierstore.errors import PolicyError, UnavailableError
from tierstore.region.endpoints import resolves_to_refused
from tierstore.runtime import fork
from tierstore_obstore.library import LIBRARY, leave_alone

if TYPE_CHECKING:
    from tierstore.runtime import Runtime
    from tierstore_obstore.address import Address

WAITS_S = tuple(base * 2.0**power for power in range(10) for base in (0.25, 0.375))
"""How long requests of a store may take. The shortest serves what has less time left."""
IDLE_CONNECTIONS_MAX = "16"
_KINDS = {"s3": "S3Store", "gs": "GCSStore", "az": "AzureStore"}


@dataclass(frozen=True, slots=True)
class Client:
    """What a request is made with."""

    library: Any
    """The package obstore, which the store is of."""
    store: Any
    wait_s: float
    """How long each request may take."""


class Stores:
    """The stores of one tier."""

    def __init__(self, address: Address, runtime: Runtime) -> None:
        self._address = address
        self._lock = runtime.lock()
        self._clients: dict[float, Client] = {}
        self._closed = False
        fork.register(self)

    def client(self, remaining_s: float) -> Client:
        """One whose requests end within `remaining_s`, or within the shortest of waits."""
        if self._address.asks_for_credentials:  # perhaps by a request before the one asked for
            remaining_s /= 2
        wait_s = max((wait for wait in WAITS_S if wait <= remaining_s), default=WAITS_S[0])
        library = LIBRARY.module()  # before the lock, in the order in which a fork takes both
        with self._lock:
            if self._closed:
                raise UnavailableError("the cold tier was closed")
            if wait_s not in self._clients:
                self._clients[wait_s] = Client(library, self._make(library, wait_s), wait_s)
            return self._clients[wait_s]

    def close(self) -> None:
        """Make no more stores; connections end with the last request in them. Idempotent."""
        with self._lock:
            self._closed = True
            self._clients.clear()

    def before_fork(self) -> None:
        """Let no store be half made in the child."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Use nothing of the parent's."""
        for client in self._clients.values():
            leave_alone(client.store)
        self._clients.clear()
        self._lock.release()

    def _make(self, library: Any, wait_s: float) -> Any:
        address = self._address
        endpoint_url = address.endpoint_url or ""
        if endpoint_url and resolves_to_refused(urlsplit(endpoint_url).hostname or ""):
            raise PolicyError(
                "the url of the cold tier: its endpoint_url leads to a link-local address"
            )
        kind = getattr(library.store, _KINDS[address.scheme])
        try:
            return kind(
                address.bucket,
                config=dict(address.settings),
                client_options=_client_options(wait_s, endpoint_url),
                retry_config={"max_retries": 0},  # retried within the deadline here
            )
        except (library.exceptions.BaseError, OSError, ValueError):
            pass  # what it says may quote what is secret
        raise PolicyError(
            "the url of the cold tier: obstore refuses its options, or what the environment says:"
            " check names, files and credentials"
        )


def _client_options(wait_s: float, endpoint_url: str) -> dict[str, Any]:
    wait = timedelta(seconds=wait_s)
    allowed = {"allow_http": True} if endpoint_url.startswith("http:") else {}
    return {
        "timeout": wait,
        "connect_timeout": wait,
        "pool_max_idle_per_host": IDLE_CONNECTIONS_MAX,
        "user_agent": "tierstore",
        **allowed,
    }
