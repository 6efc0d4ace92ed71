"""Histories in EDN, the format of Jepsen, so that Knossos and Elle can judge ours and we theirs.

>>> history = read_history("{:process 0, :type :invoke, :f :write, :value 1}", fail="never")
>>> print(write_history(history, fail="never"), end="")
{:index 0, :time 0, :type :invoke, :process 0, :f :write, :value 1}
"""

from __future__ import annotations

from tierstore.testing.edn.export import write_history
from tierstore.testing.edn.imports import read_history
from tierstore.testing.edn.reader import EdnError, read
from tierstore.testing.edn.values import Keyword, Symbol, Tagged
from tierstore.testing.edn.writer import write

__all__ = [
    "EdnError",
    "Keyword",
    "Symbol",
    "Tagged",
    "read",
    "read_history",
    "write",
    "write_history",
]
