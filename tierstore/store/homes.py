"""Which database holds a key: the region's, or of strong keys the coordinator's.

Where both are one, as by default, all of this comes to the region. Where they are two, each key is
in exactly one of them, by the consistency that its rule declares, and what a database has of keys
that belong to the other one is never shown: it is of another policy.
"""

from __future__ import annotations

from tierstore.errors import ConsistencyMismatchError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from tierstore.errors import TierStoreError
    from tierstore.policy.match import Matcher
    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.deadline import Deadline
    from tierstore.replica.engine import Replica

    Found = tuple[list[tuple[str, Record]], str | None]
    """Entries in order, and where to go on."""


class Homes:
    """The engines of the databases of one store."""

    def __init__(self, replica: Replica, coordinator: Replica | None, matcher: Matcher) -> None:
        self.replica = replica
        self.coordinator = coordinator or replica
        """That of the database in which strong keys are decided."""
        self.is_elsewhere = coordinator is not None
        self._matcher = matcher

    def of(self, rule: Rule) -> Replica:
        """That of the keys of `rule`."""
        return self.coordinator if rule.consistency == "strong" else self.replica

    def holds(self, home: Replica, key: str) -> bool:
        """Whether `key` belongs there."""
        return not self.is_elsewhere or self.of(self._matcher.rule_for(key)) is home

    def under(self, prefix: str) -> list[Replica]:
        """Those of all keys with this prefix."""
        if not self.is_elsewhere:
            return [self.replica]
        rules = self._matcher.rules_under(prefix)
        homes = {rule.consistency == "strong": self.of(rule) for rule in rules}
        return [homes[is_strong] for is_strong in sorted(homes)]

    def only(self, prefix: str) -> Replica:
        """That of all keys with this prefix. Raises ConsistencyMismatchError if there are two."""
        homes = self.under(prefix)
        if len(homes) > 1:
            raise ConsistencyMismatchError(
                f"under {prefix!r} some keys are eventual and some strong, and those are in another"
                " database, whose changes are in no order with the region's: watch prefixes that"
                " have only one kind, such as that of a rule `prefix/**`"
            )
        return homes[0]

    # Reading

    def warm(self, rules: Mapping[str, Rule]) -> None:
        """Count reads of strong keys; their database is told now and then, many at once."""
        state = self.coordinator.state
        if state.heat is None:
            return
        with state.lock:
            for key, rule in rules.items():
                state.heat.miss(key, rule)

    def scan_page(
        self,
        prefix: str,
        low: str,
        high: str | None,
        count: int,
        deadline: Deadline,
        **how: bool,
    ) -> Found:
        """`scan_page` of the region, or of both databases, one after the other."""
        from tierstore.replica.scan import scan_page

        pages = []
        for home in self.under(prefix):
            found, next_key = scan_page(home.state, low, high, count, deadline, **how)
            own = [item for item in found if self.holds(home, item[0])]
            pages.append((own, next_key))
            deadline = deadline.renewed()
        return pages[0] if len(pages) == 1 else merged(pages, reverse=how["reverse"])

    # All that is open

    def open(self) -> None:
        """Take an identity; see `Replica.open`."""
        self.replica.open()
        if self.is_elsewhere:
            self.coordinator.open()

    def maintain(self, budget_s: float | None) -> list[TierStoreError]:
        """Run every background step that is needed; returns what failed."""
        runtime = self.replica.runtime
        began_s = runtime.monotonic()
        failed = self.replica.maintain(budget_s)
        if self.is_elsewhere:
            if budget_s is not None:
                budget_s = max(0.0, budget_s - (runtime.monotonic() - began_s))
            failed += self.coordinator.maintain(budget_s)
        return failed

    def close(self, timeout_s: float) -> None:
        """Flush and release everything: the region's first, which may report to the other."""
        try:
            self.replica.close(timeout_s)
        finally:
            if self.is_elsewhere:
                self.coordinator.close(timeout_s)

    def abandon(self) -> None:
        """See `Replica.abandon`."""
        self.replica.abandon()
        if self.is_elsewhere:
            self.coordinator.abandon()


def merged(pages: Iterable[Found], *, reverse: bool) -> Found:
    """One page of several, as far as all of them reach."""
    found, nexts = [], []
    for entries, next_key in pages:
        found += entries
        if next_key is not None:
            nexts.append(next_key)
    found.sort(key=_raw, reverse=reverse)
    if not nexts:
        return found, None
    end = (max if reverse else min)(nexts, key=lambda key: key.encode("utf-8", "surrogateescape"))
    raw_end = end.encode("utf-8", "surrogateescape")
    if reverse:
        return [item for item in found if _raw(item) >= raw_end], end
    return [item for item in found if _raw(item) < raw_end], end


def _raw(item: tuple[str, Any]) -> bytes:
    return item[0].encode("utf-8", "surrogateescape")
