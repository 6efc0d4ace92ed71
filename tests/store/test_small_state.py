"""State stays as small as its content, however many come, go, overwrite and take back."""

from __future__ import annotations

import random

import pycrdt
import pytest

from tierstore.crdt import set as sets
from tierstore.region.apply import Limits
from tierstore.store.garbage import collect
from tierstore.testing import ManualRuntime, MemoryRegion, memory_store

POLICY = {
    "rules": [
        {"match": "n/*", "type": "counter", "durability": "memory"},
        {"match": "s/*", "type": "set", "durability": "memory"},
        {"match": "d/*", "type": "document", "durability": "memory"},
    ],
}
DAY_S = 86_400
EDITS_A_DAY = 50
QUIET_DAYS = 17
"""Two horizons: what was made compact last may remember what was edited in the one before that."""
FIELDS = {"title": "A title of some words", "list": list(range(20)), "meta": {"by": "Ada", "n": 0}}
TEXT = "A text of many words, some of which change from time to time. " * 4


def size_of(size, campaign):
    return [size, pytest.param(campaign, marks=pytest.mark.campaign)]


class World:
    """A region and stores that come and go."""

    def __init__(self):
        self.runtime = ManualRuntime(seed=1)
        self.region = MemoryRegion(self.runtime, Limits())
        self.store = self.opened()

    def opened(self):
        return memory_store(POLICY, region=self.region, runtime=self.runtime)

    def visit(self, work):
        """Let a store of its own do some work."""
        with self.opened() as store:
            work(store)

    def pass_day(self):
        """All who are there hear of everything, and garbage is collected."""
        self.runtime.sleep(DAY_S)
        self.store._core.replica.pull()
        self.store._core.replica._acknowledge()
        collect(self.store._core, 60)

    def payload(self, key):
        return self.region.rows[key].record.payload


@pytest.fixture
def world():
    made = World()
    yield made
    made.store.close()


@pytest.mark.parametrize("workers", size_of(30, 10_000))
def test_workers_that_are_gone_leave_no_trace_in_a_counter(world, workers):
    for _ in range(workers):
        world.visit(lambda store: store.counter("n/1").add(3))
    assert world.store.counter("n/1").get() == 3 * workers
    assert len(world.payload("n/1")) < (40 if workers < 100 else 200)


@pytest.mark.parametrize("workers", size_of(30, 10_000))
def test_workers_that_are_gone_leave_only_what_they_added(world, workers):
    elements = [f"element-{number}" for number in range(20)]
    for number in range(workers):
        world.visit(
            lambda store, number=number: (
                store.members("s/1").add(elements[number % 20], elements[number * 7 % 20]),
                store.members("s/1").add(f"passing-{number}"),
                store.members("s/1").discard(f"passing-{number}"),
            )
        )
    before = len(world.payload("s/1"))
    collect(world.store._core, 60)
    actor = world.region._info.actor
    added = sets.add(elements)
    fresh = sets.apply(sets.empty(), added, origin=1 << 60, actor=actor, is_same_life=True)
    assert world.store.members("s/1").all() == set(elements)
    assert len(world.payload("s/1")) <= len(sets.encode(fresh)) < before


@pytest.mark.parametrize("pairs", size_of(2_000, 1_000_000))
def test_pairs_of_add_and_discard_leave_nothing(world, pairs):
    members = world.store.members("s/1")
    for number in range(pairs):
        members.add(number % 97)
        members.discard(number % 97)
        if number % 50 == 0:
            world.store.flush()
    world.store.flush()
    assert members.all() == set()
    assert len(world.payload("s/1")) < 20


def fill(store, key="d/1"):
    with store.document(key).edit() as doc:
        doc.update(FIELDS)
        doc["text"] = pycrdt.Text(TEXT)


def alter(store, chance, times):
    """Edit what is there; it stays as much."""
    for _ in range(times):
        with store.document("d/1").edit() as doc:
            kind = chance.randrange(4)
            if kind == 0:
                doc["title"] = "".join(chance.sample(FIELDS["title"], len(FIELDS["title"])))
            elif kind == 1:
                doc["list"][chance.randrange(20)] = chance.randrange(20)
            elif kind == 2:
                doc["meta"]["n"] = chance.randrange(10)
            else:
                at = chance.randrange(len(TEXT) - 8)
                doc["text"].delete(at, at + 8)
                doc["text"].insert(at, "".join(chance.choices("abc ", k=8)))


def growth(world):
    """How much larger the document is than one that was just made, with as much in it."""
    fill(world.store, "d/fresh")
    world.store.flush()
    return len(world.payload("d/1")) / len(world.payload("d/fresh"))


@pytest.mark.parametrize("edits", size_of(200, 100_000))
def test_a_document_whose_field_is_set_again_and_again_needs_no_upkeep(world, edits):
    fill(world.store)
    for number in range(edits):
        with world.store.document("d/1").edit() as doc:
            doc["meta"]["n"] = number % 10
        if number % 20 == 0:
            world.store.flush()
    world.store.flush()
    assert growth(world) < 3


@pytest.mark.parametrize(("stores", "edits"), [(1, 100), (10, 10),
    pytest.param(1, 100_000, marks=pytest.mark.campaign),
    pytest.param(10_000, 10, marks=pytest.mark.campaign)])  # fmt: skip
def test_a_document_stays_as_large_as_its_content(world, stores, edits):
    """By one who stays, or by many who come and go, 50 edits a day; it is collected every day."""
    chance = random.Random(2)
    fill(world.store)
    world.store.flush()
    for number in range(stores * edits // EDITS_A_DAY):
        if stores == 1:
            alter(world.store, chance, EDITS_A_DAY)
            world.store.flush()
        else:
            for _ in range(EDITS_A_DAY // edits):
                world.visit(lambda store: alter(store, chance, edits))
        if number > 1:
            world.pass_day()
    bloat, shown = growth(world), world.store.document("d/1").json()
    for _ in range(QUIET_DAYS):
        world.pass_day()
    print(f"{stores} stores, {edits} edits: {bloat:.1f} times a fresh one, {growth(world):.2f} now")
    assert bloat > 3 > growth(world)
    assert world.store.document("d/1").json() == shown
