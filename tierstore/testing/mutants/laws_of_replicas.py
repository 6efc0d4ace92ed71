"""Laws of what a replica shows: how young a copy may look, and that reads do not go back."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from tierstore.errors import UnavailableError
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.mutants.mutant import Law
from tierstore.testing.stores import memory_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tierstore.runtime.chance import Chance
    from tierstore.store.store import Store

KEY = "k"
LATE_S = 0.5
"""By how much an answer is late."""
AT_HOME = {"rules": [{"match": "**", "durability": "memory"}]}
HOMELESS = {
    "tiers": {"edge": {"capacity": "1B"}},
    "rules": [{"match": "**", "durability": "memory"}],
}
"""No copy stays."""


def _no_copy_looks_younger(chance: Chance) -> Iterator[str]:
    """A read with a bound shows what was in the region before that, however late answers are."""
    late = chance.choice(("read", "changes", "failing changes"))
    with _two_replicas(AT_HOME) as (runtime, region, reader, writer):

        def write_and_wait() -> None:
            _write(writer, "second")
            runtime.sleep(LATE_S)

        _write(writer, "first")
        if late != "read":
            reader.get(KEY)
            runtime.sleep(LATE_S)
        if late == "failing changes":
            write_and_wait()
            _interrupt(region, "changes", _fail)
        else:
            _interrupt(region, late, write_and_wait)
        _ask(reader, late)
        if (found := reader.get(KEY, max_age=LATE_S / 2)) != "second":
            yield f"{late} made {found!r} look younger than it was"


@contextmanager
def _two_replicas(
    policy: dict[str, Any],
) -> Iterator[tuple[ManualRuntime, MemoryRegion, Store, Store]]:
    runtime = ManualRuntime()
    region = MemoryRegion(runtime)
    reader, writer = (memory_store(policy, region=region, runtime=runtime) for _ in "rw")
    try:
        yield runtime, region, reader, writer
    finally:
        reader.close()
        writer.close()


def _write(writer: Store, value: str) -> None:
    writer.put(KEY, value)
    writer.flush()


def _ask(reader: Store, what: str) -> None:
    """Make a copy, or compare the one that is here."""
    _attempt(partial(reader.get, KEY) if what == "read" else reader._core.replica.pull)


def _attempt(call: Callable[[], object]) -> None:
    with suppress(UnavailableError):  # as it was made to be
        call()


def _interrupt(region: MemoryRegion, name: str, meanwhile: Callable[[], None]) -> None:
    """Let something happen between what the region sees at the next call and its answer."""
    right = getattr(region, name)

    def late(*arguments: object) -> object:
        setattr(region, name, right)
        reply = right(*arguments)
        meanwhile()
        return reply

    setattr(region, name, late)


def _fail(*_: object) -> Any:
    raise UnavailableError("the answer was made to get lost")


def _no_read_goes_back(chance: Chance) -> Iterator[str]:
    """Who was shown a newer write is not shown an own one again that waits for the region."""
    with _two_replicas(HOMELESS) as (runtime, region, reader, writer):
        reader.get(KEY)
        right = region.apply
        region.apply = _fail  # type: ignore[method-assign, assignment]
        reader.put(KEY, "own")
        _attempt(reader.flush)
        region.apply = right  # type: ignore[method-assign]
        runtime.sleep(LATE_S * chance.random())
        _write(writer, "second")
        shown = reader.get(KEY, max_age=0)
        again = reader.get(KEY)
        if again != shown:
            yield f"{again!r} was read after {shown!r}, which is newer"


AGES = Law("ages of copies", _no_copy_looks_younger)
NO_WAY_BACK = Law("no way back", _no_read_goes_back)
