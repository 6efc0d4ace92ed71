"""Asking S3: one request at a time, repeated with jitter while that may help and there is time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.region.requests import Requests
from tierstore_s3.connections import Connections
from tierstore_s3.errors import DRIVER_ERRORS, failure_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierstore.errors import TierStoreError
    from tierstore.region.deadline import Deadline
    from tierstore.region.requests import Failure
    from tierstore.runtime import Runtime
    from tierstore_s3.location import Location

_CHANGING = {"put_object", "complete_multipart_upload", "delete_objects"}
"""Operations after which something is there that was not, or the other way round."""


class Session:
    """Requests about one bucket."""

    def __init__(self, location: Location, runtime: Runtime) -> None:
        self.location = location
        self.runtime = runtime
        self.connections = Connections(location, runtime)
        self.place = f"the cold tier in bucket {location.bucket!r}"
        """How messages call the tier."""
        self._requests = Requests(self.place, runtime, DRIVER_ERRORS, failure_of)
        self._everywhere: dict[str, str] = {"Bucket": location.bucket}
        if location.owner:
            self._everywhere["ExpectedBucketOwner"] = location.owner

    def key(self, name: str) -> str:
        """Where the object `name` is in the bucket."""
        return self.location.prefix + name

    def ask(
        self, operation: str, deadline: Deadline, known: Collection[str] = (), **parameters: Any
    ) -> Any:
        """The answer to `operation` of boto3's client. Raises what `Requests.ask` does."""

        def send(left_s: float) -> Any:
            client = self.connections.client(left_s)
            return getattr(client, operation)(**self._everywhere, **parameters)

        return self._requests.ask(send, deadline, known, is_changing=operation in _CHANGING)

    def translated(self, failure: Failure) -> TierStoreError:
        """The error of tierstore for a failure here, of a request that changed nothing."""
        return self._requests.translated(failure)

    def pause(self, attempt: int, deadline: Deadline) -> None:
        """Wait before the next attempt."""
        self._requests.pause(attempt, deadline)

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self.connections.close()
