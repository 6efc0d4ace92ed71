"""A region restored from a backup gets back from its replicas what it lacks, each write once."""

from __future__ import annotations

import random

import pytest
from restored import Model, back_up, restore

from tierstore.errors import FencedError, TierStoreError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.lives import BATCHES, NOTHING
from tierstore.testing.plan import Crash

RULES = {
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "s/*", "type": "set"},
        {"match": "far/*", "durability": "regional", "place": {"never": ["edge"]}},
    ],
    "replication": {"flush": "1h", "pull": "1h", "batch": 2},
}
STEPS = 60


def begin(region, runtime, backup, regains=BATCHES):
    restore(region, backup)
    runtime.advance(1)
    region.reincarnate(2.0, regains)
    runtime.advance(1)


def settle(*nodes):
    """Let all hear of another life, flush, and drain whatever dead processes left."""
    for _ in range(3):
        for node in nodes:
            node.runtime.advance(0.1)
            node.store.maintain()


def reopened(node):
    """The node as a new process, without copies."""
    node.crash()
    node.open()
    return node.store


class World:
    """Replicas that write and die, and a region that is restored from any backup."""

    def __init__(self, make_node, region, runtime, seed):
        self.chance = random.Random(seed)
        self.region, self.runtime, self.model = region, runtime, Model()
        self.nodes = [make_node(name, **RULES) for name in "abb"]
        self.backups = [back_up(region)]

    def step(self):
        self.runtime.advance(0.01)
        node = self.chance.choice(self.nodes)
        kind = self.chance.choice(
            ["write"] * 5 + ["flush"] * 4 + ["die", "adopt", "back up", "restore"]
        )
        if kind == "write":
            self.write(node)
        elif kind == "die":
            reopened(node)
        elif kind == "back up":
            self.backups.append(back_up(self.region))
        elif kind == "restore":
            self.restore()
        else:
            self.attempt(node, node.store.flush if kind == "flush" else node.adopt)

    def write(self, node):
        name, number = self.chance.choice("12"), self.chance.randrange(1, 100)
        verb = self.chance.choice([self.model.add, self.model.put, self.model.include])
        kind = {self.model.add: "n", self.model.put: "k", self.model.include: "s"}[verb]
        verb(node.store, f"{kind}/{name}", number)

    def restore(self):
        backup = self.chance.choice(self.backups)
        restore(self.region, backup)
        for node in self.chance.sample(self.nodes, self.chance.randrange(3)):
            if node.state.outbox.acknowledged:  # others cannot know that the region was restored
                self.attempt(node, node.store.flush)
        self.runtime.advance(1)
        self.region.reincarnate(2.0, BATCHES)
        self.runtime.advance(1)
        for node in self.nodes:
            if node.store._core.replica.flusher.fenced:
                reopened(node)

    def attempt(self, node, act):
        node.plan.arm(self.chance.choice([0, 0, self.chance.randrange(1, 8)]), self.fault())
        try:
            act()
        except TierStoreError:
            pass
        except Crash:
            reopened(node)
        node.plan.arm(0, "error")

    def fault(self):
        return self.chance.choice(["error", "lost", "crash", "crash after"])

    def end(self):
        self.nodes[1].crash()  # of two in one folder, the other drains its journal
        settle(self.nodes[0], self.nodes[2])
        self.nodes[1].open()
        settle(*self.nodes)
        self.model.check(reopened(self.nodes[0]))


@pytest.mark.parametrize(
    "seed", [*range(8), *(pytest.param(seed, marks=pytest.mark.campaign) for seed in range(8, 300))]
)
def test_all_is_there_once_however_often_and_from_whatever_backup(make_node, region, runtime, seed):
    world = World(make_node, region, runtime, seed)
    for _ in range(STEPS):
        world.step()
    world.end()
    assert not [entry for entry in region.aside(10, 2.0) if entry.kind != "held"]


def told(region):
    """What waits for an operator."""
    return [(entry.kind, entry.key, entry.reason) for entry in region.aside(100, 2.0)]


def filled(node, batches, model=None):
    """A model of that many batches that the region acknowledged, each of an increment."""
    model = model or Model()
    for number in range(batches):
        node.runtime.advance(0.01)
        model.add(node.store, "n/1", 10**number)
        model.put(node.store, "k", number)
        node.store.flush()
    return model


