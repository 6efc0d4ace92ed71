"""Histories: what processes asked of a store and what they were told, in the order of events.

>>> history = History()
>>> writing = history.invoke("ann", "write", "city", "Turin")
>>> reading = history.invoke("bob", "read", "city")
>>> writing.ok()
>>> reading.ok("Turin")
>>> for operation in history.operations():
...     print(operation)
ann write city 'Turin' → ok [0, 2]
bob read city → 'Turin' [1, 3]
"""

from __future__ import annotations

from tierstore.testing.history.errors import HistoryError
from tierstore.testing.history.events import Event, Kind, Operation, Outcome, by_key
from tierstore.testing.history.recorder import History, Invocation
from tierstore.testing.history.values import FrozenDict, freeze

__all__ = [
    "Event",
    "FrozenDict",
    "History",
    "HistoryError",
    "Invocation",
    "Kind",
    "Operation",
    "Outcome",
    "by_key",
    "freeze",
]
