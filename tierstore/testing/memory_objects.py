"""Objects in a dict, and objects that fail on purpose: for tests and simulation.

>>> from tierstore.testing import FaultPlan
>>> plan = FaultPlan()
>>> objects = FaultyObjects(MemoryObjects(), plan)
>>> name = "a1/1-018bcfe56800-0123456789abcdef.seg"
>>> objects.put(name, [b"many ", b"records"], timeout_s=1.0)
>>> objects.read(name, [ByteRange(5, 7)], timeout_s=1.0)
[b'records']
>>> plan.arm(1, "lost")
>>> objects.delete([name], timeout_s=1.0)
Traceback (most recent call last):
    ...
tierstore.errors.OutcomeUnknownError: objects.delete: its reply was made to get lost
>>> objects.list("a1/", "", 10, timeout_s=1.0).objects
[]
"""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from tierstore.errors import (
    CorruptionError,
    InvalidArgumentError,
    OutcomeUnknownError,
    UnavailableError,
)
from tierstore.region.capabilities import Capabilities
from tierstore.region.objects import (
    CHUNK_BYTES_MAX,
    ByteRange,
    Listing,
    ObjectExistsError,
    ObjectInfo,
    ObjectMissingError,
    check_name,
    check_prefix,
    parse_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TypeVar

    from tierstore.region.objects import ObjectTier
    from tierstore.testing.plan import FaultPlan

    T = TypeVar("T")


class MemoryObjects:
    """A cold tier that lives as long as this object. Closing it only counts; it can be shared."""

    capabilities = Capabilities(
        durable=False, shared=False, conditional_put=True, ordered_scan=True
    )

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        """Every object by name. Names put here directly may be foreign."""
        self.closed_count = 0

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Keep a new object of these parts."""
        check_name(name)
        whole = b"".join(parts)
        if self.blobs.setdefault(name, whole) is not whole:
            raise ObjectExistsError(f"there is an object {name} already")

    def read(self, name: str, ranges: Sequence[ByteRange], timeout_s: float) -> list[bytes]:
        """The bytes of each range, in the order asked for."""
        whole = self._find(name)
        for asked in ranges:
            if asked.start < 0 or asked.length < 0:
                raise InvalidArgumentError("a range begins before the object or ends before itself")
            if asked.end > len(whole):
                text = f"object {name} is shorter than it was"
                raise CorruptionError(text, tier="cold", object=name)
        return [whole[asked.start : asked.end] for asked in ranges]

    def stream(self, name: str, timeout_s: float) -> Iterator[bytes]:
        """The whole object in chunks."""
        whole = self._find(name)
        for start in range(0, len(whole), CHUNK_BYTES_MAX):
            yield whole[start : start + CHUNK_BYTES_MAX]

    def delete(self, names: Sequence[str], timeout_s: float) -> None:
        """Forget objects."""
        for name in names:
            check_name(name)
        for name in names:
            self.blobs.pop(name, None)

    def list(self, prefix: str, after: str, limit: int, timeout_s: float) -> Listing:
        """The next `limit` names that begin with `prefix` and come after `after`."""
        check_prefix(prefix)
        page, every = Listing(), list(self.blobs)
        wanted = (name for name in every if name.startswith(prefix) and name > after)
        names = nsmallest(limit + 1, wanted)
        page.next_after = names[limit - 1] if len(names) > limit else None
        for name in names[:limit]:
            if parse_name(name) is None:
                page.foreign.append(name)
            elif (blob := self.blobs.get(name)) is not None:
                page.objects.append(ObjectInfo(name, len(blob)))
        return page

    def close(self) -> None:
        """Count; the content stays."""
        self.closed_count += 1

    def _find(self, name: str) -> bytes:
        check_name(name)
        try:
            return self.blobs[name]
        except KeyError:
            raise ObjectMissingError(f"there is no object {name}") from None


class FaultyObjects:
    """A cold tier whose calls go wrong as `plan` says; otherwise `inner`."""

    def __init__(self, inner: ObjectTier, plan: FaultPlan) -> None:
        self._inner = inner
        self._plan = plan

    @property
    def capabilities(self) -> Capabilities:
        """Those of the inner tier."""
        return self._inner.capabilities

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Write a new object of these parts."""
        self._write("put", lambda: self._inner.put(name, parts, timeout_s))

    def read(self, name: str, ranges: Sequence[ByteRange], timeout_s: float) -> list[bytes]:
        """The bytes of each range."""
        return self._read("read", lambda: self._inner.read(name, ranges, timeout_s))

    def stream(self, name: str, timeout_s: float) -> Iterator[bytes]:
        """The whole object in chunks; what goes wrong does so at the first."""
        yield from self._read("stream", lambda: self._inner.stream(name, timeout_s))

    def delete(self, names: Sequence[str], timeout_s: float) -> None:
        """Remove objects."""
        self._write("delete", lambda: self._inner.delete(names, timeout_s))

    def list(self, prefix: str, after: str, limit: int, timeout_s: float) -> Listing:
        """The next `limit` names."""
        return self._read("list", lambda: self._inner.list(prefix, after, limit, timeout_s))

    def close(self) -> None:
        """Release connections: never fails."""
        self._inner.close()

    def _read(self, name: str, call: Callable[[], T]) -> T:
        return self._plan.run(f"objects.{name}", call, UnavailableError)

    def _write(self, name: str, call: Callable[[], T]) -> T:
        return self._plan.run(f"objects.{name}", call, OutcomeUnknownError)
