"""The store: the verbs, checked and handed to the engine."""

from __future__ import annotations

from tierstore.edge.entry import AGE, Packed
from tierstore.keys import check_prefix
from tierstore.replica.operation import decode_operation, is_named
from tierstore.store.arguments import OMITTED, seconds, ttl_ms
from tierstore.store.leaving import note_failure
from tierstore.store.pickling import refuse_pickling
from tierstore.store.results import Maintenance
from tierstore.store.strong_verbs import StrongVerbs
from tierstore.store.unpacking import unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, Self

    from tierstore.handles.counter import Counter
    from tierstore.handles.document import Document
    from tierstore.handles.members import Members
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.batching import Batch
    from tierstore.store.results import CheckReport, Explanation, Outcome, Reading
    from tierstore.store.scanning import Scan
    from tierstore.store.session import Session
    from tierstore.store.watching import Watch

CLOSE_TIMEOUT_S = 5.0


class Store(StrongVerbs):
    """One key-value API over the tiers of a policy. Thread-safe; made by `tierstore.open`.

    Reads and writes of resident keys are local. Every verb takes `timeout=`, in seconds, for the
    case that it needs a tier further away; `get` and `put` do not look at it where they need none.
    """

    # Reading

    def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: Any = None,
        max_age: float | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The value of `key`, or `default` if it is absent.

        `type` converts it (dataclass, msgspec, attrs, TypedDict, pydantic). A mutable value is a
        fresh object. With `max_age` seconds, a copy that may lag further behind is not served.

        Raises UnavailableError when the region is needed and does not answer, never `default`;
        DecodingError if the value does not fit `type`; CorruptionError; InvalidKeyError.
        """
        try:
            entry = self._lookup(key)
        except TypeError:
            entry = None
        if entry is not None and not entry.guard and type is None and max_age is None:
            expires_at = entry.expires_at
            if expires_at is None or expires_at > self._time_ns() // 1_000_000:
                entry.reads += 1
                value = entry.value
                if value.__class__ is not Packed:
                    return value
                if value.payload:
                    return unpack(key, value.payload, "edge")
        answer = self._resolve(key, max_age, timeout)
        if type is not None:
            return self._converted(key, answer, default, type)
        return self._value(key, answer, default)

    def read(
        self, key: str, *, max_age: float | None = None, timeout: float | None = None
    ) -> Reading:
        """The value of `key` with its receipt. Raises what `get` raises."""
        return self._reading(key, self._resolve(key, max_age, timeout))

    def exists(self, key: str, *, timeout: float | None = None) -> bool:
        """Whether `key` has a value. Does not count as a use of it."""
        entry = self._lookup(key) if key.__class__ is str else None
        is_here = (
            entry is not None
            and not entry.guard & AGE
            and entry.is_live(self._time_ns() // 1_000_000)
        )
        return is_here or self._is_live(self._resolve(key, None, timeout, counts=False))

    def get_many(
        self,
        keys: Iterable[str],
        *,
        max_age: float | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The values of those of `keys` that exist.

        Raises UnavailableError if any of them cannot be answered.
        """
        self._core.refuse_closed()
        max_age_s, deadline = seconds("max_age", max_age), self._core.deadline(timeout)
        found, rest = self._gather(keys, max_age_s)
        if rest:
            found.update(self._fetch(rest, max_age_s, deadline))
        return found

    def scan(
        self,
        prefix: str = "",
        *,
        start: str | None = None,
        end: str | None = None,
        reverse: bool = False,
        limit: int | None = None,
        values: bool = True,
        cursor: str | None = None,
        timeout: float | None = None,
    ) -> Scan:
        """The entries whose keys start with `prefix`, within [start, end), in byte order.

        Own unflushed writes are included. Each page is one snapshot, the whole scan is not; a key
        present throughout appears exactly once. `.pages(size)` gives resumable pages.
        """
        from tierstore.store.scanning import Scan

        for bound in (prefix, start, end):
            if bound is not None:
                check_prefix(bound)
        self._core.refuse_closed()
        return Scan(
            self._core,
            self._prefix,
            prefix,
            start,
            end,
            reverse=reverse,
            limit=limit,
            values=values,
            cursor=cursor,
            timeout=timeout,
        )

    def watch(self, prefix: str = "", *, since: str | None = None) -> Watch:
        """What changes under `prefix` in the region, from now on or after the cursor `since`.

        An endless iterator of `Change(key, kind, version, cursor)`: the latest of each key, of all
        edges once they have flushed; and of `Gap(cursor)` where changes can no longer be told.
        Use it with `with`; `.next(timeout)` waits for one. Raises InvalidArgumentError for a
        cursor of another watch, ConsistencyMismatchError where another database than the region's
        decides strong keys and both kinds are under `prefix`; iterating raises UnavailableError.
        """
        from tierstore.store.watching import make_watch

        return make_watch(self._core, self._prefix, prefix, since)

    # Writing

    def put(
        self,
        key: str,
        value: Any,
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        operation_id: str | None = None,
    ) -> None:
        """Replace the value, the TTL and the metadata of `key`.

        `ttl` is seconds, a timedelta or text such as "30d"; None never expires; omitted, the
        rule's. Returns once the write has the durability that the rule declares, or, of a strong
        key, is committed; that happens once for an `operation_id` of yours, see `compare_and_set`.

        Raises EncodingError, ValueTooLargeError, InvalidKeyError, InvalidArgumentError before any
        I/O; UnavailableError if nothing happened; OutcomeUnknownError if the region did not
        confirm a `regional` write; OverloadedError if too much waits for the region.
        """
        if value.__class__ is bytes and ttl is OMITTED and metadata is None:
            entry = self._lookup(key) if operation_id is None and key.__class__ is str else None
            if entry is not None and self._rewrite(entry, value):
                return
        write = self._write(key, value, ttl, metadata)
        if operation_id is None:
            self._core.write_one(write, timeout)
        else:
            self._write_named([write], timeout, operation_id)

    def put_many(
        self,
        items: Mapping[str, Any],
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """`put` for several keys with one journal commit: atomic on this replica, only there."""
        self._core.write(self._puts(items, ttl, metadata), timeout)

    def delete(
        self, key: str, *, timeout: float | None = None, operation_id: str | None = None
    ) -> None:
        """Let `key` be absent, whether it existed or not. Raises what `put` raises."""
        if operation_id is None:
            self.delete_many([key], timeout=timeout)
        else:
            self._write_named(self._deletes([key]), timeout, operation_id)

    def delete_many(self, keys: Iterable[str], *, timeout: float | None = None) -> None:
        """`delete` for several keys with one journal commit."""
        self._core.write(self._deletes(keys), timeout)

    def touch(
        self, key: str, ttl: TTL | Omitted = OMITTED, *, timeout: float | None = None
    ) -> bool:
        """Give the present value of `key` a new TTL; False if there is none. Keeps the version."""
        full, rule = self._place_plain(key)
        lifetime_ms = ttl_ms(rule, ttl, self._core.runtime)
        if rule.consistency == "strong":
            return self._core.touch(full, rule, None, lifetime_ms, timeout)
        for _ in range(8):
            answer = self._resolve(key, None, timeout, counts=False)
            record = answer.record
            if record is None or not self._is_live(answer):
                return False
            if self._core.touch(full, rule, record, lifetime_ms, timeout):
                return True
        return False

    def batch(self, *, timeout: float | None = None) -> Batch:
        """A block of writes that are one journal commit: `with store.batch(): …`.

        What the block writes, through this store, its views and handles, happens when it ends, all
        or nothing on this replica, and not at all if it raises. Nobody sees it before, not even
        the block. Writes of different durabilities are acknowledged together. `touch`, which
        cannot wait, is refused. A block within another adds to that when it ends.

        The block is its thread, with the tasks that it starts and workers that run in a copy of
        its context. Other threads write at once, unless they use the view that `as batch` gives:
        it collects wherever it is used, and raises StoreClosedError after the block.
        """
        from tierstore.store.batching import Batch

        self._core.refuse_closed()
        return Batch(self, type(self), seconds("timeout", timeout))

    # Other types

    def counter(self, key: str) -> Counter:
        """The counter at `key`. Raises TypeMismatchError if its rule declares another type."""
        from tierstore.handles.counter import Counter
        from tierstore.store.typed import TypedKey

        return Counter(TypedKey(self, key, "counter"))

    def members(self, key: str) -> Members:
        """The set at `key`. Raises TypeMismatchError if its rule declares another type."""
        from tierstore.handles.members import Members
        from tierstore.store.typed import TypedKey

        return Members(TypedKey(self, key, "set"))

    def document(self, key: str) -> Document:
        """The document at `key`. Raises TypeMismatchError if its rule declares another type."""
        from tierstore.handles.document import Document
        from tierstore.store.typed import TypedKey

        return Document(TypedKey(self, key, "document"))

    # The store itself

    def prefixed(self, prefix: str) -> Store:
        """A view of this store in which every key is preceded by `prefix`."""
        check_prefix(prefix)
        self._core.refuse_closed()
        return Store(self._core, self._prefix + prefix)

    def session(self, token: str | None = None) -> Session:
        """A view for one client: read-your-writes and monotonic reads across replicas.

        `token` is the `session_token` that it had elsewhere; None begins a session. Raises
        InvalidArgumentError, also for a token that no `security.session_key` has signed, and
        PolicyError if such a key cannot be had. Its verbs wait for what was written at another
        replica, within their timeout, and then raise StaleReplicaError.
        """
        from tierstore.store.session import make_session

        return make_session(self._core, self._prefix, token)

    def explain(self, key: str, *, timeout: float | None = None) -> Explanation:
        """Where `key` is, what is declared for it, and why. `str()` of it reads as a report."""
        from tierstore.store.explaining import explain

        full, _ = self._locate(key)
        return explain(self._core, full, key, timeout)

    def stats(self) -> dict[str, Any]:
        """Counts and sizes of this replica, and of its region's cold tier, as plain data."""
        from tierstore.store.inspect import stats

        self._open()
        return stats(self._core)

    def check(self, *, timeout: float | None = None) -> CheckReport:
        """Whether journal, region and cold tier can be used, and what waits for an operator.

        If keys may go cold, an object is written under the region's prefix and deleted again.
        """
        from tierstore.store.inspect import check

        timeout_s = seconds("timeout", timeout)
        self._open()
        return check(self._core, timeout_s)

    def flush(self, timeout: float | None = None) -> None:
        """Return once everything written so far is in the region. Raises UnavailableError."""
        timeout_s = seconds("timeout", timeout)
        self._open()
        self._core.replica.flush(timeout_s)

    def maintain(self, budget: float | None = None) -> Maintenance:
        """Run every background step now, in this thread, for about `budget` seconds at most.

        What is due to move is moved as far as `movement.budget` allows, if no other process does.
        """
        budget_s = seconds("budget", budget)
        self._open()
        return Maintenance(tuple(self._core.homes.maintain(budget_s)))

    def outcome(self, operation_id: str, *, timeout: float | None = None) -> Outcome:
        """What became of an unconfirmed write: "applied", "pending", "quarantined", "unknown".

        Of a commit at the coordinator also "abandoned": it has not happened and, from this answer
        on, never will; but one with an id of yours is "unknown" until it happens.

        "applied" includes that a later write has replaced it. Of a `put_many` or `delete_many`,
        "applied" says that all of its writes are; else it is the worst that is known of one.
        Raises UnavailableError if only the region can tell and it does not answer.
        """
        if is_named(operation_id):
            return self._central_outcome(operation_id, timeout)
        operation = decode_operation(operation_id)
        self._open()
        return self._core.outcome(*operation, timeout)

    def close(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Flush and release everything. Idempotent; closes all views.

        What is journaled stays for the next open. Raises UnavailableError, after everything is
        released, if writes that were in memory only could not be flushed in time.
        """
        timeout_s = seconds("timeout", timeout)
        self._core.close(CLOSE_TIMEOUT_S if timeout_s is None else timeout_s)

    def __enter__(self) -> Self:
        self._core.refuse_closed()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.close()
        except Exception as failure:
            if error is None:
                raise
            note_failure(error, failure)

    def __contains__(self, key: str) -> bool:
        return self.exists(key)

    __reduce__ = refuse_pickling("a store", "open the policy again where it is needed")

    def __repr__(self) -> str:
        prefix = f" prefixed {self._prefix!r}" if self._prefix else ""
        return f"<tierstore.Store {self._core.policy.source}{prefix}>"
