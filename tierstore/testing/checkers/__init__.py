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

from tierstore.testing.checkers.linear import linearizable
from tierstore.testing.checkers.verdict import Status, Verdict

__all__ = ["Status", "Verdict", "linearizable"]
