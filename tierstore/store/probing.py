"""What `check` asks of the cold tier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError, TierStoreError
from tierstore.movement.ground import observed
from tierstore.movement.recognition import require_mark
from tierstore.region.objects import VALUE, ByteRange, mint_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tierstore.region.objects import ObjectTier
    from tierstore.region.rows import RegionInfo
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.engine import Replica
    from tierstore.store.core import Core

PROBE = b"a probe of tierstore: it may be deleted"
NAMES_PER_PAGE = 1000
PAGES_MAX = 100
SHOWN_MAX = 10


def probe(core: Core, timeout_s: float | None) -> str:
    """That an object can be written, read and deleted. Raises what the tier raises.

    Nothing is written where the region does not recognize its tier: that may be a mount point.
    """
    objects, deadline, info = _reach(core, timeout_s)
    ask = getattr(core.replica.region, "marker", None)
    mark = ask and core.replica.state.link.observed(lambda: ask(deadline.remaining_s()))
    if mark:
        seen = observed(objects, core.replica.state.cold.observed)
        require_mark(seen, mark, deadline.remaining_s())
    name = mint_name(core.runtime, info.region, info.incarnation, VALUE)
    core.replica.state.cold.observed(lambda: _write_and_read(objects, name, deadline))
    told = getattr(objects, "told", str)()
    return "an object can be written, read and deleted" + (f"; {told}" if told else "")


def find_foreign(core: Core, timeout_s: float | None) -> str:
    """That all names under the region's prefix are tierstore's. Raises TierStoreError if not."""
    objects, deadline, info = _reach(core, timeout_s)
    count, foreign = 0, []
    for names, strange in _list(objects, f"{info.region}/", deadline):
        count += names
        foreign += strange
    if foreign:
        raise TierStoreError(
            f"{len(foreign)} names under the prefix of this region are not tierstore's, and are"
            f" left alone: move them away, among them {foreign[:SHOWN_MAX]}"
        )
    return f"{count} objects, and nothing else, are under the prefix of this region"


def find_failed_moves(core: Core, home: Replica, timeout_s: float | None) -> str:
    """That no move failed last time. Raises TierStoreError if one did."""
    ask = getattr(home.region, "overview", None)
    if ask is None:
        return "this region keeps no account of moves"
    deadline = core.deadline(timeout_s)
    told = home.state.link.observed(lambda: ask(SHOWN_MAX, deadline.remaining_s()))
    if told.failed:
        raise TierStoreError(
            f"{told.failed} keys could not be moved and stay where they are; it is tried again."
            f" Among them: {told.failures}"
        )
    return f"none failed; {told.staying} keys wait to be moved"


def _reach(core: Core, timeout_s: float | None) -> tuple[ObjectTier, Deadline, RegionInfo]:
    state = core.replica.state
    info = state.link.register(core.deadline(timeout_s)).info
    cold_s = core.policy.timeouts.cold_s
    deadline = core.replica.deadline(cold_s if timeout_s is None else timeout_s)
    return state.cold.get(), deadline, info


def _write_and_read(objects: ObjectTier, name: str, deadline: Deadline) -> None:
    objects.put(name, [PROBE], deadline.remaining_s())
    try:
        (found,) = objects.read(name, [ByteRange(0, len(PROBE))], deadline.remaining_s())
    finally:
        objects.delete([name], deadline.remaining_s())
    if found != PROBE:
        raise CorruptionError("the cold tier returned other bytes than it was given", tier="cold")


def _list(objects: ObjectTier, prefix: str, deadline: Deadline) -> Iterator[tuple[int, list[str]]]:
    """The number of objects, and the foreign names, of each page."""
    after: str | None = ""
    for _ in range(PAGES_MAX):
        page = objects.list(prefix, after or "", NAMES_PER_PAGE, deadline.remaining_s())
        yield len(page.objects), page.foreign
        after = page.next_after
        if after is None:
            return
