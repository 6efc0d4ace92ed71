"""Anomalies, told to people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.checkers.appends.graph import REALTIME, RW, WR
from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from tierstore.testing.checkers.appends.cycles import Cycle
    from tierstore.testing.checkers.appends.graph import Edge
    from tierstore.testing.checkers.appends.orders import Orders
    from tierstore.testing.checkers.appends.updates import LostUpdate
    from tierstore.testing.history import Operation

NAME = "list_append"


def tell_update(update: LostUpdate, figures: dict[str, int]) -> Verdict:
    """The verdict on two that read one version and both appended to it."""
    last = f"the version that ends in {update.version[-1]!r}" if update.version else "nothing"
    reason = f"lost update: two read {last} of {update.key!r}, and both appended to it"
    witness = (update.first.operation, update.second.operation)
    return Verdict("invalid", NAME, reason, witness, figures=figures)


def tell_cycle(cycle: Cycle, orders: Orders, figures: dict[str, int]) -> Verdict:
    """The verdict on a cycle: its transactions, those who saw the versions, and each dependency."""
    operations = {edge.before.operation.invoked: edge.before.operation for edge in cycle.edges}
    for edge in cycle.edges:
        if edge.key in orders.readers:
            seer = orders.readers[edge.key].operation
            operations[seer.invoked] = seer
    witness = tuple(operations[invoked] for invoked in sorted(operations))
    reason = f"{cycle.name}: {len(cycle.edges)} transactions each come before the next, in a circle"
    evidence = tuple(map(_tell_edge, cycle.edges))
    return Verdict("invalid", NAME, reason, witness, evidence, figures=figures)


def _tell_edge(edge: Edge) -> str:
    before, after = map(_name, (edge.before.operation, edge.after.operation))
    if edge.kind == REALTIME:
        return f"rt: {before} was answered before {after} began"
    if edge.kind == WR:
        return f"wr: {before} appended to {edge.key!r} what {after} read"
    if edge.kind == RW:
        return f"rw: {before} read {edge.key!r} without what {after} appended"
    return f"ww: {before} appended to {edge.key!r} before {after}"


def _name(operation: Operation) -> str:
    return f"{operation.process} [{operation.invoked}]"
