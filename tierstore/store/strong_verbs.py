"""The verbs of a store that need the coordinator: compare-and-set, transactions, leases, stocks."""

from __future__ import annotations

from tierstore.keys import check_key
from tierstore.store.arguments import OMITTED, seconds, whole_number
from tierstore.store.resolving import Resolver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, TypeVar

    from tierstore.handles.bounded_counter import BoundedCounter
    from tierstore.handles.lease import Lease
    from tierstore.handles.sequence import Sequence as Numbers
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.results import Outcome
    from tierstore.store.transactions import Transaction

    T = TypeVar("T")

ATTEMPTS = 8


class StrongVerbs(Resolver):
    """A part of `Store`."""

    def compare_and_set(
        self,
        key: str,
        value: Any,
        *,
        expected: str | None,
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
        timeout: float | None = None,
        operation_id: str | None = None,
    ) -> str:
        """Replace the value of a strong key if its version is `expected`; returns the new version.

        `expected` is a `Reading.version`, or None: there must be no value (absent, deleted or
        expired). With an `operation_id` of yours, the same call takes effect once within a day,
        whoever makes it, and returns what it returned first.

        Raises ConflictError, whose `current` has the version that the key has; what `put` raises.
        """
        from tierstore.region.commits import parse_version
        from tierstore.store.strong import require_strong

        version = None if expected is None else parse_version(expected)
        timeout_s = seconds("timeout", timeout)
        put = self._write(key, value, ttl, metadata)
        require_strong(key, put.rule)
        self._open()
        core = self._core
        deadline = core._begin(timeout_s)
        return str(core.strong.compare_and_set(put, version, deadline, operation_id))

    def transaction(
        self, *, timeout: float | None = None, operation_id: str | None = None
    ) -> Transaction:
        """A block that reads and writes strong keys as one step: `with store.transaction() as tx`.

        Nothing is locked meanwhile: when the block ends, all that it read must be as it was, else
        ConflictError, and nothing happened. If the block raises, nothing happens either.
        With an `operation_id` that was committed before, entering raises AlreadyCommittedError.
        """
        from tierstore.store.transactions import Transaction

        self._core.refuse_closed()
        return Transaction(self, seconds("timeout", timeout), operation_id)

    def transact(
        self,
        function: Callable[[Transaction], T],
        *,
        attempts: int = ATTEMPTS,
        timeout: float | None = None,
        operation_id: str | None = None,
    ) -> T:
        """What `function(tx)` returns, run as a transaction; again if others were faster.

        It may run several times, so it should do nothing but read and write by `tx`. With an
        `operation_id` of yours it takes effect once within a day, and a repeated call returns what
        the first one returned, which then has to be a value that can be stored, of 4 KiB at most.

        Raises ConflictError after so many `attempts`; what `function` raises, at once.
        """
        from tierstore.store.transactions import transact

        whole_number("attempts", attempts)
        self._core.refuse_closed()
        return transact(self, function, attempts, seconds("timeout", timeout), operation_id)

    def bounded_counter(self, key: str) -> BoundedCounter:
        """The stock at `key`. Raises TypeMismatchError if its rule declares another type."""
        from tierstore.handles.bounded_counter import BoundedCounter
        from tierstore.store.bounded import BoundedKey

        return BoundedCounter(BoundedKey(self, key))

    def lease(
        self,
        key: str,
        ttl: TTL = 30.0,
        wait: float = 0.0,
        *,
        timeout: float | None = None,
    ) -> Lease:
        """The exclusive right to do what `key` names: `with store.lease("jobs/nightly") as lease`.

        The name needs no rule, and is no key that has a value. The lease lasts for `ttl` and is
        renewed until the block ends. Entering waits up to `wait` seconds for it, then raises
        LeaseHeldError. Raises InvalidArgumentError for a `ttl` below 50 ms.
        """
        from tierstore.handles.lease import Lease
        from tierstore.store.keeping import Keeping, lease_ttl_s

        ttl_s, wait_s = lease_ttl_s(ttl), seconds("wait", wait) or 0.0
        full = self._name(key)
        return Lease(
            key, ttl_s, Keeping(self._core, full, ttl_s, wait_s, seconds("timeout", timeout))
        )

    def sequence(self, key: str) -> Numbers:
        """Numbers that are each given once: `store.sequence("orders").next()`.

        The name needs no rule, and is no key that has a value.
        """
        from tierstore.handles.sequence import Sequence as Numbers

        core, full = self._core, self._name(key)

        def following(timeout: float | None) -> int:
            deadline = core.deadline(timeout)
            core.ensure_open()
            return core.strong.sequences.next(full, deadline)

        return Numbers(key, following)

    def _write_named(self, writes: Sequence[Any], timeout: float | None, operation_id: str) -> None:
        """Commit writes of strong keys once for this id."""
        from tierstore.store.strong import require_strong

        for write in writes:
            require_strong(write.key, write.rule)
        self._core.write_strong(writes, seconds("timeout", timeout), operation_id)

    def _central_outcome(self, operation_id: str, timeout: float | None) -> Outcome:
        """What became of a commit."""
        from tierstore.region.operations import begun_ms, check_name
        from tierstore.store.strong import outcome_of

        if begun_ms(operation_id) is None:
            check_name(operation_id)
        deadline = self._core.deadline(timeout)
        self._open()
        return outcome_of(self._core.strong.central.settle(operation_id, deadline))

    def _name(self, key: str) -> str:
        """The full name of something at the coordinator that is no key with a value."""
        check_key(key)
        full = self._prefix + key
        check_key(full)
        self._core.refuse_closed()
        return full
