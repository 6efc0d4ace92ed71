"""What must hold of bounded counters at every step: each unit is somewhere, and only there.

The books of the coordinator and the notes on all disks are compared whenever either changes.
"""

from __future__ import annotations

from collections import Counter
from functools import wraps
from typing import TYPE_CHECKING, Any

from tierstore.coordinator.escrow_ledgers import Ledgers
from tierstore.coordinator.escrow_records import GRANTS, LEDGERS, decode_grant, decode_ledger
from tierstore.errors import InvalidArgumentError
from tierstore.region.deadline import Deadline
from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.runtime import SimulatedRuntime

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.coordinator.escrow_plan import Grant, Ledger
    from tierstore.testing.simulation.cluster import Cluster
    from tierstore.tiers.journal.escrow import Note

TIMEOUT_S = 600.0


class Till:
    """What clients were told that they sold and gave, and what they do not know of."""

    def __init__(self) -> None:
        self.sold: Counter[str] = Counter()
        """By key, what was acknowledged."""
        self.doubtful: Counter[str] = Counter()
        """What was asked for and neither acknowledged nor refused."""
        self.gifts: dict[str, tuple[str, int]] = {}
        """By operation id, all that were asked for."""
        self.confirmed: set[str] = set()
        """Those that were acknowledged."""

    def given(self, key: str) -> tuple[int, int]:
        """How much was given at least, and at most."""
        gifts = {name: units for name, (of, units) in self.gifts.items() if of == key}
        certain = sum(units for name, units in gifts.items() if name in self.confirmed)
        return certain, sum(gifts.values())


