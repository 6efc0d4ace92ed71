"""No unit is sold twice or lost, whatever fails and whoever dies, at every step."""

from __future__ import annotations

from escrow_world import KEY, World
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierstore.testing.faults import KINDS

processes = st.integers(0, 2)


class Sellers(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World(processes=3)

    @rule(units=st.integers(1, 30))
    def give(self, units):
        self.world.give(units)

    @rule(n=processes, units=st.integers(1, 8))
    def take(self, n, units):
        process = self._alive(n)
        rights = process.escrow.rights(KEY)
        pool, is_sound = self.world.ledger().pool, process.is_sound
        taken = process.take(units)
        if is_sound:
            assert taken >= (units <= rights + pool)

    @rule(n=processes)
    def step(self, n):
        process = self._alive(n)
        process.run(process.escrow.step)

    @rule(n=processes, at=st.integers(1, 8), kind=st.sampled_from(KINDS))
    def fail(self, n, at, kind):
        self._alive(n).plan.arm(at, kind)

    @rule(n=processes, down=st.booleans())
    def reach(self, n, down):
        self._alive(n).plan.is_region_down = down

    @rule(n=processes, slow=st.booleans())
    def slow_down(self, n, slow):
        self._alive(n).region.is_slow = slow

    @rule(at=st.integers(0, 9))
    def deliver(self, at):
        self.world.deliver(at)

    @rule(n=processes)
    def kill(self, n):
        self.world.processes[n].escrow = None

    @rule(n=processes)
    def close(self, n):
        self._alive(n).close()

    @rule(n=processes, by=processes)
    def adopt(self, n, by):
        dead, living = self.world.processes[n], self._alive(by)
        if n != by and dead.escrow is None:
            dead.plan.arm(0, "error")
            living.run(lambda: living.escrow.adopt(dead.disk, living.deadline()))

    @rule(n=processes)
    @precondition(lambda self: any(p.escrow is None for p in self.world.processes))
    def reclaim(self, n):
        """The operator tells of a lost disk what it really sold."""
        lost = self.world.processes[n]
        if lost.escrow is None and lost.holder in self.world.grants():
            lost.plan.arm(0, "error")
            note = lost.disk.load()[KEY]
            self.world.ledgers.reclaim(KEY, lost.holder, note.spent, self.world.deadline())
            lost.disk.remove([KEY])

    @rule(seconds=st.sampled_from([0.5, 5.0, 40.0]))
    def wait(self, seconds):
        self.world.runtime.advance(seconds)

    def _alive(self, n):
        process = self.world.processes[n]
        if process.escrow is None:
            process.open()
        return process

    @invariant()
    def nothing_is_lost(self):
        self.world.check()

    def teardown(self):
        self.world.finish()


Sellers.TestCase.settings = settings(stateful_step_count=25)
TestSellers = Sellers.TestCase
