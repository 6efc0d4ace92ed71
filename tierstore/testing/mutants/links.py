"""Mutants of links between regions: what they ask for, where they go on, what they compare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tierstore.linking import link as linking
from tierstore.linking.ends import End
from tierstore.linking.link import Link
from tierstore.linking.repair import Repair
from tierstore.region import joining
from tierstore.testing.mutants.linked_worlds import (
    COUNTING_APART,
    IN_A_ROW,
    LATE_LINKS,
    UNSTEADY_LINKS,
)
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import plants

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tierstore.linking.ends import Portion
    from tierstore.record import Record
    from tierstore.region.peers import Peer
    from tierstore.region.protocol import Change, ChangesPage


@plants(joining, "unite")
def joined_under_its_old_version(right: Any) -> Any:
    def unite(old: Record | None, told: Record, actor: int) -> Record:
        new: Record = right(old, told, actor)
        if old is not None and new.payload not in (old.payload, told.payload):
            new.stamp, new.replica = old.stamp, old.replica
        return new

    return unite


@plants(Link, "take")
def place_saved_before_its_rows(right: Any) -> Any:
    def take(self: Link, told: Sequence[Change], peer: Peer, after: Peer) -> Peer:
        if after != peer:
            peer = self._save(peer, after)
        taken: Peer = right(self, told, peer, peer)
        return taken

    return take


@plants(Link, "_settle")
def page_taken_for_the_last(right: Any) -> Any:
    def settle(self: Link, peer: Peer, page: ChangesPage) -> None:
        right(self, peer, replace(page, cursor=page.position))

    return settle


@plants(Link, "_read_on")
def rows_before_the_link_skipped(right: Any) -> Any:
    def read_on(self: Link, peer: Peer) -> bool:
        self.peer = self._save(peer, replace(peer, resumes_at=None))
        return True

    return read_on


@plants(End, "portions")
def first_row_of_a_portion_joined(right: Any) -> Any:
    def portions(self: End, keys: Sequence[str], replica: int) -> Iterator[Portion]:
        for portion in right(self, keys, replica):
            portion.rows = portion.rows[:1]
            yield portion

    return portions


@plants(linking, "is_news")
def news_only_of_what_is_missing(right: Any) -> Any:
    return lambda change, row: row is None


@plants(Repair, "_mend")
def difference_not_mended(right: Any) -> Any:
    return lambda self, peer, start, end: None


MUTANTS = (
    Mutant(
        "joined under its old version",
        "A third state keeps the version that its row had.",
        "copies and regions that never hear of a join",
        joined_under_its_old_version,
        (COUNTING_APART, IN_A_ROW),
        0,
    ),
    Mutant(
        "place saved before its rows",
        "A link saves how far it has got before the rows up to there are joined.",
        "changes passed and never seen",
        place_saved_before_its_rows,
        (UNSTEADY_LINKS,),
        4,
    ),
    Mutant(
        "page taken for the last",
        "A link goes on behind all changes after one page of them.",
        "changes passed and never seen",
        page_taken_for_the_last,
        (IN_A_ROW,),
        0,
    ),
    Mutant(
        "rows before the link skipped",
        "A link begins with the feed, not with the rows that are there.",
        "a new region that never gets what is old",
        rows_before_the_link_skipped,
        (LATE_LINKS,),
        0,
    ),
    Mutant(
        "first row of a portion joined",
        "Of rows that are read together the first is joined.",
        "a page that is joined in part",
        first_row_of_a_portion_joined,
        (IN_A_ROW,),
        0,
    ),
    Mutant(
        "news only of what is missing",
        "A link asks for keys that the target has not, and for no newer versions.",
        "regions that stay what they were first",
        news_only_of_what_is_missing,
        (IN_A_ROW,),
        0,
    ),
    Mutant(
        "difference not mended",
        "Anti-entropy counts ranges that differ, and joins nothing.",
        "a divergence that stays",
        difference_not_mended,
        (COUNTING_APART,),
        2,
    ),
)
