"""The async store: the verbs of `Store` as coroutines.

What needs no I/O runs in the caller: reads that a resident copy answers, and writes under rules
with `durability: memory`. The rest runs in the store's own workers, with a copy of the caller's
context variables. Until the first verb has opened the store, everything does.

Cancelling a coroutine undoes nothing. What a worker has begun goes on to its end, unobserved: a
write may well become durable. What no worker has begun never happens.

`timeout` bounds the whole verb, waiting for a free worker included: DeadlineExceededError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.aio.batching import AsyncBatch
from tierstore.aio.gathering import Gatherer
from tierstore.aio.handles import AsyncCounter, AsyncEngine, AsyncMembers
from tierstore.aio.scanning import AsyncScan
from tierstore.aio.strong import AsyncStrongVerbs
from tierstore.aio.watching import AsyncWatch
from tierstore.edge.entry import Packed
from tierstore.store.arguments import OMITTED, seconds, ttl_ms
from tierstore.store.leaving import note_failure
from tierstore.store.pickling import refuse_pickling
from tierstore.store.store import CLOSE_TIMEOUT_S
from tierstore.store.typed import TypedKey
from tierstore.store.unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self, TypeVar

    from tierstore.aio.documents import AsyncDocument
    from tierstore.aio.session import AsyncSession
    from tierstore.aio.workers import Workers
    from tierstore.edge.entry import Entry
    from tierstore.policy.model import Rule
    from tierstore.replica.changing import ChangeWrite
    from tierstore.replica.reads import Answer
    from tierstore.replica.write import Write
    from tierstore.store.arguments import TTL, Omitted
    from tierstore.store.results import CheckReport, Explanation, Maintenance, Outcome, Reading
    from tierstore.store.store import Store

    R = TypeVar("R")


class AsyncStore(AsyncStrongVerbs):
    """`Store` for event loops; made by `tierstore.open_async`.

    Belongs to no loop: coroutines of several loops and threads may use it at the same time.
    """

    def __init__(self, store: Store, workers: Workers) -> None:
        self._store = store
        self._workers = workers
        self._core = store._core
        self._prefix = store._prefix
        self._lookup: Callable[[str], Entry | None]
        self._rewrite: Callable[[Entry, bytes], bool]
        self._bump: Callable[[Entry, int], bool]
        self._time_ns = self._core.runtime.time_ns
        self._gatherer = Gatherer(self._core, workers)
        self._core.attach(self)

    # Reading

    async def get(
        self,
        key: str,
        default: Any = None,
        *,
        type: Any = None,
        max_age: float | None = None,
        timeout: float | None = None,
    ) -> Any:
        """The value of `key`, or `default` if it is absent; see `Store.get`.

        A resident value is returned without giving way to other tasks.
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
        return await self._get(key, default, type, max_age, timeout)

    async def read(
        self, key: str, *, max_age: float | None = None, timeout: float | None = None
    ) -> Reading:
        """The value of `key` with its receipt; see `Store.read`."""
        store = self._store
        if (answer := self._local_answer(key, max_age)) is not None:
            return store._reading(key, answer)
        return await self._run(
            lambda left_s: store.read(key, max_age=max_age, timeout=left_s), timeout
        )

    async def exists(self, key: str, *, timeout: float | None = None) -> bool:
        """Whether `key` has a value. Does not count as a use of it."""
        store = self._store
        if (answer := self._local_answer(key, None, counts=False)) is not None:
            return store._is_live(answer)
        return await self._run(lambda left_s: store.exists(key, timeout=left_s), timeout)

    async def get_many(
        self,
        keys: Iterable[str],
        *,
        max_age: float | None = None,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """The values of those of `keys` that exist; see `Store.get_many`.

        Runs in the caller if all of them are resident.
        """
        max_age_s, deadline = seconds("max_age", max_age), self._core.deadline(timeout)
        store = self._store
        await self._ensure_open(timeout)
        found, rest = store._gather(keys, max_age_s)
        found.update(self._take_local(rest, max_age_s))
        if rest:
            fetched = await self._workers.run(
                lambda: store._fetch(rest, max_age_s, deadline), deadline
            )
            found.update(fetched)
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
    ) -> AsyncScan:
        """The entries whose keys start with `prefix`, for `async for`; see `Store.scan`.

        `.pages(size)` gives resumable pages, also for `async for`. `timeout` bounds each page.
        """
        scan = self._store.scan(
            prefix, start=start, end=end, reverse=reverse, limit=limit, values=values,
            cursor=cursor, timeout=timeout,
        )  # fmt: skip
        return AsyncScan(self._core, self._workers, scan)

    def watch(self, prefix: str = "", *, since: str | None = None) -> AsyncWatch:
        """What changes under `prefix` in the region, for `async for`; see `Store.watch`."""
        return AsyncWatch(self._core, self._workers, self._store.watch(prefix, since=since))

    # Writing

    async def put(
        self,
        key: str,
        value: Any,
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        operation_id: str | None = None,
    ) -> None:
        """Replace the value, the TTL and the metadata of `key`; see `Store.put`.

        `value` is encoded before this gives way, so it may be changed afterwards.
        """
        if value.__class__ is bytes and ttl is OMITTED and metadata is None:
            entry = self._lookup(key) if operation_id is None and key.__class__ is str else None
            if entry is not None:
                self._workers.refuse_closing()
                if self._rewrite(entry, value):
                    return
        await self._ensure_open(timeout)
        await self._write([self._store._write(key, value, ttl, metadata)], timeout, operation_id)

    async def put_many(
        self,
        items: Mapping[str, Any],
        ttl: TTL | Omitted = OMITTED,
        metadata: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> None:
        """`put` for several keys with one journal commit: atomic on this replica, only there."""
        await self._ensure_open(timeout)
        await self._write(self._store._puts(items, ttl, metadata), timeout)

    async def delete(
        self, key: str, *, timeout: float | None = None, operation_id: str | None = None
    ) -> None:
        """Let `key` be absent, whether it existed or not. Raises what `put` raises."""
        await self._ensure_open(timeout)
        await self._write(self._store._deletes([key]), timeout, operation_id)

    async def delete_many(self, keys: Iterable[str], *, timeout: float | None = None) -> None:
        """`delete` for several keys with one journal commit."""
        await self._ensure_open(timeout)
        await self._write(self._store._deletes(keys), timeout)

    async def touch(
        self, key: str, ttl: TTL | Omitted = OMITTED, *, timeout: float | None = None
    ) -> bool:
        """Give the present value of `key` a new TTL; False if there is none. Keeps the version."""
        store, core = self._store, self._core
        answer = self._local_answer(key, None, counts=False)
        if answer is not None:
            full, rule = store._locate(key)
            lifetime_ms = ttl_ms(rule, ttl, core.runtime)
            if answer.record is None or not store._is_live(answer):
                return False
            self._workers.refuse_closing()
            if core.replica.writer.is_local(rule) and core.touch(
                full, rule, answer.record, lifetime_ms, None
            ):
                return True
        return await self._run(lambda left_s: store.touch(key, ttl, timeout=left_s), timeout)

    def batch(self, *, timeout: float | None = None) -> AsyncBatch:
        """Writes that are one journal commit: `async with astore.batch(): …`.

        See `Store.batch`. No coroutine, entering and leaving the block is.
        """
        self._core.refuse_closed()
        return AsyncBatch(self, seconds("timeout", timeout))

    # Other types

    def counter(self, key: str) -> AsyncCounter:
        """The counter at `key`; see `Store.counter`. No coroutine, its verbs are."""
        return AsyncCounter(AsyncEngine(self, TypedKey(self._store, key, "counter")))

    def members(self, key: str) -> AsyncMembers:
        """The set at `key`; see `Store.members`. No coroutine, its verbs are."""
        return AsyncMembers(AsyncEngine(self, TypedKey(self._store, key, "set")))

    def document(self, key: str) -> AsyncDocument:
        """The document at `key`; see `Store.document`. No coroutine, its verbs are."""
        from tierstore.aio.documents import AsyncDocument

        typed = TypedKey(self._store, key, "document")
        return AsyncDocument(AsyncEngine(self, typed), typed)

    # The store itself

    def prefixed(self, prefix: str) -> AsyncStore:
        """A view of this store in which every key is preceded by `prefix`. No coroutine."""
        return AsyncStore(self._store.prefixed(prefix), self._workers)

    def session(self, token: str | None = None) -> AsyncSession:
        """A view for one client; see `Store.session`. No coroutine."""
        from tierstore.aio.session import AsyncSession

        return AsyncSession(self._store.session(token), self._workers)

    async def explain(self, key: str, *, timeout: float | None = None) -> Explanation:
        """Where `key` is, what is declared for it, and why. `str()` of it reads as a report."""
        store = self._store
        return await self._run(lambda left_s: store.explain(key, timeout=left_s), timeout)

    async def stats(self) -> dict[str, Any]:
        """Counts and sizes of this replica, as plain data. A coroutine: it asks the journal."""
        return await self._workers.run(self._store.stats)

    async def check(self, *, timeout: float | None = None) -> CheckReport:
        """Whether journal and region can be used now, and what waits for an operator."""
        store = self._store
        return await self._run(lambda left_s: store.check(timeout=left_s), timeout)

    async def flush(self, timeout: float | None = None) -> None:
        """Return once everything written so far is in the region. Raises UnavailableError."""
        await self._run(self._store.flush, timeout)

    async def maintain(self, budget: float | None = None) -> Maintenance:
        """Run every background step now, in a worker, for about `budget` seconds at most."""
        store = self._store
        return await self._workers.run(lambda: store.maintain(budget))

    async def outcome(self, operation_id: str, *, timeout: float | None = None) -> Outcome:
        """What became of an unconfirmed write; see `Store.outcome`."""
        store = self._store
        return await self._run(lambda left_s: store.outcome(operation_id, timeout=left_s), timeout)

    async def close(self, timeout: float = CLOSE_TIMEOUT_S) -> None:
        """Flush and release everything, threads included. Idempotent; closes all views.

        Waits up to `timeout` for what is under way, then flushes as `Store.close` does; what
        waits for a worker raises StoreClosedError. Cancelled once, this finishes first; cancelled
        again, it goes on unobserved.
        """
        store, timeout_s = self._store, seconds("timeout", timeout)
        if timeout_s is None:
            timeout_s = CLOSE_TIMEOUT_S
        await self._workers.close(lambda: store.close(timeout_s), timeout_s)

    async def __aenter__(self) -> Self:
        self._core.refuse_closed()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self.close()
        except Exception as failure:
            if error is None:
                raise
            note_failure(error, failure)

    __reduce__ = refuse_pickling("a store", "open the policy again where it is needed")

    def __repr__(self) -> str:
        prefix = f" prefixed {self._prefix!r}" if self._prefix else ""
        return f"<tierstore.AsyncStore {self._core.policy.source}{prefix}>"

    # Inside

    async def _get(
        self, key: str, default: Any, type: Any, max_age: float | None, timeout: float | None
    ) -> Any:
        # Apart from `get`, whose every call would pay for the variables that the closure shares.
        store = self._store
        if (answer := self._local_answer(key, max_age)) is not None:
            return store._converted(key, answer, default, type)
        is_gathered = self._core.replica.state.shared is not None and not store.is_session
        if is_gathered and max_age is None and timeout is None:
            await self._ensure_open(None)
            full, rule = store._locate_plain(key)
            if rule.consistency != "strong":
                answer = await self._gatherer.answer(full, rule)
                return store._converted(key, answer, default, type)
        return await self._run(
            lambda left_s: store.get(key, default, type=type, max_age=max_age, timeout=left_s),
            timeout,
        )

    async def _run(self, verb: Callable[[float], R], timeout: float | None) -> R:
        """What `verb(timeout_s)` returns; it gets what waiting for a worker left of `timeout`."""
        deadline = self._core.deadline(timeout)
        return await self._workers.run(lambda: verb(deadline.remaining_s()), deadline)

    async def _ensure_open(self, timeout: float | None) -> None:
        self._core.refuse_closed()
        if timeout is not None:
            seconds("timeout", timeout)
        if not self._core.replica.is_open:
            await self._run(lambda _: self._core.ensure_open(), timeout)

    def _local_answer(
        self, key: str, max_age: float | None, *, counts: bool = True
    ) -> Answer | None:
        """The answer that needs no I/O, if the store is open and there is one."""
        core = self._core
        core.refuse_closed()
        if not core.replica.is_open or self._store.is_session:
            return None
        full, rule = self._store._locate(key)
        if rule.consistency == "strong":
            return None
        max_age_s = seconds("max_age", max_age)
        return core.replica.reader.resolve_local(full, rule, max_age_s, counts=counts)

    def _take_local(self, rules: dict[str, Rule], max_age_s: float | None) -> dict[str, Any]:
        """The values of those of `rules` that need no I/O, which are taken out of it."""
        if self._store.is_session:
            return {}
        resolve = self._core.replica.reader.resolve_local
        answers = {
            full: resolve(full, rule, max_age_s)
            for full, rule in rules.items()
            if rule.consistency != "strong"
        }
        local = {full: answer for full, answer in answers.items() if answer is not None}
        for full in local:
            del rules[full]
        return self._store._found(local)

    async def _write(
        self,
        writes: Sequence[Write | ChangeWrite],
        timeout: float | None,
        operation_id: str | None = None,
    ) -> None:
        core, store = self._core, self._store
        self._workers.refuse_closing()  # what came now would miss the last flush
        if operation_id is not None:
            await self._run(lambda s: store._write_named(writes, s, operation_id), timeout)
        elif writes and not core.write_now(writes):
            await self._run(lambda left_s: core.write(writes, left_s), timeout)
