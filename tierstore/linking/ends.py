"""One of the two regions of a link: made when it is first needed, read in portions.

Rows are read by as many at a time as lately filled a few MiB, so that a link of large values needs
no more memory than one of small ones. Payloads that lie in objects are brought along.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tierstore.record import ELSEWHERE, with_payload
from tierstore.region.rows import EVENTUAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tierstore.region.peers import PeeredRegion
    from tierstore.region.rows import Row
    from tierstore.tiers.cold import ColdReply

    ReadCold = Callable[[dict[str, Row], float], ColdReply]

KEYS_MAX = 1000
PORTION_BYTES = 4 << 20
FIRST_PORTION = 32
ATTEMPTS_MAX = 3


@dataclass(slots=True)
class Portion:
    """Whole rows of some keys, and what is known to be damaged."""

    rows: list[Row] = field(default_factory=list)
    corrupt: dict[str, str] = field(default_factory=dict)


class End:
    """A region, as a link sees it."""

    def __init__(
        self,
        name: str,
        open_region: Callable[[], PeeredRegion],
        timeout_s: float,
        read_cold: ReadCold | None = None,
        cold_s: float = 10.0,
        admits: Callable[[str], bool] = lambda _: True,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`read_cold` reads the payloads of rows that lie in objects; without it those are damaged.

        `timeout_s` and `cold_s` bound each call of the region and of its cold tier; `admits` says
        of a key whether it may stand here; `close` releases what was opened for this end.
        """
        self.admits = admits
        self.close = close
        self.name = name
        self.timeout_s = timeout_s
        self._open_region = open_region
        self._read_cold = read_cold
        self._cold_s = cold_s
        self._portion = FIRST_PORTION

    @property
    def region(self) -> PeeredRegion:
        """The adapter."""
        return self._open_region()

    def portions(self, keys: Sequence[str], replica: int) -> Iterator[Portion]:
        """The rows of those of `keys` that exist and are not strong, a portion at a time."""
        at = 0
        while at < len(keys):
            chunk = keys[at : at + self._portion]
            at += len(chunk)
            portion = self._read(chunk, replica)
            self._adapt(len(chunk), sum(len(row.record.payload or b"") for row in portion.rows))
            yield portion

    def _adapt(self, count: int, size_bytes: int) -> None:
        """Ask for about `PORTION_BYTES` next time, growing by steps."""
        fitting = KEYS_MAX if not size_bytes else max(1, PORTION_BYTES * count // size_bytes)
        self._portion = min(KEYS_MAX, fitting, 2 * self._portion)

    def _read(self, keys: Sequence[str], replica: int) -> Portion:
        portion, left = Portion(), list(keys)
        for _ in range(ATTEMPTS_MAX):
            reply = self.region.read(left, replica, self.timeout_s)
            portion.corrupt.update(reply.corrupt)
            cold: dict[str, Row] = {}
            for row in reply.rows.values():
                if row.consistency != EVENTUAL:
                    continue
                if row.record.payload == ELSEWHERE:
                    cold[row.key] = row
                else:
                    portion.rows.append(row)
            left = self._hydrate(cold, portion)
            if not left:
                return portion
        portion.corrupt.update((key, "its object is missing") for key in left)
        return portion

    def _hydrate(self, cold: dict[str, Row], portion: Portion) -> list[str]:
        """Add those rows with their payloads; the keys whose object was gone, as it was moved."""
        if not cold:
            return []
        if self._read_cold is None:
            portion.corrupt.update((key, "its cold tier is not known here") for key in cold)
            return []
        reply = self._read_cold(cold, self._cold_s)
        for key, payload in reply.payloads.items():
            row = cold[key]
            portion.rows.append(replace(row, record=with_payload(row.record, payload), cold=None))
        portion.corrupt.update(reply.corrupt)
        return [key for key in cold if key in reply.missing]
