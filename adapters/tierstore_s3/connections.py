"""Clients of boto3: made at first use, one set per process, with bounded pools.

A client waits for its socket for as long as it was made to wait. So there are a few, by how long
they wait, and a call takes the one that waits longest without outlasting its deadline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore.config import Config

from tierstore.errors import PolicyError, UnavailableError
from tierstore.region.endpoints import resolves_to_refused
from tierstore.runtime import fork

if TYPE_CHECKING:
    from tierstore.runtime import Runtime
    from tierstore_s3.location import Location

WAITS_S = (0.25, 1.0, 4.0, 16.0)
"""For how long a client waits for a byte. The shortest serves what has less time left."""
POOL_MAX = 16
"""Connections that one client keeps; more are opened and closed again."""

_loader: Any = None
"""What the driver read of its descriptions of S3, which takes it most of the time of a client."""
_inherited: list[object] = []
"""Clients of a parent process: their locks may be held for ever, so they are left alone."""


class Connections:
    """The clients of one tier."""

    def __init__(self, location: Location, runtime: Runtime) -> None:
        self._location = location
        self._lock = runtime.lock()
        self._session: Any = None
        self._clients: dict[float, Any] = {}
        self._closed = False
        fork.register(self)

    def client(self, remaining_s: float) -> Any:
        """A client whose waiting ends within `remaining_s`, or within the shortest of waits."""
        wait_s = max((wait for wait in WAITS_S if wait <= remaining_s), default=WAITS_S[0])
        with self._lock:
            if self._closed:
                raise UnavailableError("the cold tier was closed")
            if wait_s not in self._clients:
                self._clients[wait_s] = self._make(wait_s)
            return self._clients[wait_s]

    def close(self) -> None:
        """Close every connection, and make no more. Idempotent."""
        with self._lock:
            self._closed = True
            clients = list(self._clients.values())
            self._clients.clear()
        for client in clients:
            client.close()

    def before_fork(self) -> None:
        """Let no client be half made in the child."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Use nothing of the parent's: two processes would read each other's answers."""
        _inherited.extend([self._session, *self._clients.values()])
        self._session = None
        self._clients.clear()
        self._lock.release()

    def _make(self, wait_s: float) -> Any:
        location = self._location
        if self._session is None:
            self._session = _session(location)
        endpoint_url = location.endpoint_url
        if endpoint_url and resolves_to_refused(urlsplit(endpoint_url).hostname or ""):
            raise PolicyError(
                "the url of the cold tier: its endpoint_url leads to a link-local address"
            )
        return self._session.client(
            "s3", endpoint_url=endpoint_url, config=_config(wait_s, location)
        )


def _session(location: Location) -> Any:
    global _loader
    inner = botocore.session.Session(profile=location.profile)
    if _loader is None:
        _loader = inner.get_component("data_loader")
    inner.register_component("data_loader", _loader)
    who = location.credentials
    keys = {}
    if who is not None:
        keys = {
            "aws_access_key_id": who.access_key,
            "aws_secret_access_key": who.secret_key,
            "aws_session_token": who.session_token,
        }
    return boto3.session.Session(botocore_session=inner, region_name=location.region, **keys)


def _config(wait_s: float, location: Location) -> Any:
    return Config(
        connect_timeout=wait_s,
        read_timeout=wait_s,
        max_pool_connections=POOL_MAX,
        retries={"total_max_attempts": 1, "mode": "standard"},  # retried within the deadline here
        signature_version="s3v4",
        s3={"addressing_style": location.addressing},
        # Compatible servers do not take checksums everywhere: they are asked for where wanted.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra="tierstore",
    )
