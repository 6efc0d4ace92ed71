"""Mutants of what happens around a cluster: restores, sessions that travel, links in stores."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore import opening
from tierstore.linking.ends import End
from tierstore.region import apply
from tierstore.region.rows import RegionInfo
from tierstore.replica.seen import Seen
from tierstore.store.watching import Watch
from tierstore.testing import memory_peers
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.operated_worlds import (
    AHEAD,
    COLD_APART,
    RESTORED_APART,
    RUN_BY_STORES,
    TRAVELLING,
    WATCHED,
)
from tierstore.testing.mutants.planting import plants

if TYPE_CHECKING:
    from tierstore.linking.ends import Portion
    from tierstore.region.rows import Row


@plants(End, "_hydrate")
def cold_row_left_out(right: Any) -> Any:
    return lambda self, cold, portion: []


@plants(End, "_hydrate")
def cold_row_joined_as_it_lies(right: Any) -> Any:
    def hydrate(self: End, cold: dict[str, Row], portion: Portion) -> list[str]:
        portion.rows += [replace(row, cold=None) for row in cold.values()]
        return []

    return hydrate


@plants(opening, "make_link_steps")
def stores_run_no_links(right: Any) -> Any:
    return lambda *_: []


@plants(memory_peers, "is_lease_over", is_local=True)
def link_of_the_dead_not_taken_over(right: Any) -> Any:
    return lambda expires_ms, now_ms, ttl_ms: expires_ms == 0


@plants(RegionInfo, "actor")
def same_actor_in_every_life(right: Any) -> Any:
    return property(lambda self: int(self.region[:8], 16) + 1)


@plants(Seen, "_meet")
def other_regions_not_waited_for(right: Any) -> Any:
    return lambda self, replica, deadline: None


@plants(Seen, "_await_batch")
def batch_not_waited_for(right: Any) -> Any:
    return lambda self, replica, by, number, deadline: self.drop_batch(by)


@plants(Seen, "bound_s")
def copy_from_before_the_session_shown(right: Any) -> Any:
    return lambda self, replica: None


@plants(Watch, "_begin")
def watch_resumed_at_the_end(right: Any) -> Any:
    def begin(self: Watch) -> None:
        self._place = None
        right(self)

    return begin


@plants(apply, "plan_release")
def held_write_dropped(right: Any) -> Any:
    return lambda rows, deltas, terms: right(rows, [], terms)


MUTANTS = (
    Mutant(
        "cold row left out",
        "A link passes over rows whose payload lies in an object.",
        "a region that never gets what is cold elsewhere",
        cold_row_left_out,
        (COLD_APART,),
        0,
    ),
    Mutant(
        "cold row joined as it lies",
        "A link joins a cold row without what its object holds.",
        "rows that point at nothing",
        cold_row_joined_as_it_lies,
        (COLD_APART,),
        0,
    ),
    Mutant(
        "stores run no links",
        "A store with peers runs no link, as if a relay did.",
        "regions that go apart without a word",
        stores_run_no_links,
        (RUN_BY_STORES,),
        0,
    ),
    Mutant(
        "link of the dead not taken over",
        "The lease of a link never ends by itself.",
        "a link that stands still once its process has died",
        link_of_the_dead_not_taken_over,
        (RUN_BY_STORES,),
        0,
    ),
    Mutant(
        "same actor in every life",
        "A region that was restored goes on counting under the name of its former life.",
        "increments that are lost in a join",
        same_actor_in_every_life,
        (RESTORED_APART,),
        11,
    ),
    Mutant(
        "other regions not waited for",
        "A session goes on in a region that lacks what it saw in another one.",
        "a client that loses what it had just read",
        other_regions_not_waited_for,
        (TRAVELLING,),
        3,
    ),
    Mutant(
        "batch not waited for",
        "A session goes on before what it wrote elsewhere is in the region.",
        "a client that does not see its own write",
        batch_not_waited_for,
        (TRAVELLING,),
        1,
    ),
    Mutant(
        "copy from before the session shown",
        "A session is shown a resident copy that was never compared with what it has seen.",
        "a client that goes back in time as it changes edges",
        copy_from_before_the_session_shown,
        (TRAVELLING,),
        3,
    ),
    Mutant(
        "watch resumed at the end",
        "A watch that goes on with a cursor begins with what changes from now on.",
        "changes that a follower is never told",
        watch_resumed_at_the_end,
        (WATCHED,),
        0,
    ),
    Mutant(
        "held write dropped",
        "A write that waited for the clock of the region is dropped when its time has come.",
        "a write that was acknowledged, and is gone an hour later",
        held_write_dropped,
        (AHEAD,),
        0,
    ),
)
