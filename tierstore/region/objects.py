"""The protocol of a cold tier: objects that are written once and never changed.

An object has a *minted* name, `<region>/<incarnation>-<minted_ms>-<random>.<kind>`, under the
prefix of its region and never made from a user's key. What else lies under that prefix is
*foreign*: listed, but neither read nor deleted.

Every call takes `timeout_s`. An adapter raises `UnavailableError` when nothing happened,
`DeadlineExceededError` when the time was up before anything happened, `OutcomeUnknownError` when
an object may have been written or deleted, `CorruptionError` for one that is shorter than what was
asked of it, and `InvalidArgumentError` for a name or prefix that is not of the minted form. The
errors of its driver never leave it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, Protocol

from tierstore.errors import InvalidArgumentError, TierStoreError
from tierstore.runtime import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tierstore.region.capabilities import Capabilities
    from tierstore.runtime import Runtime

Kind = Literal["seg", "val"]
SEGMENT: Literal["seg"] = "seg"
"""The kind of an object with many records."""
VALUE: Literal["val"] = "val"
"""The kind of an object with one large value."""

CHUNK_BYTES_MAX = 256 << 10
NAME_RANDOM_BYTES = 8
INCARNATION_MAX = (1 << 63) - 1
MINTED_MS_MAX = (1 << 48) - 1

_REGION = r"[0-9a-z]{1,64}"
_PREFIX = re.compile(rf"({_REGION})/[^/\0]*")
_NAME = re.compile(
    rf"({_REGION})/(0|[1-9a-f][0-9a-f]{{0,15}})-([0-9a-f]{{12}})-[0-9a-f]{{16}}\.(seg|val)"
)


class ObjectExistsError(TierStoreError):
    """The name is taken; nothing was written. Mint another name."""

    retry = "now"


class ObjectMissingError(TierStoreError):
    """There is no such object: it was never written, or was swept. Read the row again."""

    retry = "now"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes [start, start + length) of an object."""

    start: int
    """The first byte, counted from 0."""
    length: int
    """How many bytes, from 0 on."""

    @property
    def end(self) -> int:
        """The first byte behind the range."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class ObjectName:
    """What a minted name says."""

    region: str
    """The id of the region that the object belongs to."""
    incarnation: int
    """The life of that region in which it was written."""
    minted_ms: int
    """The wall clock when the name was drawn, in milliseconds since the epoch."""
    kind: Kind
    """`SEGMENT` or `VALUE`."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing."""

    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a `put` that did not come to its end left behind."""

    name: str
    """By which `delete` knows it; no object has this name."""
    minted_ms: int
    """When the name of the object was drawn: a put of that moment may still be under way."""


@dataclass(slots=True)
class Listing:
    """One page of a listing, everything in it in byte order of the names."""

    objects: list[ObjectInfo] = field(default_factory=list)
    next_after: str | None = None
    """Where the next page goes on, None after the last. A page may be empty and have a next."""
    foreign: list[str] = field(default_factory=list)
    """Names under the prefix that tierstore did not mint, fit to be shown, not to be opened."""
    leftovers: list[Leftover] = field(default_factory=list)


class ObjectTier(Protocol):
    """A cold tier. Safe to use from several threads and across forks.

    A method `told()` may say in words what was found out about the server; `check` shows it.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this adapter can do: the same for all of its life."""

    def put(self, name: str, parts: Iterable[bytes], timeout_s: float) -> None:
        """Write a new object of these parts, whole and durable when this returns.

        Raises ObjectExistsError if the name is taken: nothing is ever overwritten. After any
        other error but OutcomeUnknownError there is no object of this name.
        """

    def read(self, name: str, ranges: Sequence[ByteRange], timeout_s: float) -> list[bytes]:
        """The bytes of each range, in the order asked for.

        Raises ObjectMissingError, or UnavailableError where it is the whole place that is
        missing; CorruptionError if a range reaches beyond the object's end.
        """

    def stream(self, name: str, timeout_s: float) -> Iterator[bytes]:
        """The whole object in chunks of 1 to `CHUNK_BYTES_MAX` bytes.

        Errors, those of `read`, are raised while iterating. `timeout_s` bounds the whole.
        """

    def delete(self, names: Sequence[str], timeout_s: float) -> None:
        """Remove objects and leftovers; those that are gone already count as removed.

        Refuses all if one name is foreign. After another error some may have been removed.
        """

    def list(self, prefix: str, after: str, limit: int, timeout_s: float) -> Listing:
        """The next `limit` names that begin with `prefix` and come after `after`.

        Foreign names and leftovers count towards `limit`. The prefix is a region's id, a slash,
        and perhaps the beginning of a name. An empty `after` starts at the first.
        """

    def close(self) -> None:
        """Release connections. Idempotent."""


def mint_name(runtime: Runtime, region: str, incarnation: int, kind: Kind) -> str:
    """A name that no object has, made from time and chance only.

    Raises InvalidArgumentError for a region, incarnation or kind that no name can carry.
    """
    chance = runtime.random_bytes(NAME_RANDOM_BYTES).hex()
    minted_ms = min(max(now_ms(runtime), 0), MINTED_MS_MAX)
    name = f"{region}/{incarnation:x}-{minted_ms:012x}-{chance}.{kind}"
    if parse_name(name) != ObjectName(region, incarnation, minted_ms, kind):
        raise InvalidArgumentError(f"no object can be named {name!r}")
    return name


@lru_cache(maxsize=1024)  # a pointer for each of many keys names the same object
def parse_name(name: str) -> ObjectName | None:
    """What a minted name says; None for a foreign one."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    region, incarnation, minted_ms, kind = match.groups()
    number = int(incarnation, 16)
    if number > INCARNATION_MAX:
        return None
    return ObjectName(region, number, int(minted_ms, 16), VALUE if kind == VALUE else SEGMENT)


def check_name(name: str) -> ObjectName:
    """What a minted name says. Raises InvalidArgumentError for a foreign one."""
    parsed = parse_name(name)
    if parsed is None:
        raise InvalidArgumentError(f"{name!r} is not the name of an object of tierstore")
    return parsed


def check_prefix(prefix: str) -> str:
    """The region whose objects begin with `prefix`.

    Raises InvalidArgumentError for a prefix that reaches beyond one region.
    """
    match = _PREFIX.fullmatch(prefix)
    if match is None:
        raise InvalidArgumentError(f"prefix {prefix!r}: expected a region's id and a slash")
    return match[1]
