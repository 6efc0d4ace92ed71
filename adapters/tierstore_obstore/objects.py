"""The cold tier by obstore: the verbs of an `ObjectTier`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from tierstore.errors import InvalidArgumentError
from tierstore.region.capabilities import Capabilities
from tierstore.region.deadline import Deadline
from tierstore.region.objects import check_name, check_prefix
from tierstore.region.probing import KNOWN, PROBE, Probing
from tierstore.region.refusals import MISSING, NOT_FOUND
from tierstore.region.requests import Refusal
from tierstore.region.together import run_together
from tierstore_obstore.address import parse_address
from tierstore_obstore.listing import list_page
from tierstore_obstore.reading import REQUESTS_MAX, Reader
from tierstore_obstore.session import Session
from tierstore_obstore.uploads import VALUE_BYTES_MAX, Upload, put_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.region.objects import ByteRange, Listing
    from tierstore.runtime import Runtime
    from tierstore_obstore.stores import Client

DELETED_AT_ONCE = {"s3": 1000, "gs": 10, "az": 256}
"""So many names obstore deletes in one request, or in requests at the same time."""


class ObstoreObjects:
    """A cold tier in a bucket: `s3://bucket/prefix?…`, `gs://…` or `az://…`.

    Constructing it asks nobody; stores are made at the first call, and anew in a forked child.
    Files that the url names are relative to `base_dir`. Raises PolicyError for a malformed `url`.
    """

    capabilities = Capabilities(ordered_scan=True, value_bytes_max=VALUE_BYTES_MAX)
    """Conditional puts are used where the server honours them, but are not promised: see `told`."""

    def __init__(self, url: str, *, runtime: Runtime, base_dir: str) -> None:
        self._runtime = runtime
        self._session = Session(parse_address(url, base_dir), runtime)
        self._probing = Probing(runtime, self._put_probe, self._delete_one)

    def __repr__(self) -> str:
        return f"ObstoreObjects({str(self._session.address)!r})"

    def told(self) -> str:
        """What was found out about the server, in words; empty before the first put."""
        return self._probing.told()

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Write a new object of these parts, whole and durable when this returns."""
        Upload(self._session, self._probing, name, Deadline(self._runtime, timeout_s)).run(parts)

    def read(self, name: str, ranges: Sequence[ByteRange], timeout_s: float) -> list[bytes]:
        """The bytes of each range, in the order asked for."""
        check_name(name)
        return Reader(self._session, name, Deadline(self._runtime, timeout_s)).read(ranges)

    def stream(self, name: str, timeout_s: float) -> Iterator[bytes]:
        """The whole object in chunks of 1 to `CHUNK_BYTES_MAX` bytes."""
        check_name(name)
        yield from Reader(self._session, name, Deadline(self._runtime, timeout_s)).stream()

    def delete(self, names: Sequence[str], timeout_s: float) -> None:
        """Remove objects; those that are gone already count as removed."""
        deadline = Deadline(self._runtime, timeout_s)
        for name in names:
            check_name(name)
        wanted = list(dict.fromkeys(names))
        at_once = DELETED_AT_ONCE[self._session.address.scheme]
        for start in range(0, len(wanted), at_once):
            self._delete_some(wanted[start : start + at_once], deadline)

    def list(self, prefix: str, after: str, limit: int, timeout_s: float) -> Listing:
        """The next `limit` names that begin with `prefix` and come after `after`."""
        check_prefix(prefix)
        if limit < 1:
            raise InvalidArgumentError("a page has room for one name at least")
        return list_page(self._session, prefix, after, limit, Deadline(self._runtime, timeout_s))

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._session.close()

    def _delete_some(self, names: Sequence[str], deadline: Deadline) -> None:
        """By one request; by one for each if one is gone, which hides what became of others."""
        try:
            self._delete(names, deadline)
        except Refusal:
            jobs = [partial(self._delete_one, name, deadline) for name in names]
            run_together(jobs, self._runtime, REQUESTS_MAX, deadline)

    def _delete_one(self, name: str, deadline: Deadline) -> None:
        try:
            self._delete([name], deadline)
        except Refusal:
            return  # it is gone already

    def _delete(self, names: Sequence[str], deadline: Deadline) -> None:
        keys = [self._session.key(name) for name in names]

        def delete(client: Client) -> None:
            client.library.delete(client.store, keys)

        self._session.ask(delete, deadline, {MISSING, str(NOT_FOUND)}, is_changing=True)

    def _put_probe(self, name: str, deadline: Deadline) -> None:
        request = put_request(self._session, name, PROBE, "create", "")
        self._session.ask(request, deadline, KNOWN, is_changing=True)
