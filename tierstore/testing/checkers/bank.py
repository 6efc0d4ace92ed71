"""Money that is moved between accounts: none is made, and none is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tierstore.testing.checkers.given import operations_of
from tierstore.testing.checkers.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tierstore.testing.history import History, Operation

NAME = "bank"


def bank(
    history: History | Iterable[Operation],
    total: int,
    *,
    accounts: Collection[Any] | None = None,
    may_overdraw: bool = False,
    verb: str = "read",
) -> Verdict:
    """Whether every read of all accounts comes to `total`, and none is below 0.

    The result of an operation `verb` is the balance of each account. `accounts` are those that
    every read must have, and no others; `may_overdraw` lets balances be below 0. Other operations
    do not count, so transfers may be recorded in any form. The witness is one read.

    This finds reads that are torn and transfers that are made by halves; whether reads are of one
    order, and recent, is for `list_append` or `linearizable` to say.
    """
    wanted, reads = None if accounts is None else set(accounts), 0
    for read in operations_of(history):
        if read.verb != verb or read.outcome != "ok":
            continue
        reads += 1
        if (reason := _wrong(read.result, total, wanted, may_overdraw=may_overdraw)) is not None:
            return Verdict("invalid", NAME, reason, (read,), figures={"reads": reads})
    reason = f"every read comes to {total:,}"
    return Verdict("valid", NAME, reason, figures={"reads": reads})


def _wrong(balances: Any, total: int, wanted: set[Any] | None, *, may_overdraw: bool) -> str | None:
    if not isinstance(balances, Mapping):
        return f"read {balances!r}, not the balance of each account"
    if wanted is not None and balances.keys() != wanted:
        differing = sorted(map(str, balances.keys() ^ wanted))
        return f"read other accounts than there are: {', '.join(differing)}"
    if (found := sum(balances.values())) != total:
        return f"read {found:,} in all, not {total:,}"
    if not may_overdraw and (below := [name for name in balances if balances[name] < 0]):
        return f"overdrawn: {', '.join(f'{name} at {balances[name]:,}' for name in below)}"
    return None
