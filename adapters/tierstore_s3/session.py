"""Asking S3: one request at a time, repeated with jitter while that may help and there is time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import DeadlineExceededError, OutcomeUnknownError, TierStoreError
from tierstore.region.deadline import Deadline
from tierstore.runtime import jitter
from tierstore_s3.connections import Connections
from tierstore_s3.errors import DRIVER_ERRORS, Failure, failure_of, translate

if TYPE_CHECKING:
    from collections.abc import Collection

    from tierstore.runtime import Runtime
    from tierstore_s3.location import Location

ATTEMPTS_MAX = 6
PAUSE_S, PAUSE_MAX_S = 0.05, 2.0
"""The longest pause before the first repetition, doubled for each one after it, and its bound."""

_CHANGING = {"put_object", "complete_multipart_upload", "delete_objects"}
"""Operations after which something is there that was not, or the other way round."""


class Refusal(Exception):  # noqa: N818 - an answer that the caller asked for, not an error yet
    """S3 answered with one of the codes that the caller knows what to do with."""

    def __init__(self, code: str, *, is_in_doubt: bool) -> None:
        super().__init__(code)
        self.code = code
        self.is_in_doubt = is_in_doubt
        """Whether an earlier attempt got no answer, and may have been carried out."""


class Session:
    """Requests about one bucket."""

    def __init__(self, location: Location, runtime: Runtime) -> None:
        self.location = location
        self.runtime = runtime
        self.connections = Connections(location, runtime)
        self._everywhere: dict[str, str] = {"Bucket": location.bucket}
        if location.owner:
            self._everywhere["ExpectedBucketOwner"] = location.owner

    @property
    def place(self) -> str:
        """How messages call the tier."""
        return f"the cold tier in bucket {self.location.bucket!r}"

    def key(self, name: str) -> str:
        """Where the object `name` is in the bucket."""
        return self.location.prefix + name

    def ask(
        self, operation: str, deadline: Deadline, known: Collection[str] = (), **parameters: Any
    ) -> Any:
        """The answer to `operation` of boto3's client.

        Raises Refusal for a code that is `known`, OutcomeUnknownError if a change may have
        happened, UnavailableError for the rest; DeadlineExceededError if the time was up before.
        """
        is_in_doubt, last = False, None
        for attempt in range(ATTEMPTS_MAX):
            try:
                client = self.connections.client(deadline.remaining_s())
                return getattr(client, operation)(**self._everywhere, **parameters)
            except DeadlineExceededError as error:
                raise self._late(error, last, is_in_doubt) from error
            except TierStoreError:
                raise
            except DRIVER_ERRORS as error:
                failure = failure_of(error)
                if failure.code in known:
                    raise Refusal(failure.code, is_in_doubt=is_in_doubt) from error
                is_in_doubt |= failure.is_in_doubt and operation in _CHANGING
                if not failure.is_retried or attempt == ATTEMPTS_MAX - 1:
                    raise self.translated(failure, is_in_doubt=is_in_doubt) from error
                last = failure
            self.pause(attempt, deadline)
        raise AssertionError("the last attempt returns or raises")

    def translated(self, failure: Failure, *, is_in_doubt: bool = False) -> TierStoreError:
        """The error of tierstore for a failure here."""
        return translate(failure, self.place, is_in_doubt=is_in_doubt)

    def pause(self, attempt: int, deadline: Deadline) -> None:
        """Wait before the next attempt: at random, for longer each time, not beyond the end."""
        self.runtime.sometimes("s3 request repeated")
        longest_s = min(PAUSE_S * 2**attempt, PAUSE_MAX_S)
        try:
            left_s = deadline.remaining_s()
        except DeadlineExceededError:
            return  # the next attempt says so
        self.runtime.sleep(min(longest_s * jitter(self.runtime), left_s))

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self.connections.close()

    def _late(
        self, error: DeadlineExceededError, last: Failure | None, is_in_doubt: bool
    ) -> TierStoreError:
        if is_in_doubt:
            return OutcomeUnknownError(f"{self.place}: {error}; what was asked may have happened")
        why = f"; at last {last.meaning} ({last.code})" if last else ""
        return DeadlineExceededError(f"{self.place}: {error}{why}")
