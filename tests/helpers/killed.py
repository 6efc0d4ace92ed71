"""Processes that write until they are killed. Imported by its path."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "process" / "programs" / "adding.py"
WAIT_S = 60.0
PER_SET = 1000
"""How many numbers of each writer one set takes: a set is read, and written, as a whole."""
RULES = [{"match": "count", "type": "counter"}, {"match": "seen/*", "type": "set"}]


class Writer:
    """One name, lived by one process after another, each killed."""

    def __init__(self, policy, folder, name):
        self.command = [sys.executable, PROGRAM, json.dumps(policy), folder, name]
        self.name, self.next, self.lives, self.acknowledged = name, 0, 0, []

    @property
    def operations(self):
        """How many increments, adds and discards were acknowledged."""
        return sum(3 if number % 3 == 0 else 2 for number in self.acknowledged)

    def live(self, delay_s):
        """Start, and be killed `delay_s` after the first acknowledgement."""
        process = subprocess.Popen(
            [*self.command, str(self.next), str(PER_SET)], stdout=subprocess.PIPE
        )
        first = process.stdout.readline()
        timer = threading.Timer(delay_s, process.kill)
        timer.start()
        printed = first + process.stdout.read()
        process.stdout.close()
        timer.join()
        assert process.wait(WAIT_S) == -signal.SIGKILL
        numbers = [int(line) for line in printed.split(b"\n")[:-1]]
        self.acknowledged += numbers
        self.next = numbers[-1] + 2  # the number between may have been begun
        self.lives += 1


def read_all(store, writers):
    """The count, and the elements of all sets that `writers` may have added to."""
    last = max(writer.next for writer in writers)
    sets = [store.members(f"seen/{number}").all() for number in range(last // PER_SET + 1)]
    return store.counter("count").get(), frozenset().union(*sets)


def check_all(shown, writers):
    """All that was acknowledged is in `shown`, once; of what was begun, at most one a life.

    Returns how many increments and adds that is.
    """
    total, seen = shown
    acknowledged = sum(len(writer.acknowledged) for writer in writers)
    lives = sum(writer.lives for writer in writers)
    assert acknowledged <= total <= acknowledged + lives
    wanted = {f"{w.name}/{n}" for w in writers for n in w.acknowledged if n % 3}
    unwanted = {f"{w.name}/{n}" for w in writers for n in w.acknowledged if not n % 3}
    assert wanted <= seen
    assert not unwanted & seen
    assert len(seen - wanted) <= lives
    return acknowledged
