"""Processes that sell of one region in memory, with faults on purpose, and what must be true."""

from __future__ import annotations

from tierstore.coordinator.central import Central
from tierstore.coordinator.escrow import Escrow
from tierstore.coordinator.escrow_ledgers import Ledgers
from tierstore.coordinator.escrow_purse import NotesInMemory, Purse
from tierstore.coordinator.escrow_records import GRANTS, LEDGERS, decode_grant, decode_ledger
from tierstore.errors import OutcomeUnknownError, TierStoreError, UnavailableError
from tierstore.region.deadline import Deadline
from tierstore.replica.link import RegionLink, RegionSource
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing import MemoryRegion
from tierstore.testing.faults import Crash, FaultPlan, FaultyRegion

KEY = "stock/1"


class Disk(NotesInMemory):
    """Notes that outlive their process, whose commits go wrong as `plan` says."""

    def __init__(self, plan):
        super().__init__()
        self._plan = plan

    def put(self, notes):
        self._plan.run("notes.put", lambda: NotesInMemory.put(self, notes), UnavailableError)

    def remove(self, keys):
        keys = list(keys)
        self._plan.run("notes.remove", lambda: NotesInMemory.remove(self, keys), UnavailableError)


class AuditedRegion(MemoryRegion):
    """A region in memory whose books are looked through after each commit."""

    def commit(self, commit, timeout_s):
        reply = super().commit(commit, timeout_s)
        self.audit()
        return reply

    def audit(self):
        rows = self._private
        grants = [decode_grant(row) for key, row in rows.items() if key.startswith(GRANTS)]
        for key, row in rows.items():
            if key.startswith(LEDGERS):
                name = key.removeprefix(LEDGERS)
                check_books(decode_ledger(name, row), [g for g in grants if g.key == name])


def check_books(ledger, grants):
    """What is true of the records of one key at every moment."""
    assert ledger.given == ledger.pool + ledger.closed + sum(grant.held for grant in grants)
    assert ledger.sold == ledger.closed + sum(grant.spent for grant in grants)
    assert ledger.holders == len(grants)
    assert ledger.pool >= 0
    assert all(0 <= grant.spent <= grant.held for grant in grants)


class SlowRegion(FaultyRegion):
    """A region to which commits may be under way for long: `deliver` lets them arrive."""

    def __init__(self, inner, plan, under_way):
        super().__init__(inner, plan)
        self._under_way = under_way
        self.is_slow = False

    def commit(self, commit, timeout_s):
        if not self.is_slow:
            return super().commit(commit, timeout_s)
        self._under_way.append(commit)
        raise OutcomeUnknownError("the commit is still under way")


class Process:
    """One process: its disk stays when it dies; what it acknowledged is counted."""

    def __init__(self, world, holder):
        self.world, self.holder = world, holder
        self.plan = FaultPlan()
        self.disk = Disk(self.plan)
        self.notes = world.wrap(self.disk, f"notes of {holder}")
        self.escrow = None
        self.open()

    def open(self):
        """Begin, or begin again, on the same disk."""
        world, runtime = self.world, self.world.runtime
        self.plan.arm(0, "error")
        self.region = region = SlowRegion(world.shown, self.plan, world.under_way)
        self.link = RegionLink(RegionSource(lambda: region), runtime, self.holder, 10**6)
        ledgers = Ledgers(Central(self.link, None, runtime), runtime)
        purse = Purse(self.notes, runtime.lock(), runtime)
        self.escrow = Escrow(ledgers, purse, self, runtime)

    def standing(self, deadline):
        info = self.link.register(deadline).info
        return info.region, info.incarnation

    def deadline(self):
        return Deadline(self.world.runtime, self.world.timeout_s)

    def hasten(self):
        self.world.hastened += 1

    def warn(self, text, *arguments):
        self.world.warnings.append(text % arguments)

    @property
    def is_sound(self):
        """Whether nothing that it asks for is going to fail."""
        plan = self.plan
        is_armed = plan._n and plan.fired is None
        return not (is_armed or plan.is_region_down or self.region.is_slow)

    def run(self, work):
        """What `work` returns; an error is returned, and a crash ends the process."""
        try:
            return work()
        except TierStoreError as exc:
            return exc
        except Crash:
            self.escrow = None
            return None

    def take(self, units):
        """Whether it was acknowledged; what was neither that nor refused is in doubt."""
        fired = self.plan.fired
        found = self.run(lambda: self.escrow.take(KEY, units, self.deadline))
        if found is None and self.escrow is not None:
            self.world.sold += units
            return True
        if self.escrow is None or (self.plan.fired != fired and self.plan.fired == "notes.put"):
            self.world.doubtful += units
        return False

    def close(self):
        escrow, self.escrow = self.escrow, None
        try:
            escrow.close(self.deadline())
        except (TierStoreError, Crash):
            return


