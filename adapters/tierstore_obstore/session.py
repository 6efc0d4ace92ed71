"""Asking a store: one request at a time, each within the time that is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tierstore.region.requests import Requests
from tierstore_obstore.errors import RequestFailed, failure_of
from tierstore_obstore.stores import Stores

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from tierstore.region.deadline import Deadline
    from tierstore.runtime import Runtime
    from tierstore_obstore.address import Address
    from tierstore_obstore.stores import Client

T = TypeVar("T")

_PANIC = "PanicException"  # of Rust; not an Exception, and no thread of ours may end by it


class Session:
    """Requests about one bucket."""

    def __init__(self, address: Address, runtime: Runtime) -> None:
        self.address = address
        self.runtime = runtime
        self.place = f"the cold tier in bucket {address.bucket!r}"
        """How messages call the tier."""
        self.requests = Requests(self.place, runtime, (RequestFailed,), _failure)
        self._stores = Stores(address, runtime)

    def key(self, name: str) -> str:
        """Where the object `name` is in the bucket."""
        return self.address.prefix + name

    def ask(
        self,
        verb: Callable[[Client], T],
        deadline: Deadline,
        known: Collection[str] = (),
        *,
        is_changing: bool = False,
        share: float = 1.0,
    ) -> T:
        """What `verb` returns of a client. Raises what `Requests.ask` does.

        One request gets at most `share` of the time that is left.
        """

        def send(left_s: float) -> T:
            client = self._stores.client(left_s * share)
            return self.attempt(lambda: verb(client))

        return self.requests.ask(send, deadline, known, is_changing=is_changing)

    def attempt(self, request: Callable[[], T]) -> T:
        """What `request` returns. Raises RequestFailed, with no cause, for any error of obstore."""
        try:
            return request()
        except RequestFailed:
            raise
        except BaseException as error:
            if not _is_of_obstore(error):
                raise
            raise RequestFailed(failure_of(error)) from None

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._stores.close()


def _failure(error: BaseException) -> Any:
    assert isinstance(error, RequestFailed)
    return error.failure


def _is_of_obstore(error: BaseException) -> bool:
    """Also of a copy of it: each has classes of its own."""
    kind = type(error)
    return (
        isinstance(error, FileNotFoundError)
        or kind.__module__.partition(".")[0] == "obstore"
        or kind.__name__ == _PANIC
    )
