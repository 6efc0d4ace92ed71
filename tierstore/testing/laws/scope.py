"""Every short life: all orders of the operations of an alphabet, of sending, and of exchanging."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.testing.laws import joining, meaning
from tierstore.testing.laws.life import Replica
from tierstore.testing.laws.living import begin
from tierstore.testing.laws.steps import Delete, Deliver, Do, Script, Send, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.testing.laws.known import Known
    from tierstore.testing.laws.life import Life
    from tierstore.testing.laws.under_test import Events, TypeUnderTest

LAWS = (meaning.values_are_as_expected, joining.regions_agree)
OPERATIONS_MAX = 4


def explore(under_test: TypeUnderTest, depth: int, *, operations_max: int = OPERATIONS_MAX) -> int:
    """Live every life of up to `depth` steps, and settle it; how many different ones there were.

    Three replicas of two regions take part, and whole states are delivered again and again, the
    latest and the one before. Two lives that have come to the same go on as one. Raises
    AssertionError with the steps of one that breaks a law.
    """
    moves = tuple(_moves(under_test))
    seen: set[object] = set()
    layer = [Path(begin(under_test, Script(())))]
    for _ in range(depth):
        layer = [
            after
            for path in layer
            for after in _after(path, moves, operations_max)
            if _is_new(after, seen)
        ]
    return len(seen)


@dataclass(frozen=True, slots=True)
class Path:
    """A life, and how it came to that."""

    life: Life
    steps: tuple[Step, ...] = ()
    operations: int = 0


def _after(path: Path, moves: tuple[Step, ...], operations_max: int) -> Iterator[Path]:
    """Every path that is one step longer."""
    for move in moves:
        operations = path.operations + isinstance(move, (Do, Delete))
        if operations <= operations_max and not _is_idle(path.life, move):
            life = _fork(path.life)
            life.take(move)
            yield Path(life, (*path.steps, move), operations)


def _is_new(path: Path, seen: set[object]) -> bool:
    """Whether no path came to this before; then it is held to the laws."""
    mark = _mark(path.life, path.operations)
    if mark in seen:
        return False
    seen.add(mark)
    _check(path.life, path.steps)
    return True


def _moves(under_test: TypeUnderTest) -> Iterator[Step]:
    for replica in range(3):
        yield Send(replica)
        yield from (Do(replica, operation) for operation in under_test.alphabet)
    yield Delete(0)
    for source in range(2):
        yield from (Deliver(source, 1 - source, age) for age in (0, 1))


def _is_idle(life: Life, move: Step) -> bool:
    """Whether `move` plainly does nothing."""
    if isinstance(move, Send):
        replica = life.replicas[move.replica]
        return not replica.parts and replica.base is replica.region.states[-1]
    if isinstance(move, Deliver):
        return len(life.regions[move.source].states) < 2 + move.age
    return False


def _fork(life: Life) -> Life:
    """A life that is the same until now."""
    fork = copy(life)
    fork.applied, fork.readings = [], []
    fork.regions = [copy(region) for region in life.regions]
    for region in fork.regions:
        region.states = region.states[-2:]
    fork.replicas = [
        Replica(
            replica.origin, fork.regions[life.regions.index(replica.region)], replica.base,
            list(replica.parts), list(replica.done), replica.own,
        )
        for replica in life.replicas
    ]  # fmt: skip
    return fork


def _mark(life: Life, operations: int) -> object:
    """What lives that go on alike have in common: all but stamps, and which numbers events have."""
    places = [state for region in life.regions for state in region.states[-2:]]
    places += [replica.base for replica in life.replicas]
    done = [did for replica in life.replicas for did in replica.done]
    numbers = {event[0] for _, known in places for event in known.events}
    numbers |= {event[0] for did in done for event in did.adds}
    ranks = {number: rank for rank, number in enumerate(sorted(numbers))}
    told = tuple((*life.mark_of(record), *_renamed(known, ranks)) for record, known in places)
    return operations, told, tuple(_pending(life, replica, ranks) for replica in life.replicas)


def _renamed(known: Known, ranks: dict[int, int]) -> tuple[object, ...]:
    return known.generation, _ranked(known.events, ranks), _ranked(known.removed, ranks)


def _pending(life: Life, replica: Replica, ranks: dict[int, int]) -> object:
    did = tuple(
        (one.resets, _ranked(one.adds, ranks), _ranked(one.removes, ranks)) for one in replica.done
    )
    return did, tuple(map(life.mark_of_part, replica.parts))


def _ranked(events: Events, ranks: dict[int, int]) -> frozenset[object]:
    return frozenset((ranks.get(number), what) for number, what in events)


def _check(life: Life, steps: tuple[Step, ...]) -> None:
    """Hold what came of the last step, and what comes of settling, to the laws."""
    settled = _fork(life)
    settled.settle()
    try:
        for law in LAWS:
            law(settled)
        meaning.values_are_as_expected(life)
    except AssertionError as error:
        raise AssertionError(f"{life.under_test.name}: {error}\n{Script(steps)}") from error