class Books:
    """The coordinator's records and the notes of all disks, and what is wrong between them."""

    def __init__(self, cluster: Cluster) -> None:
        self.till = Till()
        self.notes: dict[str, dict[str, Note]] = {}
        """By the path of their file."""
        self.lost: dict[tuple[str, int], int] = {}
        """By key and holder, what those had sold whose disk is gone."""
        self.void_notes: set[tuple[str, int]] = set()
        """By key and holder, those that an operator took for lost."""
        self.broken: list[str] = []
        self.life = 0
        """How often the coordinator was restored."""
        self._ended: list[Note] = []
        """Notes of grants that ended, in order."""
        self._forgiven: Counter[str] = Counter()
        """By key, how much of grants that ended is known to no backup that was restored."""
        self._repeated: Counter[str] = Counter()
        """By key, how much may be charged twice: its end was heard of by the backup alone."""
        self._cluster = cluster
        self._region = cluster.inspect("region")
        self._watch()

    def _watch(self) -> None:
        commit = self._region.commit

        @wraps(commit)
        def audited(*arguments: Any, **keywords: Any) -> Any:
            reply = commit(*arguments, **keywords)
            self.audit()
            return reply

        self._region.commit = audited
        for machine in self._cluster.machines:
            machine.disk.on_noted = self.note

    def note(self, path: str, notes: Sequence[Note], gone: Sequence[str]) -> None:
        """A file has these notes, instead of those of the same keys and of those that are gone."""
        held = self.notes.setdefault(path, {})
        held.update((note.key, note) for note in notes)
        for key in gone:
            note = held.pop(key, None)
            if note is None:
                continue
            self._ended.append(note)
            if self.life and note.incarnation != self._incarnation():  # known to the former life
                self._forgiven[key] += note.spent
            if (key, note.holder) in self.void_notes:
                self.void_notes.discard((key, note.holder))
                self._cluster.reached["rights taken back from a disk that came back"] += 1
        self.audit()

    def lose(self, folder: str) -> None:
        """Everything in a folder is gone."""
        for path in [path for path in self.notes if path.startswith(folder)]:
            for note in self.notes.pop(path).values():
                self.lost[note.key, note.holder] = note.spent

    def void(self, folder: str) -> None:
        """Let an operator take back the rights of a disk that is there, and tell what it sold."""
        operator = self._operator()
        held = [notes for path, notes in self.notes.items() if path.startswith(folder)]
        for note in [note for notes in held for note in notes.values()]:
            granted = [(grant.key, grant.holder) for grant in self.grants()]
            if (note.key, note.holder) in granted:
                self.void_notes.add((note.key, note.holder))
                operator.reclaim(note.key, note.holder, note.spent, self._deadline())

    # Restores

    def known(self) -> tuple[set[str], int]:
        """What a backup that is made now has: gifts for sure, and how many grants that ended."""
        return set(self.till.confirmed), len(self._ended)

    def note_restored(self, known: tuple[set[str], int]) -> None:
        """The coordinator has forgotten what came after a backup; its gifts may be given again."""
        self.life += 1
        self.till.confirmed, ended = known
        for note in self._ended[ended:]:
            self._forgiven[note.key] += note.spent
        granted = {(grant.key, grant.holder) for grant in self.grants()}
        for note in [note for notes in self.notes.values() for note in notes.values()]:
            if note.ends and (note.key, note.holder) not in granted:
                self._repeated[note.key] += note.spent

    def _incarnation(self) -> int:
        life: int = self._region.connect(TIMEOUT_S).incarnation
        return life

    def _sold_by(self, grant: Grant) -> int | None:
        """What an operator knows that a holder sold of whom nothing will be heard."""
        name = grant.key, grant.holder
        if name in self.lost or not self.life or self._is_known(grant):
            return self.lost.get(name)
        ended = [note.spent for note in self._ended if (note.key, note.holder) == name]
        return min(grant.held, max(grant.spent, *ended, 0))

    def _is_known(self, grant: Grant) -> bool:
        """Whether a disk has a note of it, and not of one that was asked for later."""
        note = self._note_of(grant)
        return note is not None and (note.epoch != 0 or grant.epoch in note.intents)

    # The coordinator's records

    def ledgers(self) -> dict[str, Ledger]:
        """By key."""
        rows = dict(self._region._private)
        keys = [key for key in rows if key.startswith(LEDGERS)]
        return {key.removeprefix(LEDGERS): decode_ledger(key, rows[key]) for key in keys}

    def grants(self) -> list[Grant]:
        """All there are."""
        rows = dict(self._region._private)
        return [decode_grant(row) for key, row in rows.items() if key.startswith(GRANTS)]

    def reclaim(self) -> None:
        """Let an operator say what those had sold whose disk is gone."""
        operator = self._operator()
        for grant in self.grants():
            sold = self._sold_by(grant)
            if sold is None:
                continue
            try:
                operator.reclaim(grant.key, grant.holder, sold, self._deadline())
            except InvalidArgumentError:
                if grant in self.grants():  # else another operator was faster
                    raise

    def _operator(self) -> Ledgers:
        from tierstore.coordinator.central import Central
        from tierstore.replica.link import RegionLink, RegionSource

        self._runtime = runtime = SimulatedRuntime(
            self._cluster.scheduler, self._cluster.server, self._cluster.server_clock,
            Chance(self._cluster.seed, "operator"), self._cluster.reached, self._cluster.broken,
        )  # fmt: skip
        link = RegionLink(RegionSource(lambda: self._region), runtime, 1, 10**6)
        no_reads: Any = None  # an operator has no keys of its own to read
        return Ledgers(Central(link, no_reads, runtime), runtime)

    def _deadline(self) -> Deadline:
        return Deadline(self._runtime, TIMEOUT_S)

    # Judging

    @property
    def is_settled(self) -> bool:
        """Whether nobody has rights, and no disk a note."""
        return not self.grants() and not any(self.notes.values())

    def audit(self) -> None:
        """Note what is wrong now, unless something was before."""
        if not self.broken:
            self.broken.extend(self._found())

    def judge(self) -> list[str]:
        """What is wrong in the end, when everybody has reported and returned."""
        self.audit()
        found = list(self.broken)
        if not self.is_settled:
            found.append(f"something is left: {self.grants()}, {self.notes}")
        for key, ledger in self.ledgers().items():
            if ledger.pool + ledger.sold != ledger.given:
                found.append(f"{key}: not every unit is in the pool or sold: {ledger}")
            if self.life:
                found += self._of_restored(key, ledger)
        return found

    def _of_restored(self, key: str, ledger: Ledger) -> Iterator[str]:
        """Who sold before the restore and still had a note is heard, and nobody counts twice."""
        sold, doubtful = self.till.sold[key], self.till.doubtful[key]
        most = sold + doubtful + self._repeated[key]
        if not sold - self._forgiven[key] <= ledger.sold <= most:
            yield (
                f"{key}: {ledger.sold} are known as sold, of {sold} and {doubtful} in doubt,"
                f" {self._forgiven[key]} of them by grants that ended before the restore"
            )

    def _found(self) -> Iterator[str]:
        grants = self.grants()
        ledgers = self.ledgers()
        for key, ledger in ledgers.items():
            own = [grant for grant in grants if grant.key == key]
            yield from self._of_books(key, ledger, own)
            if not self.life:
                yield from self._of_ledger(key, ledger, own)
        if self.life:
            return  # what was granted since the backup is nobody's until it is reported
        for grant in grants:
            yield from self._of_grant(grant)
        yield from self._of_notes({(grant.key, grant.holder) for grant in grants})

    def _of_books(self, key: str, ledger: Ledger, grants: list[Grant]) -> Iterator[str]:
        held, spent = sum(g.held for g in grants), sum(g.spent for g in grants)
        is_whole = ledger.given == ledger.pool + ledger.closed + held
        is_whole = is_whole and (ledger.pool >= 0 or self.life > 0)
        if not is_whole or ledger.sold != ledger.closed + spent or ledger.holders != len(grants):
            yield f"{key}: the books are wrong: {ledger}, {grants}"

    def _of_ledger(self, key: str, ledger: Ledger, grants: list[Grant]) -> Iterator[str]:
        certain, most = self.till.given(key)
        if not certain <= ledger.given <= most:
            yield f"{key}: {ledger.given} are given, of {certain} to {most}"
        sold, known = self.till.sold[key], ledger.closed + sum(map(self._spent, grants))
        if not sold <= known <= sold + self.till.doubtful[key]:
            yield f"{key}: {sold} were sold, {known} are known, and {self.till.doubtful[key]} open"

    def _of_grant(self, grant: Grant) -> Iterator[str]:
        if (grant.key, grant.holder) in self.lost:
            return
        note = self._note_of(grant)
        if note is None:
            yield f"nobody knows of {grant}"
        elif grant.epoch not in (note.epoch, *note.intents):
            yield f"{note} is of another epoch than {grant}"
        elif not grant.spent <= note.spent <= grant.held:
            yield f"more is sold than there are rights, or less than reported: {note}, {grant}"

    def _of_notes(self, granted: set[tuple[str, int]]) -> Iterator[str]:
        for notes in self.notes.values():
            for note in notes.values():
                name = note.key, note.holder
                if note.spent and not note.ends and name not in granted | self.void_notes:
                    yield f"its rights were taken from who sells: {note}"

    def _spent(self, grant: Grant) -> int:
        note = self._note_of(grant)
        lost = self.lost.get((grant.key, grant.holder), grant.spent)
        return lost if note is None else note.spent

    def _note_of(self, grant: Grant) -> Note | None:
        found = (notes.get(grant.key) for notes in self.notes.values())
        return next((note for note in found if note and note.holder == grant.holder), None)
