"""What the parts of a worker's engine share, besides the state of its private replica."""

from __future__ import annotations

from tierstore.edge.entry import CLEAN, key_size
from tierstore.errors import OutcomeUnknownError, OverloadedError, UnavailableError
from tierstore.record import ELSEWHERE, REGISTER
from tierstore.replica.shared.clock import MS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tierstore.policy.model import Rule
    from tierstore.record import Record
    from tierstore.region.batch import Delta
    from tierstore.region.shared import SharedEdge, Standing
    from tierstore.replica.deadline import Deadline
    from tierstore.replica.shared.link import EdgeLink
    from tierstore.replica.state import ReplicaState

COPY_TTL_MS = 3_600_000
"""How long an unused copy stays at the edge at least, by its server's own expiry."""


class SharedState:
    """Of one worker. What changes is guarded by the lock of its `ReplicaState`."""

    def __init__(
        self, state: ReplicaState, link: EdgeLink, rule_for: Callable[[str], Rule]
    ) -> None:
        self.state = state
        self.rule_for = rule_for
        self.link = link
        typed = frozenset(r.index for r in state.policy.rules if r.type != "register")
        waits = frozenset(r.index for r in state.policy.rules if r.durability != "regional")
        self.typed = (typed & waits) - state.never_edge
        """Rules of counters, sets and documents whose changes wait in the edge's queues."""
        self.barred = state.never_edge | (typed - waits)
        """Rules whose keys may not be at the edge: changes that wait elsewhere count with it."""
        self.resolve_typed: Callable[[list[str], Deadline], dict[str, Record | None]]
        """What reads of typed keys find; of the worker's reader."""
        self.regional = frozenset(r.index for r in state.policy.rules if r.durability == "regional")
        self.owed: set[str] = set()
        """Keys that were written at the region, whose shared copy may be older."""
        self.touched_tags: set[int] = set()
        """Tags whose queue this worker has written to since it last found it empty."""
        self.numbered: dict[int, tuple[int, int]] = {}
        """By tag, the identity and the number of what this worker wrote last."""
        self.tags_of: dict[int, int] = {}
        """The tag of each identity that this worker has met."""
        self.stopped: dict[int, str] = {}
        """Tags whose queue cannot be drained until somebody mends it, and why."""
        self.known_pulled_ms = 0
        self._life_since_s = float("-inf")
        """When the server's present life was met. Answers to earlier requests may be another's."""
        link.on_new_life = self._know_no_pull
        self.cursor = 0
        self.is_listening = False
        state.never_edge = self.barred | self.regional  # for the private replica's own table

    def _know_no_pull(self) -> None:
        """Forget the last pull: who took over may have copies from before it."""
        with self.state.lock:
            self._life_since_s = self.state.runtime.monotonic()
            self.known_pulled_ms = 0

    def is_queued(self, rule: Rule) -> bool:
        """Whether writes under `rule` go to the edge's queues."""
        return rule.index not in self.state.never_edge

    def may_share(self, rule: Rule, size_bytes: int) -> bool:
        """Whether a copy of that size may be at the edge."""
        return rule.index not in self.barred and size_bytes <= rule.edge_max_value_bytes

    def is_private(self, key: str, rule: Rule) -> bool:
        """Whether a read of `key` must not look at the edge. Needs the lock."""
        if rule.index in self.barred:
            return True
        if rule.index not in self.regional:
            return False
        return key in self.owed or self.state.outbox.may_overlay(key)

    def is_of_another(self, sent_at_s: float) -> bool:
        """Whether an answer to what was sent then may be another life's than the present one's."""
        return sent_at_s < self._life_since_s

    def heard(self, standing: Standing, sent_at_s: float) -> None:
        """Learn what the workers know together. Needs the lock."""
        if self.is_of_another(sent_at_s):
            self.state.runtime.sometimes("late answer of an earlier life of the edge")
            return
        self.link.clock.heard(standing.now_ms, sent_at_s)
        self.known_pulled_ms = max(self.known_pulled_ms, standing.pulled_ms)
        self.cursor = standing.cursor

    def may_share_row(self, key: str, record: Record) -> bool:
        """`may_share` of a row's record that was brought along whole."""
        if record.payload == ELSEWHERE or record.type != REGISTER:
            return False  # a row of another type says what it contains of the queue
        size_bytes = key_size(key) + len(record.payload or b"")
        return self.may_share(self.rule_for(key), size_bytes)

    def outdate(self, records: Mapping[str, Record], fetched_ms: int, deadline: Deadline) -> int:
        """Let no copy be older than `records`, which the region has; how many were.

        Those that may be at the edge are shown instead, the others go.
        """
        if not records:
            return 0
        link = self.link
        versions = {key: (r.stamp, r.replica, r.touch) for key, r in records.items()}
        older = link.work(lambda edge, timeout_s: edge.notice(versions, timeout_s), deadline)
        shown = {key: records[key] for key in older if self.may_share_row(key, records[key])}
        if shown:
            link.work(
                lambda edge, timeout_s: edge.show(shown, fetched_ms, COPY_TTL_MS, timeout_s),
                deadline.renewed(),
            )
        rest = sorted(older.difference(shown))
        if rest:
            link.work(lambda edge, timeout_s: edge.withdraw(rest, timeout_s), deadline.renewed())
        return len(older)

    def ttl_ms(self, rule: Rule) -> int:
        """How long a clean copy stays at the edge."""
        return max(COPY_TTL_MS, int(rule.min_residency_edge_s * MS_PER_S))

    def fill(
        self,
        rules: Iterable[Rule],
        fill: Callable[[SharedEdge, int, float], set[str]],
        deadline: Deadline,
    ) -> set[str]:
        """The keys that `fill` has shown at the edge: none where there is no room.

        It is given how long copies under these `rules` stay, in ms, and its timeout in seconds.
        Raises UnavailableError if the edge does not answer, whatever has become of it.
        """
        ttl_ms = max(self.ttl_ms(rule) for rule in rules)
        try:
            return self.link.call(
                lambda edge, timeout_s: fill(edge, ttl_ms, timeout_s), deadline.renewed()
            )
        except OverloadedError:
            self.state.runtime.sometimes("no room for a fill")
            return set()
        except OutcomeUnknownError as exc:
            raise UnavailableError(str(exc)) from exc

    def waiting(self, deadline: Deadline) -> Sequence[Delta]:
        """What waits in the edge's queues; see `scanning.waiting`."""
        from tierstore.replica.shared.scanning import waiting

        return waiting(self, deadline)

    def join(
        self,
        merged: dict[str, Record],
        queued: Sequence[Delta],
        is_inside: Callable[[str], bool],
        deadline: Deadline,
    ) -> None:
        """Add what waits to the records of a page; see `scanning.join_waiting`."""
        from tierstore.replica.shared.scanning import join_typed, join_waiting

        join_waiting(merged, queued, is_inside)
        join_typed(self, merged, queued, is_inside, deadline)

    def keep_up(self, records: Mapping[str, Record], sent_at_s: float, deadline: Deadline) -> None:
        """Let no copy be older than what a scan shows; see `scanning.keep_up`."""
        from tierstore.replica.shared.scanning import keep_up

        keep_up(self, records, sent_at_s, deadline)

    def forget_near(self, keys: Sequence[str] | None) -> None:
        """Let nobody be answered from this process's memory about `keys`; None: about any."""
        state = self.state
        with state.lock:
            if keys is None:
                state.edge.clear_clean()
                state.fills.void_all()
                if state.negatives is not None:
                    state.negatives.clear()
                return
            for key in keys:
                self.forget_one(key)

    def forget_one(self, key: str) -> None:
        """`forget_near` of one key. Needs the lock."""
        state = self.state
        entry = state.edge.resident.get(key)
        if entry is not None and entry.dirty == CLEAN:
            state.edge.drop(entry)
        if state.fills.flights:
            state.fills.void(key)
        if state.negatives is not None:
            state.negatives.discard(key)
