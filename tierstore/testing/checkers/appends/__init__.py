"""Transactions that append to lists and read them: is there a serial order that explains them?

Kingsbury and Alvaro, "Elle: inferring isolation anomalies from experimental observations", VLDB
2020, sections 3 and 4, with the names of Adya, "Weak consistency", 1999.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.appends.cycles import worst_cycle
from tierstore.testing.checkers.appends.graph import graph_of
from tierstore.testing.checkers.appends.orders import Orders
from tierstore.testing.checkers.appends.reads import first_wrong_read
from tierstore.testing.checkers.appends.telling import NAME, tell_cycle, tell_update
from tierstore.testing.checkers.appends.transactions import transactions_of
from tierstore.testing.checkers.appends.updates import lost_update
from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tierstore.testing.history import History, Operation


def list_append(
    history: History | Iterable[Operation], *, is_realtime: bool = True, verb: str = "txn"
) -> Verdict:
    """Whether transactions of appends and reads of lists are strictly serializable.

    The argument of an operation `verb` is its steps, `("append", key, value)` and
    `("r", key, None)`; its result is the same steps with the lists that were read, None for one
    that is not there. Other operations do not count. Without `is_realtime` any serial order will
    do. A transaction without an answer took effect if something that it appended was read.

    The answer is exact: it is valid if and only if there is such an order. Otherwise the reason
    names the worst anomaly that was found, and the witness is the transactions of a shortest cycle
    of that kind, with those that show the order of versions.

    Raises `HistoryError` for steps that are none of these, and where one value is appended to a
    list twice, for then nobody could tell who wrote what was read.
    """
    transactions = transactions_of(operations_of(history), verb)
    if (wrong := first_wrong_read(transactions)) is not None:
        return Verdict("invalid", NAME, wrong.reason, wrong.witness)
    orders = Orders(transactions)
    graph = graph_of(orders, is_realtime=is_realtime)
    cycle = worst_cycle(graph)
    figures = {"transactions": len(orders.committed), "dependencies": graph.count}
    if cycle is None:
        order = "strict serial" if is_realtime else "serial"
        return Verdict("valid", NAME, f"a {order} order explains every read", figures=figures)
    if cycle.name not in ("G0", "G1c") and (update := lost_update(orders)) is not None:
        return tell_update(update, figures)
    return tell_cycle(cycle, orders, figures)
