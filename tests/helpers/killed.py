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


class Writer:
    """One name, lived by one process after another, each killed."""

    def __init__(self, policy, folder, name):
        self.command = [sys.executable, PROGRAM, json.dumps(policy), folder, name]
        self.name, self.next, self.lives, self.acknowledged = name, 0, 0, []

    def live(self, delay_s):
        """Start, and be killed `delay_s` after the first acknowledgement."""
        process = subprocess.Popen([*self.command, str(self.next)], stdout=subprocess.PIPE)
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
