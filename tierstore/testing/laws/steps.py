"""What can happen to a key, as data: a script is a sequence of steps, told line by line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tierstore.runtime.chance import Chance
    from tierstore.testing.laws.under_test import Operation, TypeUnderTest

REGIONS = 2
REPLICAS = 3
TTLS_MS = (None, None, None, 3, 8)


@dataclass(frozen=True, slots=True)
class Do:
    """A program changes what `replica` shows; a life that begins so ends after `ttl_ms`."""

    replica: int
    operation: Operation
    ttl_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """A program deletes the key at `replica`."""

    replica: int


@dataclass(frozen=True, slots=True)
class Touch:
    """A program lets the key, if `replica` shows one, end after `ttl_ms` from now, or never."""

    replica: int
    ttl_ms: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """`replica` hears what its region has."""

    replica: int


@dataclass(frozen=True, slots=True)
class Send:
    """`replica` tells its region what it did since it last told it, as one change."""

    replica: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """A state of the region `source`, so many states old, reaches another one."""

    source: int
    target: int
    age: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    ms: int


Step: TypeAlias = Do | Delete | Touch | Look | Send | Deliver | Wait


@dataclass(frozen=True, slots=True)
class Script:
    """A life of a key, to be lived again and again."""

    steps: tuple[Step, ...]
    seed: int = 0
    """What laws draw is drawn from it: which bytes are damaged, which states are compared."""
    regions: int = REGIONS
    replicas: int = REPLICAS

    def __str__(self) -> str:
        return "\n".join(map(tell, self.steps))


def tell(step: Step) -> str:
    """One line."""
    match step:
        case Do(replica, operation, ttl_ms):
            ttl = "" if ttl_ms is None else f", for {ttl_ms} ms"
            return f"replica {replica}: {operation.name}{ttl}"
        case Deliver(source, target, age):
            return f"region {source} → region {target}" + (f", {age} states old" if age else "")
        case Wait(ms):
            return f"{ms} ms pass"
        case Touch(replica, ttl_ms):
            return f"replica {replica}: touch, {'for ever' if ttl_ms is None else f'{ttl_ms} ms'}"
    return f"replica {step.replica}: {type(step).__name__.lower()}"


def draw_script(
    under_test: TypeUnderTest, chance: Chance, steps: int, *, regions: int = REGIONS,
    replicas: int = REPLICAS,
) -> Script:  # fmt: skip
    """A script of `steps` steps."""
    drawn = [_draw(under_test, chance, regions, replicas) for _ in range(steps)]
    return Script(tuple(drawn), chance.randint(0, 1 << 30), regions, replicas)


def _draw(under_test: TypeUnderTest, chance: Chance, regions: int, replicas: int) -> Step:
    replica, dice = int(chance.random() * replicas), chance.random()
    if dice < 0.42:
        return Do(replica, under_test.operations(chance), chance.choice(TTLS_MS))
    if dice < 0.64:
        return Send(replica)
    if dice < 0.86:
        source, skip = int(chance.random() * regions), chance.randint(1, regions - 1)
        return Deliver(source, (source + skip) % regions, chance.choice((0, 0, 1, 3)))
    if dice < 0.90:
        return Look(replica)
    if dice < 0.94:
        return Delete(replica)
    return (
        Touch(replica, chance.choice((None, 4, 9))) if dice < 0.97 else Wait(chance.choice((1, 4)))
    )
