"""What a region need not keep of sets and documents: a pure function, once for every adapter.

Of a *set*, whose add a dot came from, once that replica is retired or forgotten: a change of it
will never be applied again. Only the region that gave a dot knows who may still speak of its
origin, so only that forgets it; the others learn of it when they join the set.

Of a *document*, its history, when that is most of it: it becomes a compact one that remembers its
past (`tierstore.crdt.past`), and later forgets that. What was done to the document before is
translated until then, so nothing is lost.

Readers see the same, and yet it is a change like any other, of which the feed tells: versions tell
contents, and regions agree on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.crdt import document
from tierstore.crdt import set as sets
from tierstore.errors import DecodingError
from tierstore.record import DOCUMENT, ELSEWHERE, SET, Record
from tierstore.region.apply import with_record
from tierstore.region.waiting import STATE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tierstore.crdt.past import Past
    from tierstore.region.apply import Terms
    from tierstore.region.protocol import Compaction
    from tierstore.region.rows import Row

COMPACT_TYPES = SET, DOCUMENT
STEP_BYTES_MAX = 256 << 10
"""Of payloads that one step looks at; a larger one alone."""
HORIZONS = 2
"""For how many of them a document remembers its past at least."""
SET_BYTES_MIN = 16
"""A smaller set has no element with an origin."""


class Compactor:
    """Looks at rows, for one step.

    `replicas` says of each known replica whether it is retired; `floor` is what all have
    acknowledged, `reach` a position below which all are that this step gives.
    """

    def __init__(
        self, done: Compaction, replicas: Mapping[int, bool], floor: int, reach: int, terms: Terms
    ) -> None:
        self._done = done
        self._replicas = replicas
        self._floor = floor
        self._reach = reach
        self._terms = terms
        self.changed: list[Row] = []
        """Rows to write at a new place in the feed."""

    def look(self, row: Row) -> None:
        """Note what becomes of a row, if anything does. Not of one that cannot be read."""
        record = row.record
        if not is_worth(record.type, record.payload) or not record.is_live(self._terms.now_ms):
            return
        self._done.looked += 1
        try:
            self._take_set(row) if record.type == SET else self._take_document(row)
        except DecodingError:
            return  # who reads it is told

    def _take_set(self, row: Row) -> None:
        payload = row.record.payload or b""
        lighter = sets.encode(sets.lightened(sets.decode(payload), self._is_gone))
        if lighter != payload:
            self._done.sets += 1
            self._change(row, lighter)

    def _is_gone(self, actor: int, origin: int) -> bool:
        """Whether no batch of a replica will be applied again, of which this region would know."""
        is_retired = self._replicas.get(origin)
        return actor == self._terms.actor if is_retired is None else is_retired

    def _take_document(self, row: Row) -> None:
        state = document.decode(row.record.payload or b"")
        if state.past is not None:
            if self._is_over(row, state.past):
                self._done.pasts += 1
                self._change(row, document.encode(document.without_past(state)))
            return
        if not document.is_bloated(state):
            return
        compact = document.compact(state, self._terms.now_ms, self._terms.actor, self._reach)
        payload = b"" if compact is None else document.encode(compact)
        if 0 < len(payload) <= STATE_BYTES_MAX:
            self._done.documents += 1
            self._change(row, payload)

    def _is_over(self, row: Row, past: Past) -> bool:
        """Whether nobody speaks of the past of a document any more: all have seen that it is one,
        and what anybody did before would be older than the horizon.

        So that is two horizons: after one at most another region has heard of it, and after one
        more its replicas have.
        """
        terms = self._terms
        if past.since_ms >= terms.now_ms - HORIZONS * (terms.horizon_ms + terms.max_drift_ms):
            return False
        is_own = past.actor == terms.actor
        return self._floor >= (min(row.position, past.position) if is_own else row.position)

    def _change(self, row: Row, payload: bytes) -> None:
        old = row.record
        new = Record(
            old.stamp + 1, self._terms.actor, payload, old.expires_at_ms, old.touch, None,
            old.type, old.generation,
        )  # fmt: skip
        self._done.freed_bytes += len(old.payload or b"") - len(payload)
        self.changed.append(with_record(row, row.key, new, self._terms))


def is_worth(type_: int, payload: bytes | None) -> bool:
    """Whether a row of this type and payload can be made lighter, as far as that tells."""
    if payload is None or payload == ELSEWHERE:
        return False
    return is_worth_size(type_, len(payload))


def is_worth_size(type_: int, size_bytes: int) -> bool:
    """`is_worth` of a payload of so many bytes."""
    if type_ == SET:
        return size_bytes > SET_BYTES_MIN
    return type_ == DOCUMENT and size_bytes > document.BLOAT_FREE_BYTES
