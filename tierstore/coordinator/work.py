"""What a transaction has read and means to write, and the commit that follows from it.

Optimistic: nothing is locked before the commit, which checks that all that was read is as it was
(Kung and Robinson, "On optimistic methods for concurrency control", TODS 1981, section 3). Each
further read looks again at what was read before, in one snapshot with it, so that the block never
acts on a state that there never was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import ConflictError, ValueTooLargeError
from tierstore.region.commits import CELLS_MAX, DATA, Cell, Check, Commit, Write, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tierstore.coordinator.central import Central
    from tierstore.region.commits import Version
    from tierstore.region.deadline import Deadline
    from tierstore.region.rows import Row


class Work:
    """Reads and writes of one transaction. Not thread-safe."""

    def __init__(self, central: Central) -> None:
        self._central = central
        self.seen: dict[str, Row | None] = {}
        """What was read: rows that have a value, None for keys that have none."""
        self.writes: dict[str, Write] = {}
        self.required: dict[Cell, Version] = {}
        """Leases that the commit has to find held."""
        self.request = self.answer = b""
        """As in `Commit`."""

    @property
    def asks(self) -> bool:
        """Whether there is something to commit: reads alone have been one snapshot already."""
        return bool(self.writes or self.required)

    def read(self, keys: Iterable[str], deadline: Deadline) -> dict[str, Row | None]:
        """The rows of `keys`, as of one moment with all that was read before.

        Raises ConflictError if something of that has changed; UnavailableError; CorruptionError.
        """
        wanted = list(dict.fromkeys(keys))
        new = [key for key in wanted if key not in self.seen]
        if new:
            known = list(self.seen)
            self._check_count(len(known) + len(new))
            found = self._central.read_live([*known, *new], deadline)
            refuse_changed({key: self.seen[key] for key in known}, found)
            self.seen.update((key, found[key]) for key in new)
        return {key: self.seen[key] for key in wanted}

    def write(self, write: Write) -> None:
        """Note what is to happen to a key, instead of what was noted before."""
        self.writes[write.cell.key] = write
        self._check_count(len(self.seen.keys() | self.writes.keys()))

    def commit(self, operation_id: str) -> Commit:
        """What to ask for, as one step."""
        checks = [Check(Cell(DATA, key), version_in(row)) for key, row in self.seen.items()]
        checks += [Check(cell, version) for cell, version in self.required.items()]
        writes = tuple(self.writes.values())
        return Commit(tuple(checks), writes, operation_id, self.request, self.answer)

    def _check_count(self, count: int) -> None:
        count += len(self.required)
        if count > CELLS_MAX:
            raise ValueTooLargeError(
                f"a transaction reads and writes at most {CELLS_MAX} keys: make several of it"
            )


def refuse_changed(before: Mapping[str, Row | None], now: Mapping[str, Row | None]) -> None:
    """Raise ConflictError, naming the keys whose versions differ."""
    changed = {
        key: now[key] for key, row in before.items() if version_in(row) != version_in(now[key])
    }
    if changed:
        raise conflict({key: version_in(row) for key, row in changed.items()})


def version_in(row: Row | None) -> Version | None:
    """The version of a row that has a value, None for none."""
    return None if row is None else version_of(row)


def conflict(current: Mapping[str, Version | None]) -> ConflictError:
    """The error for keys that have other versions than was expected."""
    names = ", ".join(repr(key) for key in current)
    return ConflictError(
        f"{names} changed meanwhile: read again, then retry",
        current={key: None if held is None else str(held) for key, held in current.items()},
    )