class World:
    """A coordinator and its sellers."""

    def __init__(self, processes=2, runtime=None, wrap=lambda tier, _: tier):
        self.runtime = runtime or ManualRuntime(seed=3)
        self.region = AuditedRegion(self.runtime)
        self.region.connect(1.0)
        self.wrap = wrap
        self.timeout_s = 0.05  # of what processes ask for
        self.shown = wrap(self.region, "region")  # as processes see it
        self.given = self.sold = self.doubtful = self.hastened = 0
        self.warnings = []
        self.under_way = []  # commits whose sender has given up
        self.processes = [Process(self, n + 1) for n in range(processes)]

    @property
    def ledgers(self):
        link = RegionLink(RegionSource(lambda: self.region), self.runtime, 999, 10**6)
        return Ledgers(Central(link, None, self.runtime), self.runtime)

    def deadline(self):
        return Deadline(self.runtime, 1.0)

    def deliver(self, at):
        """Let one of the commits that are under way arrive, long after its sender gave up."""
        if self.under_way:
            self.region.commit(self.under_way.pop(at % len(self.under_way)), 1.0)

    def give(self, units):
        central = Central(
            RegionLink(RegionSource(lambda: self.region), self.runtime, 998, 10**6), None,
            self.runtime,
        )  # fmt: skip
        self.ledgers.give(KEY, units, central.mint(self.deadline()), self.deadline())
        self.given += units

    def ledger(self):
        return self.ledgers.look([KEY], self.deadline())[0][KEY]

    def grants(self):
        return {grant.holder: grant for grant in self.ledgers.grants(self.deadline(), KEY)}

    def check(self):
        """What must be true after every step."""
        ledger, grants = self.ledger(), self.grants()
        check_books(ledger, list(grants.values()))
        assert ledger.given == self.given
        spent = ledger.closed
        for process in self.processes:
            grant, note = grants.get(process.holder), process.disk.load().get(KEY)
            if grant is None:
                continue
            assert note is not None, "a grant that nobody knows of"
            assert grant.epoch in {note.epoch, *note.intents}
            assert grant.spent <= note.spent <= grant.held
            spent += note.spent
            if process.escrow is not None:
                kept = process.escrow._all()[KEY].written  # less than the note if that is in doubt
                assert kept <= note.spent
                assert process.escrow.rights(KEY) <= grant.held - kept
        assert self.sold <= spent <= self.sold + self.doubtful
        assert spent <= self.given

    def finish(self):
        """Everybody is reachable, dies or closes, and is adopted: then all is accounted for."""
        for process in self.processes:
            if process.escrow is None:
                process.open()
            process.plan.arm(0, "error")
            process.plan.is_region_down = process.region.is_slow = False
            for _ in range(2):  # where a crash left doubt, the first may fail
                found = process.run(process.escrow.step)
            assert found is None, found
            process.close()
        self.check()
        ledger = self.ledger()
        assert self.grants() == {}
        assert ledger.pool + ledger.sold == ledger.given
        assert self.sold <= ledger.sold <= self.sold + self.doubtful
        assert all(process.disk.load() == {} for process in self.processes)


__all__ = ["KEY", "Process", "World"]
