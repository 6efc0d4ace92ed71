"""Escrow at the coordinator: each step one commit, judged by the versions of what it changes.

A step looks at its records, plans, and commits if they still are as they were. Whether a commit
whose answer was lost has happened, the records themselves tell: they hold totals, and their
versions are never given twice, so it happens at most once, and never after a later step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tierstore.coordinator.escrow_plan import (
    GIVEN_MAX,
    Plan,
    plan_exchange,
    plan_gift,
    plan_reclaim,
)
from tierstore.coordinator.escrow_records import (
    GRANTS,
    LEDGERS,
    decode_grant,
    decode_ledger,
    encode_grant,
    encode_ledger,
    grant_key,
    grants_prefix,
    ledger_key,
)
from tierstore.errors import InvalidArgumentError, UnavailableError
from tierstore.region.commits import DELETE, PRIVATE, Cell, Check, Commit, Write, version_of
from tierstore.runtime import jitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from tierstore.coordinator.central import Central
    from tierstore.coordinator.escrow_plan import Grant, Ledger, Request
    from tierstore.region.commits import PrivateReply
    from tierstore.region.deadline import Deadline
    from tierstore.region.rows import Row
    from tierstore.runtime import Runtime

    Rows = dict[str, Row]
    P = TypeVar("P")

PAGE = 500
PAUSE_S_MIN, PAUSE_S_MAX = 0.001, 0.1
ATTEMPTS = 64


class Ledgers:
    """The records of escrow. Thread-safe."""

    def __init__(self, central: Central, runtime: Runtime) -> None:
        self._central = central
        self._runtime = runtime

    def look(self, keys: Iterable[str], deadline: Deadline) -> tuple[dict[str, Ledger], int]:
        """The ledgers of `keys`, and the coordinator's time. Raises UnavailableError."""
        found: dict[str, Ledger] = {}
        now_ms, rest = 0, list(keys)
        for start in range(0, len(rest), PAGE):
            portion = rest[start : start + PAGE]
            reply = self._central.peek(list(map(ledger_key, portion)), deadline)
            now_ms = reply.now_ms
            for key in portion:
                found[key] = decode_ledger(key, reply.rows.get(ledger_key(key)))
        return found, now_ms

    def look_both(self, key: str, holder: int, deadline: Deadline) -> tuple[Ledger, Grant | None]:
        """The ledger of `key` and what `holder` has of it, as of one moment."""
        cells = ledger_key(key), grant_key(key, holder)
        rows = self._central.peek(cells, deadline).rows
        held = rows.get(cells[1])
        return decode_ledger(key, rows.get(cells[0])), None if held is None else decode_grant(held)

    def exchange(
        self,
        key: str,
        holder: int,
        ask: Callable[[Grant | None], Request],
        life: int,
        deadline: Deadline,
    ) -> tuple[Plan, int]:
        """What `ask` says of the grant as it is, carried out; and the coordinator's time.

        It happens in this `life` of the coordinator or never: one that was restored from a backup
        has the records on which an earlier request was planned, and its holder would not know.
        Raises UnavailableError and OutcomeUnknownError, after which it may yet happen; a later
        step that is agreed ends that doubt.
        """
        cells = ledger_key(key), grant_key(key, holder)

        def plan_of(reply: PrivateReply) -> Plan:
            if reply.incarnation != life:
                raise UnavailableError("the coordinator has begun another life: try again")
            held = reply.rows.get(cells[1])
            grant = None if held is None else decode_grant(held)
            request = ask(grant)
            if held is not None and version_of(held).incarnation == reply.incarnation:
                request = replace(request, anew=False)  # so another copy is told apart
            ledger = decode_ledger(key, reply.rows.get(cells[0]))
            return plan_exchange(ledger, grant, request, reply.now_ms)

        def commit_of(plan: Plan, rows: Rows) -> Commit | None:
            if not plan.changes:
                return None
            new = plan.grant
            writes = [
                _put(cells[0], encode_ledger(plan.ledger)),
                *([_put(cells[1], encode_grant(new))] if new is not None else []),
                *([Write(Cell(PRIVATE, cells[1]), DELETE)] if new is None else []),
            ]
            return Commit(_checks(cells, rows), tuple(writes), life=life)

        return self._step(cells, plan_of, commit_of, deadline)

    def give(self, key: str, units: int, operation_id: str, deadline: Deadline) -> None:
        """Let there be `units` more of `key`, once for each operation id."""
        cells = (ledger_key(key),)

        def plan_of(reply: PrivateReply) -> Ledger:
            new = plan_gift(decode_ledger(key, reply.rows.get(cells[0])), units)
            if new is None:
                raise InvalidArgumentError(
                    f"{key!r} cannot be given {units} more: {GIVEN_MAX} is all that is ever counted"
                )
            return new

        def commit_of(new: Ledger, rows: Rows) -> Commit:
            write = _put(cells[0], encode_ledger(new))
            request = f"give {units} {key}".encode()
            return Commit(_checks(cells, rows), (write,), operation_id, request)

        self._step(cells, plan_of, commit_of, deadline)

    def reclaim(self, key: str, holder: int, sold: int, deadline: Deadline) -> tuple[Grant, Ledger]:
        """End the grant of a holder that is lost and had sold `sold`; what it was, what is left.

        Raises InvalidArgumentError if there is no such grant, or it cannot have sold so much.
        """
        cells = ledger_key(key), grant_key(key, holder)

        def plan_of(reply: PrivateReply) -> tuple[Grant, Ledger]:
            held = reply.rows.get(cells[1])
            if held is None:
                raise InvalidArgumentError(f"no replica {holder:x} has rights of {key!r}")
            grant = decode_grant(held)
            left = plan_reclaim(decode_ledger(key, reply.rows.get(cells[0])), grant, sold)
            if left is None:
                raise InvalidArgumentError(
                    f"the replica {holder:x} has reported {grant.spent} units of {key!r} as sold"
                    f" and was granted {grant.held}: it cannot have sold {sold}"
                )
            return grant, left

        def commit_of(plan: tuple[Grant, Ledger], rows: Rows) -> Commit:
            writes = _put(cells[0], encode_ledger(plan[1])), Write(Cell(PRIVATE, cells[1]), DELETE)
            return Commit(_checks(cells, rows), writes)

        return self._step(cells, plan_of, commit_of, deadline)[0]

    def ledgers(self, deadline: Deadline) -> Iterator[tuple[str, Ledger]]:
        """Every key that was ever given something, in order."""
        for row in self._browse(LEDGERS, deadline):
            key = row.key.removeprefix(LEDGERS)
            yield key, decode_ledger(key, row)

    def grants(self, deadline: Deadline, key: str | None = None) -> Iterator[Grant]:
        """Every grant, or those of `key`."""
        prefix = GRANTS if key is None else grants_prefix(key)
        return map(decode_grant, self._browse(prefix, deadline))

    def _browse(self, prefix: str, deadline: Deadline) -> Iterator[Row]:
        after = ""
        while True:
            rows = self._central.browse(prefix, after, PAGE, deadline).rows
            yield from (rows[key] for key in sorted(rows))
            if len(rows) < PAGE:
                return
            after = max(rows)
            deadline = deadline.renewed()

    def _step(
        self,
        cells: tuple[str, ...],
        plan_of: Callable[[PrivateReply], P],
        commit_of: Callable[[P, Rows], Commit | None],
        deadline: Deadline,
    ) -> tuple[P, int]:
        """Plan by what is there and commit that, again if others were faster.

        Raises UnavailableError: nothing happened; OutcomeUnknownError.
        """
        for attempt in range(ATTEMPTS):
            reply = self._central.peek(cells, deadline)
            plan = plan_of(reply)
            commit = commit_of(plan, reply.rows)
            if commit is None or self._central.commit(commit, deadline).verdict == "committed":
                return plan, reply.now_ms
            self._runtime.sometimes("a step of escrow was overtaken")
            longest_s = min(PAUSE_S_MAX, PAUSE_S_MIN * 2.0**attempt)
            self._runtime.sleep(longest_s * jitter(self._runtime))
        raise UnavailableError(
            f"others were faster {ATTEMPTS} times, and nothing happened: try again later"
        )


def _checks(cells: Iterable[str], rows: Rows) -> tuple[Check, ...]:
    """That each of `cells` is as it was seen."""
    return tuple(
        Check(Cell(PRIVATE, cell), version_of(rows[cell]) if cell in rows else None)
        for cell in cells
    )


def _put(cell: str, payload: bytes) -> Write:
    return Write(Cell(PRIVATE, cell), payload=payload)