@pytest.mark.parametrize(
    ("kind", "is_known"),
    [("error", True), ("lost", False), ("crash", False), ("crash after", True)],
)
def test_every_moment_at_which_sending_again_is_interrupted(new_node, kind, is_known):
    """By a failure or the end of the process: the next one goes on, and nothing comes twice."""
    for at in range(1, 40):
        node = new_node(**RULES)
        model = filled(node, 1) if is_known else Model()
        backup = back_up(node.region)
        model = filled(node, 2, model)
        node.store.counter("n/1").add(7)
        node.store._core.replica.flusher.freeze()
        model.sums["n/1"] += 7
        model.add(node.store, "n/1", 9)
        begin(node.region, node.runtime, backup)
        reopened(node)
        node.plan.arm(at, kind)
        try:
            node.store.flush()
        except TierStoreError:
            pass
        except Crash:
            node.crash()
        fired = node.plan.fired
        node.plan.arm(0, "error")
        if kind.startswith("crash"):
            reopened(node)
        settle(node)
        model.check(reopened(node))
        assert told(node.region) == []
        if fired is None:
            break
    assert 8 < at < 39


def test_two_processes_that_want_one_journal(make_node, region, runtime):
    """One drains it, by the lock; and what it has sent is not sent by a later one."""
    node, *others = (make_node("a", **RULES) for _ in range(3))
    model = filled(node, 1)
    backup = back_up(region)
    filled(node, 3, model)
    for other in others:
        model.add(other.store, "n/1", 10**5)
    begin(region, runtime, backup)
    node.crash()
    settle(*others)
    node.open()
    settle(node, *others)
    model.check(reopened(node))


def test_an_idle_journal_is_drained_by_others(make_node, region, runtime):
    dead, alive = make_node("a", **RULES), make_node("b", **RULES)
    backup = back_up(region)
    model = filled(dead, 3)
    alive.policy = dead.policy
    dead.crash()
    begin(region, runtime, backup)
    alive.folder = dead.folder
    alive.crash()
    alive.open()
    first = alive.store._core.replica
    first._journals.take = lambda replica: first._journals.create(replica)  # it has its own
    settle(alive)
    model.check(alive.store)


class TestWhatIsGone:
    """Numbers that no journal has any more are passed over and listed; what follows counts."""

    @pytest.fixture
    def trimmed(self, make_node, region, runtime):
        """A node whose journal has lost what it retained of batches 2 to 4, of 1 to 5."""
        node = make_node(**RULES)
        model = filled(node, 1)
        backup = back_up(region)
        filled(node, 4, model)
        journal = node.state.journal
        with node.state.journal_lock:
            journal._connect().execute("DELETE FROM batches WHERE number BETWEEN 2 AND 4")
        model.sums["n/1"] = 1 + 1000
        begin(region, runtime, backup)
        return node, model

    def test_the_head(self, trimmed, region):
        node, model = trimmed
        settle(node)
        model.check(reopened(node))
        ((kind, key, reason),) = told(region)
        assert (kind, key) == ("lost", "")
        assert "batches 2 to 4: lost" in reason
        assert "2 to 4" in str(node.store.check())

    def test_it_is_counted(self, trimmed):
        node, _ = trimmed
        settle(node)
        counts = node.store.stats()["counts"]
        assert (counts["batches_lost"], counts["batches_resent"]) == (3, 1)

    def test_the_end(self, make_node, region, runtime):
        node = make_node(**RULES)
        model = filled(node, 1)
        backup = back_up(region)
        filled(node, 2)
        node.state.journal._connect().execute("DELETE FROM batches WHERE number > 1")
        model.add(node.store, "n/1", 5)
        begin(region, runtime, backup)
        settle(node)
        model.check(reopened(node))
        assert "batches 2 to 3: lost" in told(region)[0][2]

    def test_what_must_not_touch_the_disk(self, make_node, region, runtime):
        node = make_node(**RULES)
        backup = back_up(region)
        model = filled(node, 1)
        node.store.put("far/k", 1)
        node.store.flush()
        filled(node, 1, model)
        begin(region, runtime, backup)
        settle(node)
        model.check(reopened(node))
        assert node.store.get("far/k") is None
        assert "batch 2: lost" in told(region)[0][2]

    def test_without_a_journal(self, region, runtime):
        rules = [{"match": "n/*", "type": "counter", "durability": "memory"}]
        rules.append({"match": "**", "durability": "memory"})
        policy = {"tiers": {"edge": {"journal": "none"}}, **RULES, "rules": rules}
        store = wire(load(policy), runtime, region=region)
        counter = store.counter("n/1")
        backups = []
        for count in (1, 2, 4):
            counter.add(count)
            store.flush()
            backups.append(back_up(region))
        counter.add(8)
        begin(region, runtime, backups[0])
        for _ in range(2):
            store.maintain()
        assert (counter.get(), region.rows.keys()) == (9, {"n/1"})
        assert "batches 2 to 3: lost" in told(region)[0][2]
        store.close()


