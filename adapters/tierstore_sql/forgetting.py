"""The part of `SqlRegion` by which sets and documents forget what nobody needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.region.apply import Terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import Compaction
    from tierstore_sql.directory import Ledger
    from tierstore_sql.driver import Connection
    from tierstore_sql.region import Limits
    from tierstore_sql.session import Session


class Forgetting:
    """Steps of a walk through the sets and documents of the directory."""

    _session: Session
    _limits: Limits
    _ledger: Callable[[Connection], Ledger]
    _terms: Callable[[Ledger], Terms]
    now_ms: Callable[[], int]

    def compact(self, start: str, limit: int, timeout_s: float, is_dry: bool = False) -> Compaction:
        """Let sets and documents among up to `limit` keys from `start` on forget what they can."""
        from tierstore_sql.compacting import Pass  # it needs the types, which others do not

        step = Pass(self._session, start, limit)
        step.look(self.now_ms(), self._terms_at, timeout_s)
        if step.found and not is_dry:

            def work(connection: Connection) -> None:
                ledger = self._ledger(connection)
                step.write(ledger, self._terms(ledger))

            self._session.write(work, timeout_s)
        return step.done

    def _terms_at(self, now_ms: int, actor: int) -> Terms:
        """The terms for who only looks."""
        limits = self._limits
        return Terms(now_ms, limits.max_drift_ms, limits.horizon_ms, actor=actor)
