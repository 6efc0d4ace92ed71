"""The regions of a cluster, each where it runs: what it is made of, and how it is reached."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter
from tierstore.record import COUNTER, ELSEWHERE
from tierstore.region.pointer import decode_pointer
from tierstore.runtime.chance import Chance
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.simulation.objects import ColdDisk
from tierstore.testing.simulation.read_committed import Pace, ReadCommittedRegion
from tierstore.testing.simulation.runtime import Clock, SimulatedRuntime
from tierstore.testing.simulation.scheduler import NS_PER_MS
from tierstore.testing.simulation.sqlite import Errors, SqliteSite, can_join

if TYPE_CHECKING:
    from tierstore.region.apply import Limits
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.testing.simulation.options import Options
    from tierstore.testing.simulation.scheduler import Process

_NOT_CONTENT = frozenset(
    (
        "_runtime",
        "_scheduler",
        "_pace",
        "_limits",
        "_lock",
        "_locks",
        "_of_writer",
        "_of_operation",
        "_under_way",
    )
)
"""What of a region in memory is not in its database."""
_COLD = 4
"""Where the pointer is in what `SqliteSite.rows` has of a row."""
ROWS_MAX = 100_000
TIMEOUT_S = 10.0


class Site:
    """One region and its cold tier. The first draws what the only one of a world would draw."""

    def __init__(self, cluster: Cluster, number: int, limits: Limits, folder: str) -> None:
        self.name = name_of(cluster.options, number)
        self._cluster = cluster
        self._number = number
        self.clock = Clock(cluster.scheduler)
        if number and cluster.options.skew_ms_max:
            part = 2 * self._chance("clock").random() - 1
            self.clock.offset_ns = int(part * cluster.options.skew_ms_max * NS_PER_MS)
        self.objects = ColdDisk(cluster.scheduler, self._chance("cold"))
        self._runtime = SimulatedRuntime(
            cluster.scheduler, cluster.server, self.clock, self._chance("server"),
            cluster.reached, cluster.broken,
        )  # fmt: skip
        self._file = self._make_file(folder, limits)
        self.region: Any = self._make_region(limits)
        """As somebody uses it who is no edge process."""

    def open(self, process: Process, runtime: Runtime) -> Any:
        """The region, as one process uses it."""
        if self._file is None:
            return self.region
        return self._file.open(self._cluster.scheduler, process, runtime, self._cluster.errors)

    def close_of(self, process: Process) -> None:
        """Cut a process that ends off from the region."""
        if self._file is not None:
            self._file.close_of(process)

    @property
    def file(self) -> SqliteSite | None:
        """The file that it is in, if it is in one."""
        return self._file

    @property
    def rows(self) -> dict[str, Row] | None:
        """All rows, to be looked at or spoilt, where they are at hand."""
        return None if self._file is not None else self.region.rows

    def take_rows(self) -> dict[str, Any]:
        """All rows as they are now, for `change_rows`."""
        return dict(self.region.rows) if self._file is None else self._file.rows()

    def change_rows(self, lost: list[str], changed: dict[str, Any]) -> None:
        """Lose rows, and let others be what `take_rows` had of them; nobody is told."""
        if self._file is not None:
            self._file.change_rows(lost, changed)
            return
        rows = self.region.rows
        for key in lost:
            del rows[key]
        for key, row in changed.items():
            rows[key] = replace(row, position=rows[key].position)

    def lies_in(self, key: str, row: Any) -> str | None:
        """The name of the object that a row of `take_rows` points at; None if it does not."""
        cold = row.cold if self._file is None else row[_COLD]
        return None if cold is None else decode_pointer(cold, key=key).name

    def live_keys(self) -> set[str]:
        """The keys of the rows that are neither deleted nor expired."""
        now_ms = self.clock.time_ns() // NS_PER_MS
        page = self.region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
        return {row.key for row in page.rows if row.record.is_live(now_ms)}

    def sums(self) -> list[tuple[str, int]]:
        """All counters, and how far they have counted."""
        page = self.region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
        records = {row.key: row.record for row in page.rows if row.record.type == COUNTER}
        found = {key: each.payload for key, each in records.items() if each.payload is not None}
        return [(key, counter.value(counter.decode(raw))) for key, raw in found.items()]

    def keys_in(self, names: list[str]) -> set[str]:
        """The keys of which the rows point at one of these objects."""
        return {key for key, row in self.take_rows().items() if self.lies_in(key, row) in names}

    def records(self) -> dict[str, Any]:
        """All rows of which regions have the same, whole, in a form that tells any difference."""
        from tierstore.tiers.cold import ColdReader  # with a cache that not everybody has

        page = self.region.scan("", None, ROWS_MAX, False, True, 0, TIMEOUT_S)
        rows = {row.key: row for row in page.rows}
        cold = {key: row for key, row in rows.items() if row.record.payload == ELSEWHERE}
        reply = ColdReader(self.objects, runtime=self._runtime).read(cold, TIMEOUT_S)
        payloads = {key: row.record.payload for key, row in rows.items()} | reply.payloads
        return {key: (row.record.fields(), payloads[key]) for key, row in rows.items()}

    def back_up(self) -> Any:
        """The region as it is now, for `restore`."""
        if self._file is not None:
            return self._file.back_up()
        return {k: deepcopy(v) for k, v in vars(self.region).items() if k not in _NOT_CONTENT}

    @property
    def is_quiet(self) -> bool:
        """Whether no transaction is under way, so that an operator may take the region down."""
        if self._file is not None:
            return self._file.is_quiet
        return not getattr(self.region, "_under_way", None)

    def restore(self, backup: Any) -> None:
        """Make the region what it was. No transaction may be under way."""
        if self._file is not None:
            self._file.restore(backup)
        else:
            vars(self.region).update(deepcopy(backup))

    def close(self) -> None:
        """Close what is open."""
        if self._file is not None:
            self._file.close()

    def _make_file(self, folder: str, limits: Limits) -> SqliteSite | None:
        options = self._cluster.options
        if options.region != "sqlite" or (options.regions > 1 and not can_join()):
            return None
        return SqliteSite(folder, limits, self._number)

    def _make_region(self, limits: Limits) -> Any:
        cluster, options = self._cluster, self._cluster.options
        if self._file is not None:
            never = Errors(Chance("never"), 0.0)
            return self._file.open(cluster.scheduler, cluster.server, self._runtime, never)
        if options.region == "read committed":
            pace = Pace(self._chance("pace"), options.statement_ms_max)
            return ReadCommittedRegion(self._runtime, cluster.scheduler, limits, pace)
        return MemoryRegion(self._runtime, limits)

    def _chance(self, name: str) -> Chance:
        number = (self._number,) if self._number else ()
        return Chance(self._cluster.seed, name, *number)


def name_of(options: Options, number: int) -> str:
    """What a region is called in stories."""
    return f"region {number}" if options.regions > 1 else "region"
