"""Checkers: each looks at what happened and says whether one property held.

>>> from tierstore.testing import checkers, models
>>> from tierstore.testing.history import History
>>> history = History()
>>> history.invoke("ann", "write", "city", "Turin").ok()
>>> history.invoke("bob", "read", "city").ok(None)
>>> print(checkers.linearizable(history, models.Register()))
linearizable: invalid: city: no order explains these 2 results: ...
"""

from __future__ import annotations

from tierstore.testing.checkers.appends import list_append
from tierstore.testing.checkers.bank import bank
from tierstore.testing.checkers.converged import converged
from tierstore.testing.checkers.counters import counters
from tierstore.testing.checkers.fencing import fencing
from tierstore.testing.checkers.linear import linearizable
from tierstore.testing.checkers.lost_writes import no_lost_write
from tierstore.testing.checkers.memory import bounded_memory
from tierstore.testing.checkers.oversell import no_oversell
from tierstore.testing.checkers.placement import Copy, StoredObject, placement
from tierstore.testing.checkers.resurrection import no_resurrection
from tierstore.testing.checkers.sessions import GUARANTEES, Guarantee, sessions
from tierstore.testing.checkers.verdict import Status, Verdict

__all__ = [
    "GUARANTEES",
    "Copy",
    "Guarantee",
    "Status",
    "StoredObject",
    "Verdict",
    "bank",
    "bounded_memory",
    "converged",
    "counters",
    "fencing",
    "linearizable",
    "list_append",
    "no_lost_write",
    "no_oversell",
    "no_resurrection",
    "placement",
    "sessions",
]
