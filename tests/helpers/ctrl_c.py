"""Ctrl-C at any step of a verb.

Python runs signal handlers when a function begins and when a call of C has returned, `acquire` of a
lock, for instance. A profile function that raises there does what a handler would.
"""

from __future__ import annotations

import sys
from itertools import count

ELSEWHERE = ("memory_region.py", "memory_commits.py", "importlib._bootstrap>")


def may_strike(frame):
    """Whether this is code of the process: the region is another, and imports are Python's."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code.co_filename.endswith(ELSEWHERE):
            return False
        frame = frame.f_back
    return True


def interrupt(verb, number):
    """Run `verb`, with Ctrl-C at its `number`-th step; "done", "interrupted" or "ended".

    "done": it went on to its end all the same. "ended": it has no such step.
    """
    steps, is_struck = count(), []

    def strike(frame, event, _):
        if event in ("call", "c_return") and may_strike(frame) and next(steps) == number:
            sys.setprofile(None)
            is_struck.append(True)
            raise KeyboardInterrupt

    sys.setprofile(strike)
    try:
        verb()
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        sys.setprofile(None)
    return "done" if is_struck else "ended"