def test_another_restore_to_a_later_backup_counts_nothing_twice(make_node, region, runtime):
    """The first backup that came to hand was too old."""
    node = make_node(**RULES)
    old = back_up(region)
    model = filled(node, 3)
    newer = back_up(region)
    filled(node, 2, model)
    for backup in (old, newer, old):
        begin(region, runtime, backup)
        settle(node)
        model.check(node.store)
    assert told(region) == []


def test_a_copied_journal_is_refused(make_node, region, runtime):
    node = make_node(**RULES)
    filled(node, 1)
    backup = back_up(region)
    filled(node, 2)
    region_row = backup["_replicas"][node.state.replica]
    region_row.digest = b"another one's"
    begin(region, runtime, backup)
    with pytest.raises(UnavailableError):
        node.store.get("n/9x", max_age=0)
    with pytest.raises(FencedError, match="journal was copied"):
        node.store.flush()
    assert region.rows["k"].record.stamp
    assert region._replicas[node.state.replica].applied == 1


def test_who_was_silent_for_the_horizon_sends_nothing_again(make_node, region, runtime):
    node = make_node(**RULES)
    backup = back_up(region)
    filled(node, 2)
    node.crash()
    begin(region, runtime, backup)
    runtime.advance(8 * 86_400)
    node.open()
    settle(node)
    assert region.rows == {}
    assert {kind for kind, _, _ in told(region)} <= {"retired"}


def test_a_region_that_retired_all_before_it_began_anew(make_node, region, runtime):
    """Its backup was older than the horizon, and a store swept it before anybody looked."""
    node = make_node(**RULES)
    filled(node, 1)
    backup = back_up(region)
    node.crash()
    runtime.advance(8 * 86_400)
    node.open()
    model = filled(node, 2)
    restore(region, backup)
    assert region.maintain(100, 2.0).retired == 1
    begin(region, runtime, back_up(region))
    settle(node)
    model.sums["n/1"] += 1
    model.check(reopened(node))


@pytest.mark.parametrize("regains", [NOTHING, "peers", BATCHES])
def test_what_was_sealed_and_never_sent_is_sent_once(make_node, region, runtime, regains):
    """Whether it was sealed before the replica heard of another life, or sent into it."""
    node = make_node(**RULES)
    model = filled(node, 1)
    backup = back_up(region)
    for count in (2, 3):
        model.add(node.store, "n/1", count)
        model.include(node.store, "s/1", count)
        model.put(node.store, f"k/{count}", count)
        node.store._core.replica.flusher.freeze()
    model.put(node.store, "k/2", "later")
    begin(region, runtime, backup, regains)
    with pytest.raises(UnavailableError, match="another life"):
        node.store.flush()
    node.store.flush()
    model.check(node.store)
    assert told(region) == []
    model.check(reopened(node))


def test_what_may_have_come_to_peers_is_not_sent(make_node, region, runtime):
    """Its answer was lost, so nobody can know whether they have it; what was sealed after it, is
    in no region."""
    node = make_node(**RULES)
    model = filled(node, 1)
    backup = back_up(region)
    node.store.counter("n/1").add(100)
    node.store._core.replica.flusher.freeze()
    model.add(node.store, "n/1", 5)
    node.store._core.replica.flusher.freeze()
    node.plan.arm(1, "lost")
    with pytest.raises(UnavailableError):
        node.store.flush()
    assert node.plan.fired == "region.apply"
    begin(region, runtime, backup, "peers")
    settle(node)
    model.check(node.store)
    assert [key for _, key, _ in told(region)] == ["n/1"]
