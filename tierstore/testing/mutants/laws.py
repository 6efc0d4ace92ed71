"""Laws of parts that a cluster cannot put to the test, because other parts make up for them."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from tierstore.crdt import register
from tierstore.errors import FencedError, UnavailableError
from tierstore.movement.ground import Ground
from tierstore.movement.sweeper import Sweeper
from tierstore.policy import load
from tierstore.record import Record
from tierstore.region import apply
from tierstore.region.batch import PUT, TOUCH, Delta, Poisoned, freeze
from tierstore.region.moves import StoredObject
from tierstore.region.objects import mint_name
from tierstore.region.outcomes import APPLIED, SUPERSEDED
from tierstore.region.rows import ReplicaState, Row
from tierstore.runtime.manual import ManualRuntime
from tierstore.stamp import at_ms
from tierstore.testing.memory_objects import MemoryObjects
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.mutant import Law
from tierstore.testing.stores import memory_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.region.batch import Batch
    from tierstore.runtime.chance import Chance

TIMEOUT_S = 1.0
KEY = "k"
MADE = "made"
"""The name of an object."""
TIERED = {
    "rules": [
        {
            "match": "**",
            "durability": "memory",
            "hotness": {"cold": "60/min", "half_life": "2s"},
            "min_residency": {"edge": "0s", "regional": "300ms"},
        }
    ],
    "movement": {"interval": "1s"},
}
RETAIN_S = 5
DRIFT_MS, HORIZON_MS = 1000, 10_000


def _order_does_not_matter(chance: Chance) -> Iterator[str]:
    """Puts and touches of a few versions make the same register in whatever order they come."""
    puts = [_draw_put(chance, chance.randint(1, 2), replica) for replica in (1, 2)]
    touches = [_draw_touch(chance, puts[0].record) for _ in range(2)]
    ends = {
        _joined((*order, *touched))
        for order in permutations(puts)
        for touched in permutations(touches)
    }
    ends |= {
        _joined((*order, puts[0]))
        for order in permutations([*puts, *touches])
        if _is_causal(order, puts[0], touches)
    }
    if len(ends) > 1:
        yield f"the same deltas made {sorted(map(str, ends))}"


def _is_causal(order: tuple[Delta, ...], put: Delta, touches: list[Delta]) -> bool:
    """Whether no touch comes before the version that it names."""
    return all(order.index(put) < order.index(touch) for touch in touches)


def _joined(deltas: tuple[Delta, ...]) -> tuple[object, ...]:
    """The register that `deltas` make, one after the other."""
    state: Record | None = None
    for delta in deltas:
        join = register.join if delta.op == PUT else register.touch
        state = join(state, delta.record)
    assert state is not None
    return (*state.fields(), state.payload)


def _rows_do_not_depend_on_order(chance: Chance) -> Iterator[str]:
    """Batches of two replicas make the same row in whatever order they are applied."""
    now_ms = 100_000
    batches = [
        freeze(replica, 1, b"", [_draw_put(chance, at_ms(now_ms) + replica, replica)], [])
        for replica in (1, 2)
    ]
    ends = set()
    for order in permutations(batches):
        rows: dict[str, Row] = {}
        for batch in order:
            rows |= apply.plan_apply(rows, batch, apply.Terms(now_ms)).writes
        record = rows[KEY].record if KEY in rows else None
        ends.add(None if record is None else record.payload)
    if len(ends) > 1:
        yield f"the same batches made {sorted(map(str, ends))}"


def _draw_put(chance: Chance, stamp: int, replica: int) -> Delta:
    payload = chance.choice((None, b"\x01", b"\x02"))
    return Delta(KEY, PUT, Record(stamp, replica, payload))


def _draw_touch(chance: Chance, of: Record) -> Delta:
    touch, expires_ms = chance.randint(3, 5), chance.randint(10, 12)
    return Delta(KEY, TOUCH, Record(of.stamp, of.replica, None, expires_ms, touch))


def _one_chain_of_batches(chance: Chance) -> Iterator[str]:
    """Of two clones of a replica, each with batches of its own, the region follows one."""
    first = freeze(1, 1, b"", [_draw_put(chance, 1, 1)], [])
    chains = [[first], [first]]
    for name, chain in enumerate(chains):
        for number in (2, 3):
            delta = Delta(KEY, PUT, Record(number, 1, bytes([name + 1])))
            chain.append(freeze(1, number, chain[-1].digest, [delta], []))
    state = ReplicaState(1)
    applied: list[Batch] = []
    for _ in range(12):
        batch = chance.choice(chance.choice(chains))
        verdict, _ = apply.admit(state, batch)
        if verdict == "repeat" and batch.digest != applied[-1].digest:
            yield f"{batch} was taken for one that was applied"
        if verdict == "apply":
            state.applied, state.digest = batch.number, batch.digest
            applied.append(batch)
    if not any(applied == chain[: len(applied)] for chain in chains):
        yield "batches of two clones were mixed"


def _retired_stay_out(chance: Chance) -> Iterator[str]:
    """Nothing of a retired replica is merged."""
    applied = chance.randint(0, 3)
    batch = freeze(1, applied + 1, b"", [_draw_put(chance, 1, 1)], [])
    verdict, _ = apply.admit(ReplicaState(1, applied, retired=True), batch)
    if verdict != "retired":
        yield f"a batch of a retired replica was not refused but {verdict}"


def _nothing_vanishes(chance: Chance) -> Iterator[str]:
    """Every delta is in a row, beaten by a row, held, or left with the operator, as is due."""
    now_ms = 100_000
    terms = apply.Terms(now_ms, DRIFT_MS, HORIZON_MS)
    stamp_ms = now_ms + chance.choice((-2 * HORIZON_MS, 0, 2 * DRIFT_MS))
    record = Record(at_ms(stamp_ms), 1, b"\x01")
    poisoned = Poisoned("p", b"", "it is not a delta")
    batch = freeze(1, 1, b"", [Delta(KEY, PUT, record)], [])
    batch.deltas.append(poisoned)
    plan = apply.plan_apply({}, batch, terms)
    if "p" not in {batch.deltas[index].key for index, _, _ in plan.aside}:
        yield "a poisoned delta was not kept"
    if stamp_ms > now_ms and [delta.key for delta in plan.held] != [KEY]:
        yield "a delta from the future was not held"
    if stamp_ms < now_ms and [index for index, _, _ in plan.aside] != [0, 1]:
        yield "a delta from before the horizon was not put aside"
    if stamp_ms == now_ms and plan.outcomes[0] not in (APPLIED, SUPERSEDED):
        yield "a delta in time was not applied"


def _nothing_comes_back(chance: Chance) -> Iterator[str]:
    """A key that is dead is collected only when no older write of it can come any more."""
    terms = apply.Terms(1_000_000, DRIFT_MS, HORIZON_MS)
    oldest_ms = terms.now_ms - terms.horizon_ms - terms.max_drift_ms
    died_ms = oldest_ms + chance.choice((-1, 0, 1, HORIZON_MS))
    expires_ms = chance.choice((None, died_ms))
    payload = None if expires_ms is None else b"\x01"
    stamp_ms = died_ms if expires_ms is None else died_ms - chance.randint(0, HORIZON_MS)
    row = Row(KEY, Record(at_ms(stamp_ms), 1, payload, expires_ms), position=5)
    floor = chance.choice((4, 5))
    if apply.is_collectable(row, floor, terms) and (died_ms >= oldest_ms or floor < 5):
        yield f"a key was forgotten {terms.now_ms - died_ms} ms after its end, floor {floor}"


def _every_copy_hears_of_the_end(chance: Chance) -> Iterator[str]:
    """Who was away when a key was deleted and collected is told so, or that it missed something."""
    runtime = ManualRuntime()
    region = MemoryRegion(runtime, apply.Limits(DRIFT_MS, HORIZON_MS))
    for replica in (1, 2):
        region.register(replica, TIMEOUT_S)
    number, digest = 0, b""
    for payload in (b"\x01", None):
        record = Record(at_ms(runtime.time_ns() // 1_000_000), 1, payload)
        batch = freeze(1, number + 1, digest, [Delta(KEY, PUT, record)], [])
        region.apply(batch, TIMEOUT_S)
        number, digest = batch.number, batch.digest
    cursor = chance.choice((0, 1))
    runtime.advance(chance.choice((1, 60)))
    region.maintain(10, TIMEOUT_S)
    page = region.changes(cursor, 10, 2, TIMEOUT_S)
    if not page.gap and KEY not in [change.key for change in page.changes]:
        yield "a copy was not told that its key was deleted"


def _closing_keeps_writes(chance: Chance) -> Iterator[str]:
    """What was written before `close` is in the region, or `close` says that it is not."""
    runtime = ManualRuntime()
    region = MemoryRegion(runtime)
    policy = {"rules": [{"match": "**", "durability": "memory"}]}
    writer = memory_store(policy, region=region, runtime=runtime)
    reader = memory_store(policy, region=region, runtime=runtime)
    try:
        key = f"k/{chance.randint(0, 9)}"
        writer.put(key, "kept")
        writer.close()
        if reader.get(key) != "kept":
            yield f"{key} was lost by closing a store, which did not say so"
    finally:
        writer.close()
        reader.close()


def _a_move_that_fails_loses_nothing(chance: Chance) -> Iterator[str]:
    """A key that is on its way back to the region is still somewhere when the switch fails."""
    runtime = ManualRuntime()
    region, objects = MemoryRegion(runtime, apply.Limits(is_tiered=True)), MemoryObjects()
    stores = [memory_store(TIERED, region=region, objects=objects, runtime=runtime) for _ in "ab"]
    try:
        stores[0].put(KEY, "kept")
        runtime.advance(60)
        is_cold = region.rows[KEY].cold is not None
        region.switch = _fail  # type: ignore[method-assign, assignment]
        for _ in range(chance.randint(100, 150)):
            stores[0].get(KEY)
            runtime.advance(0.1)
        if not is_cold or stores[1].get(KEY) != "kept":
            yield "a key whose promotion failed is gone"
    finally:
        for store in stores:
            store.close()


def _who_lost_the_lease_is_refused(chance: Chance) -> Iterator[str]:
    """No call of a former holder does anything, whoever has the lease now."""
    region, runtime = _region_with_a_move_begun()
    runtime.advance(100)
    epoch = region.lease(2, 60_000, None, TIMEOUT_S).epoch
    call: Callable[[int], object] = chance.choice(
        (
            lambda held: region.review_all(held, 0, 10, TIMEOUT_S),
            lambda held: region.settle_reviews(held, [], TIMEOUT_S),
            lambda held: region.begin_move(held, "another", TIMEOUT_S),
            lambda held: region.switch(held, None, [], TIMEOUT_S),
            lambda held: region.abandon(held, [MADE], TIMEOUT_S),
            lambda held: region.forget_objects(held, [], TIMEOUT_S),
        )
    )
    try:
        call(epoch - 1)
    except FencedError:
        return
    yield "a mover that has lost the lease was let on"


def _an_ended_intent_is_over(chance: Chance) -> Iterator[str]:
    """An object is known from its intent on, and nothing is switched to it once that was ended."""
    region, runtime = _region_with_a_move_begun()
    if MADE not in region.known_objects([MADE], TIMEOUT_S):
        yield "nobody would know of an object that is about to be written"
    made = StoredObject(MADE, 1, 1, 0, 0, None)
    runtime.advance(chance.randint(0, 10))
    region.abandon(1, [MADE], TIMEOUT_S)
    try:
        region.switch(1, made, [], TIMEOUT_S)
    except FencedError:
        return
    yield "a switch to an object was made whose intent had been ended"


def _objects_in_use_are_left(chance: Chance) -> Iterator[str]:
    """The sweeper leaves objects that a move is about to switch to, and what was just let go."""
    runtime = ManualRuntime()
    region, objects = MemoryRegion(runtime, apply.Limits(is_tiered=True)), MemoryObjects()
    policy = load({**TIERED, "cold": {"retain": f"{RETAIN_S}s"}})
    ground = Ground(policy, runtime, lambda: region, lambda: objects, lambda _: policy.rules[0])
    info = region.connect(TIMEOUT_S)
    ground.region, ground.incarnation = info.region, info.incarnation
    lease = region.lease(1, 60_000, None, TIMEOUT_S)
    name = mint_name(runtime, info.region, info.incarnation, "seg")
    objects.put(name, [b"records"], TIMEOUT_S)
    region.begin_move(lease.epoch, name, TIMEOUT_S)
    is_under_way = chance.choice((True, False))
    if not is_under_way:
        made = StoredObject(name, 7, 1, 0, ground.now_ms(), None)
        region.switch(lease.epoch, made, [], TIMEOUT_S)
    runtime.sleep(2 * RETAIN_S if is_under_way else RETAIN_S * chance.random())
    Sweeper(ground).step(lease)
    if name not in objects.blobs:
        what = "that a move is under way to" if is_under_way else "that was in use a moment ago"
        yield f"an object was swept {what}"


def _region_with_a_move_begun() -> tuple[MemoryRegion, ManualRuntime]:
    runtime = ManualRuntime()
    region = MemoryRegion(runtime, apply.Limits(is_tiered=True))
    lease = region.lease(1, 60_000, None, TIMEOUT_S)
    region.begin_move(lease.epoch, MADE, TIMEOUT_S)
    return region, runtime


def _fail(*_: object) -> list[str]:
    raise UnavailableError("the switch was not made")


ORDER = Law("order of deltas", _order_does_not_matter)
ROWS = Law("order of batches", _rows_do_not_depend_on_order)
CHAIN = Law("one chain of batches", _one_chain_of_batches)
RETIRED = Law("retired replicas", _retired_stay_out)
OUTCOMES = Law("nothing vanishes", _nothing_vanishes)
COLLECTION = Law("nothing comes back", _nothing_comes_back)
TOLD = Law("every copy is told", _every_copy_hears_of_the_end)
LEASE = Law("lost leases", _who_lost_the_lease_is_refused)
INTENTS = Law("ended intents", _an_ended_intent_is_over)
MOVES = Law("failing moves", _a_move_that_fails_loses_nothing)
CLOSING = Law("closing", _closing_keeps_writes)
IN_USE = Law("objects in use", _objects_in_use_are_left)
