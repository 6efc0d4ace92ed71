"""The harness of cold tiers by obstore: a prefix of its own in a bucket that is there."""

from __future__ import annotations

import os
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING
from unittest import mock

from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.runtime import Runtime
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.harness import CannotError
from tierstore.testing.conformance.harnesses import URL_VARIABLE
from tierstore.testing.conformance.object.harness import ObjectHarness
from tierstore.testing.plan import FaultPlan
from tierstore.tiers.registry import load_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Self

    from tierstore.region.objects import ObjectTier

TIMEOUT_S = 10.0
DELETED_AT_ONCE = 1000
SECRET = "YzRuNHJ5"  # noqa: S105  # what must not show
_SECRETS = {
    "s3": ({"access_key": SECRET, "secret_key": SECRET}, ("session_token",)),
    "gs": ({"token": SECRET}, ("service_account",)),
    "az": ({"account_key": SECRET}, ("sas",)),
}
"""By scheme: options with credentials that are none, and those that would stand against them."""


class ObstoreHarness(ObjectHarness):
    """A cold tier under a prefix that is made for it, and emptied at the end."""

    cannot: Mapping[str, str] = {
        "full": "a bucket has no end",
        "open_resources": "connections are obstore's, which ends them some time after the last use",
        "plant_leftover": "every object is put in one request, so nothing is ever left over",
    }

    def __init__(self, folder: str | os.PathLike[str], url: str | None = None) -> None:
        """`folder` is not used; without a `url` it is taken from the environment."""
        named = url or os.environ.get(URL_VARIABLE)
        if not named:
            raise CannotError(f"it needs a bucket: name one in {URL_VARIABLE}")
        base, mark, options = named.partition("?")
        scratch = f"tierstore-check-{Runtime().random_bytes(6).hex()}"
        self.url = f"{base.rstrip('/')}/{scratch}{mark}{options}"
        self.clock, self.plan = ManualRuntime(seed=4), FaultPlan()
        self.is_away = False
        self.opened: list[Any] = []
        self._adapter: Any = load_objects(self.url.partition(":")[0], "obstore")
        self._own = self._adapter(self.url, runtime=Runtime(), base_dir="/")
        self.prefix: str = self._own._session.address.prefix
        self._client = self._require_client()

    def _require_client(self) -> Any:
        """obstore itself, and a store of it. Raises CannotError unless that may list."""
        try:
            client = self._own._session._stores.client(2 * TIMEOUT_S)
            next(client.library.list(client.store, self.prefix), None)
        except Exception as error:
            if not isinstance(error, (TierStoreError, client.library.exceptions.BaseError)):
                raise
            raise CannotError(f"its bucket cannot be used: {type(error).__name__}") from error
        return client

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Lets requests of handles that are opened meanwhile go wrong as the plan says."""
        errors: Any = import_module(f"{self._package}.errors")
        session: Any = import_module(f"{self._package}.session").Session
        attempt, own = session.attempt, self._own._session

        def fail_or_attempt(asking: Any, request: Callable[[], object]) -> object:
            if asking is own:
                return attempt(asking, request)
            try:
                if self.is_away:
                    raise UnavailableError("made unreachable")
                return self.plan.run("obstore", lambda: attempt(asking, request), _LostError)
            except UnavailableError as error:
                raise errors.RequestFailed(errors.UNREACHABLE) from error
            except _LostError as error:
                raise errors.RequestFailed(errors.SILENT) from error

        with mock.patch.object(session, "attempt", fail_or_attempt), super().entered():
            yield self

    @property
    def _package(self) -> str:
        return str(self._adapter.__module__.partition(".")[0])

    def open(self, runtime: Runtime | None = None) -> ObjectTier:
        """A handle of the prefix."""
        objects: ObjectTier = self._open(self.url, runtime or self.clock)
        return objects

    def raw_object(self, name: str) -> bytes | None:
        """What the server has."""
        client = self._client
        try:
            return bytes(client.library.get(client.store, f"{self.prefix}{name}").bytes())
        except FileNotFoundError:
            return None

    def raw_names(self) -> set[str]:
        """Every key under the prefix."""
        return {key.removeprefix(self.prefix) for key in self._keys()}

    def plant(self, name: str, content: bytes) -> None:
        """Put an object."""
        client = self._client
        client.library.put(client.store, f"{self.prefix}{name}", content, use_multipart=False)

    def cut(self, name: str, size_bytes: int) -> None:
        """Put its beginning in its place."""
        self.plant(name, (self.raw_object(name) or b"")[:size_bytes])

    def restart(self) -> None:
        """Close the handles."""
        for objects in self.opened:
            objects.close()
        self.opened.clear()

    def open_secret(self) -> tuple[object, str]:
        """A handle with credentials that are none."""
        base, _, query = self.url.partition("?")
        scheme, _, place = base.partition("://")
        given, against = _SECRETS[scheme]
        others = (*given, *against)
        kept = [each for each in query.split("&") if each.partition("=")[0] not in others]
        options = "&".join([*filter(None, kept), *(f"{name}={given[name]}" for name in given)])
        url = f"{scheme}://{place.rpartition('@')[2]}?{options}"
        return self._open(url, self.clock), SECRET

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """No request of a handle gets through."""
        self.is_away = True
        try:
            yield
        finally:
            self.is_away = False

    def close(self) -> None:
        """Remove everything under the prefix."""
        self.restart()
        for key in self._keys():
            self._client.library.delete(self._client.store, key)
        self._own.close()

    def _open(self, url: str, runtime: Runtime) -> Any:
        self.opened.append(self._adapter(url, runtime=runtime, base_dir="/"))
        return self.opened[-1]

    def _keys(self) -> list[str]:
        pages = self._client.library.list(self._client.store, self.prefix.rstrip("/"))
        return [each["path"] for page in pages for each in page]


class _LostError(OutcomeUnknownError):
    """The reply of a request was lost."""
