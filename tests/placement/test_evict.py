"""S3Fifo against a model that knows only which entries are managed and how large they are."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierstore.placement.evict import IN_MAIN, S3Fifo
from tierstore.placement.expiry import BUCKET_MS

CAPACITY_BYTES = 400


class Entry:
    __slots__ = ("expires_at", "key", "mark", "reads", "size", "where")

    def __init__(self, key: str, size: int = 1, expires_at: int | None = None) -> None:
        self.key = key
        self.size = size
        self.expires_at = expires_at
        self.reads = self.mark = self.where = 0


class Eviction(RuleBasedStateMachine):
    """A table that admits, reads, dirties, flushes, resizes and evicts at will."""

    def __init__(self) -> None:
        super().__init__()
        self.policy: S3Fifo[Entry] = S3Fifo(CAPACITY_BYTES)
        self.managed: dict[str, Entry] = {}
        self.outside: dict[str, Entry] = {}
        self.now_ms = 0
        self.live_max = 0

    @rule(
        key=st.integers(0, 300).map(str),
        size=st.one_of(st.integers(1, 60), st.integers(CAPACITY_BYTES - 1, CAPACITY_BYTES + 2)),
        ttl_ms=st.none() | st.integers(0, 5 * BUCKET_MS),
    )
    def admit(self, key: str, size: int, ttl_ms: int | None) -> None:
        if key in self.managed or key in self.outside:
            return
        entry = Entry(key, size, None if ttl_ms is None else self.now_ms + ttl_ms)
        self.policy.admit(entry)
        self.managed[key] = entry

    @rule(data=st.data(), count=st.integers(1, 80))
    def admit_and_read_many(self, data: st.DataObject, count: int) -> None:
        reads = data.draw(st.integers(0, 5))
        for index in range(count):
            self.admit(str(index), 1 + index % 7, None)
            if str(index) in self.managed:
                self.managed[str(index)].reads += reads

    @precondition(lambda self: self.managed)
    @rule(data=st.data(), share=st.sampled_from([1, 2, 50]))
    def remove(self, data: st.DataObject, share: int) -> None:
        first = data.draw(st.sampled_from(sorted(self.managed)))
        for key in [first, *sorted(self.managed)[::share]][: len(self.managed)]:
            if key in self.managed:
                entry = self.outside[key] = self.managed.pop(key)
                self.policy.remove(entry)
                self.policy.remove(entry)  # a second time does nothing

    @precondition(lambda self: self.outside)
    @rule(data=st.data(), size=st.integers(1, 60), ttl_ms=st.none() | st.integers(0, 4000))
    def readmit(self, data: st.DataObject, size: int, ttl_ms: int | None) -> None:
        key = data.draw(st.sampled_from(sorted(self.outside)))
        entry = self.managed[key] = self.outside.pop(key)
        entry.size = size
        entry.expires_at = None if ttl_ms is None else self.now_ms + ttl_ms
        self.policy.admit(entry)
        self.policy.admit(entry)  # a second time does nothing

    @precondition(lambda self: self.managed)
    @rule(data=st.data(), size=st.integers(1, CAPACITY_BYTES + 1), ttl_ms=st.integers(0, 9000))
    def resize(self, data: st.DataObject, size: int, ttl_ms: int) -> None:
        entry = self.managed[data.draw(st.sampled_from(sorted(self.managed)))]
        old_size, entry.size = entry.size, size
        entry.expires_at = self.now_ms + ttl_ms
        self.policy.resized(entry, old_size)

    @precondition(lambda self: self.managed)
    @rule(data=st.data(), count=st.integers(1, 5))
    def read(self, data: st.DataObject, count: int) -> None:
        self.managed[data.draw(st.sampled_from(sorted(self.managed)))].reads += count

    @rule(elapsed_ms=st.integers(0, 3 * BUCKET_MS))
    def evict(self, elapsed_ms: int) -> None:
        self.now_ms += elapsed_ms
        evicted = self.policy.evict(self.now_ms)
        keys = [entry.key for entry in evicted]
        assert len(set(keys)) == len(keys)
        assert all(self.managed.pop(entry.key) is entry for entry in evicted)
        assert all(entry.where <= 0 for entry in evicted)
        assert self.policy.used_bytes <= CAPACITY_BYTES
        if any(not self._late(e) and e.size <= CAPACITY_BYTES for e in evicted):
            assert not any(self._overdue(entry) for entry in self.managed.values())

    def _late(self, entry: Entry) -> bool:
        return entry.expires_at is not None and entry.expires_at <= self.now_ms

    def _overdue(self, entry: Entry) -> bool:
        return entry.expires_at is not None and entry.expires_at + BUCKET_MS <= self.now_ms

    @invariant()
    def accounts_are_exact(self) -> None:
        assert len(self.policy) == len(self.managed)
        assert self.policy.used_bytes == sum(entry.size for entry in self.managed.values())
        assert all(entry.where > 0 for entry in self.managed.values())
        assert all(entry.where <= 0 for entry in self.outside.values())

    @invariant()
    def memory_is_bounded(self) -> None:
        live = len(self.managed)
        slots = [*self.policy._small, *self.policy._main]
        assert len(set(map(id, slots))) == len(slots)
        self.live_max = max(self.live_max, live)
        # Evicting shrinks what stale slots are compared with, so the peak is the measure.
        assert len(slots) <= live + self.live_max // 4 + 64
        assert len(self.policy._expiry) <= self.live_max * 3 // 2 + 64


TestEviction = Eviction.TestCase
TestEviction.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def fill(policy: S3Fifo[Entry], names: str, count: int) -> list[Entry]:
    entries = [Entry(f"{names}{index}") for index in range(count)]
    for entry in entries:
        policy.admit(entry)
    return entries


def test_an_entry_larger_than_the_capacity_is_refused_and_nothing_else_goes() -> None:
    policy: S3Fifo[Entry] = S3Fifo(100)
    fill(policy, "k", 100)
    giant = Entry("giant", 101)
    giant.reads = 9
    policy.admit(giant)

    assert policy.evict(0) == [giant]
    assert len(policy) == 100


def test_nothing_goes_while_there_is_room() -> None:
    policy: S3Fifo[Entry] = S3Fifo(100)
    policy.admit(Entry("k", 100, expires_at=1))

    assert policy.evict(10**9) == []


def test_expired_entries_go_before_older_live_ones() -> None:
    policy: S3Fifo[Entry] = S3Fifo(100)
    fill(policy, "old", 90)
    expired = [Entry(f"e{index}", expires_at=index) for index in range(10)]
    for entry in expired:
        entry.reads = 3
        policy.admit(entry)
    fill(policy, "new", 10)

    assert set(policy.evict(BUCKET_MS * 2)) == set(expired)


def test_a_key_that_comes_back_after_leaving_the_small_queue_enters_main() -> None:
    policy: S3Fifo[Entry] = S3Fifo(100)
    fill(policy, "k", 101)
    (gone,) = policy.evict(0)
    back = Entry(gone.key)
    policy.admit(back)

    assert back.where == IN_MAIN


def test_an_entry_that_was_in_main_returns_to_main_even_without_its_slot() -> None:
    policy: S3Fifo[Entry] = S3Fifo(300)
    entries = fill(policy, "k", 300)
    for entry in entries:
        entry.reads = 2
    fill(policy, "new", 1)
    policy.evict(0)
    was_main = [entry for entry in entries if entry.where == IN_MAIN]
    for entry in entries:
        policy.remove(entry)  # so many that the queues are compacted
    assert len(policy._main) < len(was_main)
    for entry in was_main:
        policy.admit(entry)

    assert was_main
    assert all(entry.where == IN_MAIN for entry in was_main)


def test_queues_shrink_with_what_they_hold() -> None:
    policy: S3Fifo[Entry] = S3Fifo(1_000)
    entries = fill(policy, "k", 1_000)
    for live, entry in zip(range(999, -1, -1), entries, strict=True):
        policy.remove(entry)
        assert len(policy._small) <= live + live // 4 + 64
