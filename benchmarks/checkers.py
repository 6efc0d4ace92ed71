"""How long the linearizability checker takes for histories whose verdicts are known beforehand.

    python benchmarks/checkers.py [--histories 1000] [--operations 200] [--processes 5] [--seed 1]

Every other history comes from a register that is linearizable because each operation takes effect
at one random moment between its invocation and its answer; some answers are lost. The others are
the same but for one read, which got a value that was never written, was written only later, or had
been overwritten before. Values are unique, so such a read has no place in any order.
"""

from __future__ import annotations

import argparse
import random
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

import common

from tierstore.testing import checkers, models
from tierstore.testing.history import History

SECONDS_MAX = 60
LOST = 0.02


class Simulated:
    """A register, and processes that each do one operation after the other."""

    def __init__(self, rng, processes):
        self.rng, self.history = rng, History()
        self.value, self.newest, self.begun = None, 0, 0
        self.open = dict.fromkeys(f"p{number}" for number in range(processes))

    def run(self, operations):
        """The history of that many operations on one key."""
        while self.begun < operations or any(self.open.values()):
            process = self.rng.choice([*self.open])
            if self.open[process] is not None:
                self.go_on(process, self.open[process])
            elif self.begun < operations:
                self.begin(process)
        return self.history.operations()

    def begin(self, process):
        self.begun += 1
        self.newest += 1
        verb = self.rng.choice(["read", "read", "write", "cas"])
        expected = self.value if self.rng.random() < 0.5 else self.newest - 3
        argument = {"read": None, "write": self.newest, "cas": (expected, self.newest)}[verb]
        call = self.history.invoke(process, verb, "k", argument)
        self.open[process] = call, verb, argument, None

    def go_on(self, process, state):
        call, verb, argument, result = state
        if result is None:
            self.open[process] = call, verb, argument, (self.take_effect(verb, argument),)
            return
        self.open[process] = None
        if self.rng.random() < LOST:
            call.info("lost")
        else:
            call.ok(*result)

    def take_effect(self, verb, argument):
        if verb == "read":
            return self.value
        if verb == "write":
            self.value = argument
            return None
        if self.value != argument[0]:
            return False
        self.value = argument[1]
        return True


def impossible(read, operations):
    """Values that `read` cannot have got, by why not."""
    writes = [o for o in operations if o.verb == "write" and o.outcome == "ok"]
    before = [write for write in writes if write.completed < read.invoked]
    latest = max((write.invoked for write in before), default=-1)
    return {
        "never written": [-1],
        "written later": [w.argument for w in writes if w.invoked > read.completed],
        "overwritten before": [w.argument for w in before if w.completed < latest],
    }


def spoil(rng, operations):
    """The same history, but for one read with an impossible value."""
    reads = [place for place, o in enumerate(operations) if o.verb == "read" and o.outcome == "ok"]
    place = rng.choice(reads)
    values = rng.choice([v for v in impossible(operations[place], operations).values() if v])
    spoilt = replace(operations[place], result=rng.choice(values))
    return [*operations[:place], spoilt, *operations[place + 1 :]]


def judge_all(histories, operations, processes, seed):
    """(seconds, verdicts), after checking that every verdict is right."""
    taken_s, found = 0.0, []
    for number in range(histories):
        rng = random.Random(f"{seed} {number}")
        history = Simulated(rng, processes).run(operations)
        expected = "valid" if number % 2 == 0 else "invalid"
        if expected == "invalid":
            history = spoil(rng, history)
        started_s = perf_counter()
        verdict = checkers.linearizable(history, models.CasRegister())
        taken_s += perf_counter() - started_s
        assert verdict.status == expected, (number, verdict)
        found.append(verdict)
    return taken_s, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=int, default=1_000)
    parser.add_argument("--operations", type=int, default=200)
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(common.machine())
    taken_s, found = judge_all(**vars(options))
    configurations = sum(verdict.figures["configurations"] for verdict in found)
    witness = max(len(verdict.witness) for verdict in found)
    print(f"{len(found):,} histories of {options.operations} operations, all judged right,")
    print(f"{configurations:,} configurations, at most {witness} operations in a witness")
    return 0 if common.verdict("linearizability: seconds", taken_s, SECONDS_MAX) else 1


if __name__ == "__main__":
    sys.exit(main())
