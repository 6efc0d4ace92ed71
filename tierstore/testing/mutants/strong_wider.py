"""Mutants of what strong keys meet with besides: restores, power cuts, cold tiers, hours."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.coordinator.central import Central
from tierstore.coordinator.leases import Leases
from tierstore.coordinator.near import Near
from tierstore.region import commits, operations
from tierstore.region.operations import NAMED_MS, WINDOW_MS, begun_ms
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import patched, plants
from tierstore.testing.mutants.strong_worlds import (
    AGES,
    CHILLED,
    HOURS,
    RESTORED_LEASES,
    RESTORED_NAMES,
    RESTORED_NUMBERS,
    RESTORED_VERSIONS,
    UNPOWERED,
)
from tierstore.tiers.registry import load_region

if TYPE_CHECKING:
    from collections.abc import Iterator

MINUTE_MS = 60_000


@plants(MemoryRegion, "reincarnate")
def tokens_reused(right: Any) -> Any:
    def reincarnate(self: Any, *arguments: Any) -> Any:
        number = self._number
        made = right(self, *arguments)
        self._number = number
        return made

    return reincarnate


@plants(MemoryRegion, "reincarnate")
def versions_reused(right: Any) -> Any:
    return lambda self, *arguments: self._info


@plants(Central, "life")
def block_of_any_life(right: Any) -> Any:
    return lambda self, deadline: 0


@plants(Leases, "_lose")
def refused_renewal_not_noted(right: Any) -> Any:
    return lambda self, hold: hold.renewed(self._runtime.monotonic())


@plants(MemoryRegion, "reincarnate")
def operations_lost(right: Any) -> Any:
    def reincarnate(self: Any, *arguments: Any) -> Any:
        self._operations.clear()
        return right(self, *arguments)

    return reincarnate


@contextmanager
def _commit_not_synced() -> Iterator[None]:
    def wrong(right: Any) -> Any:
        def set_up(self: Any, connection: Any) -> None:
            right(self, connection)
            connection.execute("PRAGMA synchronous = NORMAL")

        return set_up

    with patched(_sqlite(), "_set_up", wrong):
        yield


def _sqlite() -> Any:
    """The class that opens databases; loaded when it is needed, as adapters are."""
    import importlib

    return importlib.import_module(f"{load_region('sqlite').__module__[:-7]}.sqlite_dialect").Sqlite


@plants(Central, "read_live")
def cold_read_as_absent(right: Any) -> Any:
    def read(self: Any, keys: Any, deadline: Any) -> Any:
        found = right(self, keys, deadline)
        return {key: None if row and row.cold is not None else row for key, row in found.items()}

    return read


@plants(commits, "live_version")
def cold_checked_as_absent(right: Any) -> Any:
    def version(row: Any, now_ms: int) -> Any:
        return None if row is not None and row.cold is not None else right(row, now_ms)

    return version


@plants(commits, "with_record", is_local=True)
def cold_row_keeps_its_pointer(right: Any) -> Any:
    def written(row: Any, key: str, record: Any, terms: Any) -> Any:
        made = right(row, key, record, terms)
        is_cold = row is not None and row.cold is not None and record.payload is not None
        return replace(made, cold=row.cold, record=_elsewhere(made, row)) if is_cold else made

    return written


def _elsewhere(made: Any, row: Any) -> Any:
    old, new = row.record, made.record
    fields = new.stamp, new.replica, old.payload, new.expires_at_ms, new.touch, new.metadata
    return type(new)(*fields)


@plants(Near, "note")
def copy_as_old_as_its_answer(right: Any) -> Any:
    return lambda self, rows, at_s: right(self, rows, self._runtime.monotonic())


@plants(operations, "judge")
def window_not_looked_at(right: Any) -> Any:
    def judge(found: Any, commit: Any, incarnation: int, now_ms: int) -> Any:
        begun = begun_ms(commit.operation_id)
        kept = found if found is not None and found.expires_ms >= now_ms else None
        then_ms = now_ms if begun is None else min(now_ms, begun + WINDOW_MS)
        return right(kept, commit, incarnation, then_ms)

    return judge


@plants(operations, "expiry_ms")
def window_of_a_minute(right: Any) -> Any:
    def expiry(operation_id: str, now_ms: int) -> int:
        begun = begun_ms(operation_id)
        return now_ms + NAMED_MS if begun is None else begun + MINUTE_MS

    return expiry


MUTANTS = (
    Mutant(
        "tokens-reused-after-a-restore",
        "goes on with the numbers of the backup when a region is restored.",
        "a fence that lets the former holder in",
        tokens_reused, (RESTORED_LEASES,), 0,
    ),
    Mutant(
        "versions-reused-after-a-restore",
        "goes on with a restored region as if it still lived the same life.",
        "a compare-and-set that fits what another life wrote",
        versions_reused, (RESTORED_VERSIONS,), 0,
    ),
    Mutant(
        "block-of-a-former-life",
        "goes on with the numbers of a sequence that it had reserved before a restore.",
        "an order number that is given twice after a restore",
        block_of_any_life, (RESTORED_NUMBERS,), 1,
    ),
    Mutant(
        "refused-renewal-not-noted",
        "counts on a lease whose renewal was refused.",
        "two who both count on one lease after a restore",
        refused_renewal_not_noted, (RESTORED_LEASES,), 9,
    ),
    Mutant(
        "operations-lost-by-a-restore",
        "forgets what the backup knows of operations when a region is restored.",
        "a payment of yesterday that is made again today",
        operations_lost, (RESTORED_NAMES, RESTORED_VERSIONS), 0,
    ),
    Mutant(
        "commit-not-synced",
        "answers a commit before it is on the disk.",
        "money that is gone after a power cut",
        _commit_not_synced, (UNPOWERED,), 0,
    ),
    Mutant(
        "cold-row-read-as-absent",
        "takes a strong key that lies in an object for one that has no value.",
        "an account that is empty as nobody has used it for long",
        cold_read_as_absent, (CHILLED,), 0,
    ),
    Mutant(
        "cold-row-checked-as-absent",
        "lets a strong key be created that lies in an object.",
        "a name that is given to a second person as the first one was away",
        cold_checked_as_absent, (CHILLED,), 0,
    ),
    Mutant(
        "cold-row-keeps-its-pointer",
        "leaves a strong key that is written where it was, in an object.",
        "a write that was acknowledged, and is not to be seen",
        cold_row_keeps_its_pointer, (CHILLED,), 0,
    ),
    Mutant(
        "copy-as-old-as-its-answer",
        "counts the age of a copy of a strong key from the answer on, not from the request.",
        "a price that is older than its receipt says",
        copy_as_old_as_its_answer, (AGES,), 16,
    ),
    Mutant(
        "window-not-looked-at",
        "carries out a commit whose operation id is older than what is kept of such.",
        "a retry of yesterday that pays again",
        window_not_looked_at, (HOURS,), 0,
    ),
    Mutant(
        "window-of-a-minute",
        "keeps what became of an operation for a minute, and takes its id for an hour.",
        "a retry that pays again, but only after lunch",
        window_of_a_minute, (HOURS,), 0,
    ),
)  # fmt: skip
