"""What a replica's journal is told of its batches: their region, their end, and what to forget.

Called by whoever flushes, under its `flush_lock`.
"""

from __future__ import annotations

from tierstore.errors import CorruptionError, UnavailableError
from tierstore.record import Record
from tierstore.region.batch import TOUCH, Delta, encode_delta

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.policy.model import Policy
    from tierstore.replica.frozen import Frozen
    from tierstore.replica.state import ReplicaState
    from tierstore.tiers.journal.file import JournalFile

RETAIN_MS = 86_400_000
TRIM_INTERVAL_S = 3600.0
TRIM_SHARE = 16
"""A journal exceeds `limits.retained` by this part of it at most, and one batch."""


class Notes:
    """What the journal of one replica has still to be told. Nothing is dropped if it cannot be."""

    def __init__(self, state: ReplicaState) -> None:
        self._state = state
        self._moved: dict[str, bool] = {}  # keys held or settled -> may their values be journaled
        self._refused: list[tuple[str, bytes, str]] = []
        self._is_behind = False
        self._owes = False  # an acknowledgement that no batch's own reply told
        self._acknowledged_ms: int | None = None
        self._new_bytes = 0  # acknowledged since the last trim
        self._trim_due_s = float("-inf")

    def bind(self, region: str) -> None:
        """Tie the journal, if there is one, to the region that it met first; refuse any other.

        A batch is sent only afterwards. Raises UnavailableError.
        """
        state = self._state
        journal = state.journal
        if journal is None or journal.region == region:
            return
        with state.journal_lock:
            if journal.region is None:
                journal.bind(region)
        if journal.region != region:
            raise UnavailableError(
                f"the journal belongs to region {journal.region}, this is {region}: point the"
                " policy at the region it belongs to, or give this store another journal folder"
            )

    def hold(self, key: str, *, journaled: bool) -> None:
        """The region holds a write of `key`, which is in the outbox until it is settled."""
        self._moved[key] = journaled

    def refuse(self, delta: Delta, reason: str) -> None:
        """The region keeps a write for its operator, with its value: here its stamp is enough."""
        raw = encode_delta(outline(delta), self._state.replica)
        self._refused.append((delta.key, raw, reason))

    def acknowledge(self, frozen: Frozen, digest: bytes) -> None:
        """Tell the journal. If it cannot take it, the next acknowledgement tells that, too."""
        self._new_bytes += frozen.size_bytes
        self._tell(frozen.number, digest)

    def owe(self) -> None:
        """The region turned out to have batches whose acknowledgement never came."""
        self._owes = True

    def catch_up(self) -> None:
        """Tell the journal what it is owed, unless an acknowledgement since then told it."""
        outbox = self._state.outbox
        if self._owes:
            self._tell(outbox.acknowledged, outbox.digest)

    def _tell(self, number: int, digest: bytes) -> None:
        state = self._state
        held, settled = self._take_moved()
        self._acknowledged_ms = state.now_ms() - state.link.skew_ms  # by the clock that names lives
        if state.journal is None:
            return
        try:
            with state.journal_lock:
                state.journal.acknowledge(
                    number,
                    digest,
                    self._acknowledged_ms,
                    held=held,
                    settled=settled,
                    quarantined=self._refused,
                )
            self._moved.clear()
            self._refused.clear()
            self._owes = False
            self.trim()
        except (UnavailableError, CorruptionError) as exc:
            self._note_failure(exc)
        else:
            self._is_behind = False

    def last_acknowledged_ms(self) -> int | None:
        """When the region last acknowledged a batch, as far as is known."""
        state = self._state
        if self._acknowledged_ms is not None or state.journal is None:
            return self._acknowledged_ms
        with state.journal_lock:
            return state.journal.last_acknowledged_ms()

    def trim(self) -> None:
        """Drop retained batches that are too old or too many, if it is time to look.

        Raises UnavailableError or CorruptionError.
        """
        state = self._state
        now_s = state.runtime.monotonic()
        is_full = self._new_bytes * TRIM_SHARE >= state.policy.limits.retained_bytes
        if state.journal is None or not (is_full or now_s >= self._trim_due_s):
            return
        with state.journal_lock:
            trim(state.journal, state.policy, state.now_ms())
        self._new_bytes = 0
        self._trim_due_s = now_s + TRIM_INTERVAL_S

    def _take_moved(self) -> tuple[list[Delta], list[str]]:
        """(What is held, which keys no longer are) of all that changed since the journal knew."""
        outbox = self._state.outbox
        with self._state.lock:
            if outbox.settled:
                self._state.runtime.sometimes("held write settled")
            for key in outbox.settled:
                self._moved.setdefault(key, True)
            outbox.settled.clear()
            held = [
                outbox.held[key] if journaled else outline(outbox.held[key])
                for key, journaled in self._moved.items()
                if key in outbox.held
            ]
            return held, [key for key in self._moved if key not in outbox.held]

    def _note_failure(self, exc: Exception) -> None:
        if not self._is_behind:
            self._state.runtime.sometimes("acknowledgement not noted")
            from tierstore.replica.log import log

            log("warning", "an acknowledgement was not noted: %s", exc)
        self._is_behind = True


def trim(journal: JournalFile, policy: Policy, now_ms: int) -> None:
    """Drop acknowledged batches older than a day, or beyond `limits.retained`."""
    journal.trim(now_ms - RETAIN_MS, policy.limits.retained_bytes)


def outline(delta: Delta) -> Delta:
    """`delta` without what was written: a touch that changes nothing but the version it names."""
    record = delta.record
    return Delta(
        delta.key,
        TOUCH,
        Record(record.stamp, record.replica, None, record.expires_at_ms, record.touch),
    )
