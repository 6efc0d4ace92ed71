"""What is wrong with a call is said by its own error, before any call of the region.

Each case is a coroutine that gets a store, sync or async; `done` awaits what needs it.
"""

from __future__ import annotations

import contextlib
import inspect

import pytest

from tierstore.aio.store import AsyncStore
from tierstore.aio.workers import Workers
from tierstore.errors import (
    ConsistencyMismatchError,
    EncodingError,
    InvalidArgumentError,
    InvalidKeyError,
    TransactionError,
    TypeMismatchError,
    ValueTooLargeError,
)
from tierstore.runtime import Runtime

LARGE = b"x" * (12 << 20)


async def done(result):
    return await result if inspect.isawaitable(result) else result


@contextlib.asynccontextmanager
async def entered(block):
    """A block of either kind, entered without its own I/O being counted."""
    if hasattr(block, "__aenter__"):
        async with block as inside:
            yield inside
    else:
        with block as inside:
            yield inside


async def keep(tx):
    """A function of a transaction that does nothing."""


async def run(store, **options):
    """`transact` with a function of the kind that the store wants."""
    function = keep if inspect.iscoroutinefunction(store.transact) else lambda tx: None
    return await done(store.transact(function, **options))


async def misuse(store, call):
    """What `call(tx)` does within a block, which then writes nothing."""
    async with entered(store.transaction()) as tx:
        await done(call(tx))


async def many(tx):
    for number in range(501):
        await done(tx.put(f"s/{number}", 1))


async def much(tx):
    for number in range(3):
        await done(tx.put(f"s/{number}", LARGE))


async def nest(store, make):
    async with entered(store.transaction()), entered(make(store)):
        pytest.fail("it was entered")


async def used_late(store, call):
    async with entered(store.transaction()) as tx:
        pass
    await done(call(tx))


async def used_twice(store):
    tx = store.transaction()
    for _ in range(2):
        async with entered(tx):
            pass


CASES = {
    "too many keys": (lambda s: misuse(s, many), ValueTooLargeError),
    "too many bytes": (lambda s: misuse(s, much), ValueTooLargeError),
    "too many read": (
        lambda s: misuse(s, lambda tx: tx.get_many([f"s/{n}" for n in range(501)])),
        ValueTooLargeError,
    ),
    "nested": (lambda s: nest(s, lambda s: s.transaction()), TransactionError),
    "nested in a view": (
        lambda s: nest(s, lambda s: s.prefixed("s/").transaction()),
        TransactionError,
    ),
    "lease within": (lambda s: nest(s, lambda s: s.lease("l")), TransactionError),
    "read after exit": (lambda s: used_late(s, lambda tx: tx.get("s/a")), TransactionError),
    "put after exit": (lambda s: used_late(s, lambda tx: tx.put("s/a", 1)), TransactionError),
    "delete after exit": (lambda s: used_late(s, lambda tx: tx.delete("s/a")), TransactionError),
    "touch after exit": (lambda s: used_late(s, lambda tx: tx.touch("s/a")), TransactionError),
    "entered twice": (used_twice, TransactionError),
    "before its block": (lambda s: s.transaction().get("s/a"), TransactionError),
    "a scan inside": (lambda s: misuse(s, lambda tx: tx.scan("s/")), TransactionError),
    "eventual read": (lambda s: misuse(s, lambda tx: tx.get("e")), ConsistencyMismatchError),
    "eventual read, receipt": (
        lambda s: misuse(s, lambda tx: tx.read("e")),
        ConsistencyMismatchError,
    ),
    "eventual put": (lambda s: misuse(s, lambda tx: tx.put("e", 1)), ConsistencyMismatchError),
    "eventual delete": (lambda s: misuse(s, lambda tx: tx.delete("e")), ConsistencyMismatchError),
    "eventual touch": (lambda s: misuse(s, lambda tx: tx.touch("e")), ConsistencyMismatchError),
    "eventual, compared": (
        lambda s: s.compare_and_set("e", 1, expected=None),
        ConsistencyMismatchError,
    ),
    "eventual, named": (lambda s: s.put("e", 1, operation_id="x"), ConsistencyMismatchError),
    "no value": (lambda s: misuse(s, lambda tx: tx.put("s/a", object())), EncodingError),
    "no key": (lambda s: misuse(s, lambda tx: tx.put("", 1)), InvalidKeyError),
    "no TTL": (lambda s: misuse(s, lambda tx: tx.put("s/a", 1, ttl="soon")), InvalidArgumentError),
    "no version": (
        lambda s: s.compare_and_set("s/a", 1, expected="W/7"),
        InvalidArgumentError,
    ),
    "no attempt": (lambda s: run(s, attempts=0), InvalidArgumentError),
    "an id of tierstore's own": (lambda s: run(s, operation_id="s1-0-0"), InvalidArgumentError),
    "no id": (lambda s: s.outcome("s1-x"), InvalidArgumentError),
    "no timeout": (lambda s: s.transaction(timeout=-1), InvalidArgumentError),
    "a lease of 0 s": (lambda s: s.lease("l", ttl=0), InvalidArgumentError),
    "a lease for ever": (lambda s: s.lease("l", ttl=None), InvalidArgumentError),
    "a lease not waited for": (lambda s: s.lease("l", wait=-1), InvalidArgumentError),
    "a token too early": (lambda s: s.lease("l").token, TransactionError),
    "a sequence without a name": (lambda s: s.sequence("").next(), InvalidKeyError),
    "a counter": (lambda s: s.counter("s/a").add(1), TypeMismatchError),
    "a set": (lambda s: s.members("s/a").add("x"), TypeMismatchError),
    "a document": (lambda s: s.document("s/a").get(), TypeMismatchError),
}


@pytest.fixture(params=["sync", "async"])
async def ready(request, store, plan):
    """A store that is connected, and whose calls of the region are counted from now on."""
    store.put("s/before", 1)
    made = store
    if request.param == "async":
        made = AsyncStore(store, Workers(Runtime(), 2))
    plan.arm(0, "error")
    yield made
    if made is not store:
        await made.close()


@pytest.mark.parametrize("case", CASES)
async def test_bad_input(ready, plan, case):
    call, error = CASES[case]
    with pytest.raises(error) as caught:
        await done(call(ready))
    assert (caught.value.outcome, caught.value.retry) == ("none", "never")
    assert plan.count == 0
    assert await done(ready.get_many(["s/a", "s/0", "e"])) == {}


async def test_an_operation_id_of_another_request(ready):
    await done(ready.put("s/a", 1, operation_id="one"))
    for call in (
        lambda: ready.put("s/a", 2, operation_id="one"),
        lambda: ready.delete("s/a", operation_id="one"),
        lambda: ready.put("s/b", 1, operation_id="one"),
        lambda: ready.compare_and_set("s/b", 1, expected=None, operation_id="one"),
    ):
        with pytest.raises(InvalidArgumentError, match="another request"):
            await done(call())
    assert await done(ready.get_many(["s/a", "s/b"])) == {"s/a": 1}
