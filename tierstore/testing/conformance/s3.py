"""The harness of a cold tier on S3: a prefix of its own in a bucket that is there."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
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
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, Self

    from tierstore.region.objects import ObjectTier

TIMEOUT_S = 10.0
PLANTERS = 6
DELETED_MAX = 1000
SECRET = "c4n4ry"  # noqa: S105  # what must not show


class FaultyHttp:
    """The HTTP of a client, whose requests go wrong as the harness says."""

    def __init__(self, http: Any, harness: S3Harness) -> None:
        self._http, self._harness = http, harness

    def __getattr__(self, name: str) -> Any:
        return getattr(self._http, name)

    def send(self, request: Any) -> Any:
        """As the driver does it, or fails."""
        from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

        try:
            if self._harness.is_away:
                raise UnavailableError("made unreachable")
            plan = self._harness.plan
            return plan.run("s3", lambda: self._http.send(request), OutcomeUnknownError)
        except UnavailableError as error:
            raise EndpointConnectionError(endpoint_url=request.url) from error
        except OutcomeUnknownError as error:
            raise ConnectionClosedError(endpoint_url=request.url) from error


class S3Harness(ObjectHarness):
    """A cold tier under a prefix that is made for it, and emptied at the end."""

    cannot: Mapping[str, str] = {
        "full": "a bucket has no end",
        "open_resources": "connections are the driver's, which keeps some for later",
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
        self._adapter: Any = load_objects("s3")
        self._own = self._adapter(self.url, runtime=Runtime(), base_dir="/")
        self.location = self._own._session.location
        self.client = self._require_client()

    def _require_client(self) -> Any:
        """The driver's own client. Raises CannotError unless it may list what is there."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            client = self._own._session.connections.client(TIMEOUT_S)
            client.list_objects_v2(Bucket=self.location.bucket, MaxKeys=1)
        except (BotoCoreError, ClientError, TierStoreError) as error:
            raise CannotError(f"its bucket cannot be used: {type(error).__name__}") from error
        return client

    @contextmanager
    def entered(self) -> Iterator[Self]:
        """Replaces the HTTP of clients that the adapter makes meanwhile."""
        connections = import_module(f"{self._adapter.__module__.partition('.')[0]}.connections")
        make = connections.Connections._make

        def make_faulty(own: Any, wait_s: float) -> Any:
            client = make(own, wait_s)
            client._endpoint.http_session = FaultyHttp(client._endpoint.http_session, self)
            return client

        with mock.patch.object(connections.Connections, "_make", make_faulty), super().entered():
            yield self

    def open(self, runtime: Runtime | None = None) -> ObjectTier:
        """A handle of the prefix."""
        objects: ObjectTier = self._open(self.url, runtime or self.clock)
        return objects

    def raw_object(self, name: str) -> bytes | None:
        """What the server has."""
        try:
            body: bytes = self.client.get_object(**self._where(name))["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None
        return body

    def raw_names(self) -> set[str]:
        """Every key under the prefix, and every upload that has not ended."""
        cut = len(self.location.prefix)
        return {key[cut:] for key in [*self._keys(), *(key for key, _ in self._uploads())]}

    def plant(self, name: str, content: bytes) -> None:
        """Put an object."""
        self.client.put_object(**self._where(name), Body=content)

    def plant_many(self, names: Sequence[str], content: bytes) -> None:
        """Put them on several connections at once."""
        with ThreadPoolExecutor(PLANTERS) as pool:
            list(pool.map(partial(self.plant, content=content), names))

    def plant_leftover(self, name: str) -> str:
        """An upload in parts that was never completed."""
        where = self._where(name)
        upload = self.client.create_multipart_upload(**where)["UploadId"]
        self.client.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"half of")
        listing = import_module(f"{self._adapter.__module__.partition('.')[0]}.listing")
        left: str = listing.leftover_name(name, upload)
        return left

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
        base, _, options = self.url.partition("?")
        kept = [o for o in options.split("&") if not o.startswith(("access_", "secret_"))]
        bucket = base.partition("://")[2].rpartition("@")[2]
        url = f"s3://{SECRET}:{SECRET}@{bucket}?{'&'.join(kept)}"
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
        bucket = self.location.bucket
        for key, upload in self._uploads():
            self.client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        keys = [{"Key": key} for key in self._keys()]
        for start in range(0, len(keys), DELETED_MAX):
            part = {"Objects": keys[start : start + DELETED_MAX]}
            self.client.delete_objects(Bucket=bucket, Delete=part)
        self._own.close()

    def _open(self, url: str, runtime: Runtime) -> Any:
        self.opened.append(self._adapter(url, runtime=runtime, base_dir="/"))
        return self.opened[-1]

    def _where(self, name: str) -> dict[str, str]:
        return {"Bucket": self.location.bucket, "Key": f"{self.location.prefix}{name}"}

    def _keys(self) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.location.bucket, Prefix=self.location.prefix
        )
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def _uploads(self) -> list[tuple[str, str]]:
        found = self.client.list_multipart_uploads(
            Bucket=self.location.bucket, Prefix=self.location.prefix
        )
        return [(each["Key"], each["UploadId"]) for each in found.get("Uploads", [])]
