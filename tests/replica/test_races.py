"""What happens between the request and the reply: every actor, at every boundary of an I/O."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.replica.fills import Fills
from tierstore.runtime import Runtime
from tierstore.testing import ManualRuntime, MemoryRegion
from tierstore.values import decode

KEY = "jrn/k"
OTHERS = [f"jrn/filler {number:03}" for number in range(8)]
SMALL_EDGE = {"tiers": {"edge": {"capacity": "200B"}}}
FOLLOWERS = 50


class HookedRegion:
    """Calls `hook` once, at the n-th boundary: 1 before the first call, 2 after it, and so on."""

    def __init__(self, inner):
        self._inner = inner
        self.hook, self.n, self.at = None, 0, 0

    def arm(self, n, hook):
        self.hook, self.n, self.at = hook, n, 0

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        if name not in ("read", "changes", "apply", "scan"):
            return method

        def call(*args):
            self._pass()
            result = method(*args)
            self._pass()
            return result

        return call

    def _pass(self):
        if self.hook is None:
            return
        self.at += 1
        if self.at == self.n:
            hook, self.hook = self.hook, None
            hook()


class Pair:
    """A node whose I/O is hooked, and another that writes behind its back."""

    def __init__(self, new_node, second_node):
        self.node = new_node(**SMALL_EDGE)
        self.hooked = HookedRegion(self.node.region)
        self.node.store._core.replica._source.get()._inner = self.hooked
        self.other = second_node(self.node, "other")

    def theirs(self, value):
        self.node.runtime.sleep(0.01)
        if value is None:
            self.other.store.delete(KEY)
        else:
            self.other.store.put(KEY, value)
        self.other.store.flush()

    def ours(self, value):
        self.node.runtime.sleep(0.01)
        self.node.store.put(KEY, value)

    def our_delete(self):
        self.node.runtime.sleep(0.01)
        self.node.store.delete(KEY)

    def evict(self):
        """Push the key out of the small edge."""
        self.node.store.get_many(OTHERS)

    def row(self):
        payload = self.node.region.value(KEY)
        return None if payload is None else decode(payload)


def begin_absent(pair):
    pass


def begin_resident(pair):
    pair.theirs("first")
    pair.node.store.get(KEY)
    pair.node.runtime.sleep(0.01)


def begin_regional(pair):
    pair.theirs("first")


def begin_dirty(pair):
    begin_resident(pair)
    pair.ours("dirty")


BEGINNINGS = [begin_absent, begin_resident, begin_regional, begin_dirty]
ACTS = {
    "miss": lambda pair: pair.node.store.get(KEY),
    "refresh": lambda pair: pair.node.store.get(KEY, max_age=0),
    "get_many": lambda pair: pair.node.store.get_many([KEY, "jrn/none"], max_age=0),
    "scan": lambda pair: list(pair.node.store.scan("jrn/")),
    "pull": lambda pair: pair.node.pull(),
    "flush": lambda pair: pair.node.store.flush(),
}
INTRUDERS = {
    "our put": lambda pair: pair.ours("ours"),
    "our delete": Pair.our_delete,
    "our touch": lambda pair: pair.node.store.exists(KEY) and pair.node.store.touch(KEY, ttl=90),
    "our put and flush": lambda pair: (pair.ours("ours"), pair.node.store.flush()),
    "their put": lambda pair: pair.theirs("theirs"),
    "their put seen": lambda pair: (pair.theirs("theirs"), pair.node.pull()),
    "their delete": lambda pair: pair.theirs(None),
    "our put, then theirs": lambda pair: (pair.ours("ours"), pair.theirs("theirs")),
    "their put, then ours": lambda pair: (pair.theirs("theirs"), pair.ours("ours")),
    "our flush": lambda pair: pair.node.store.flush(),
    "eviction": Pair.evict,
    "their put and eviction": lambda pair: (pair.theirs("theirs"), pair.evict()),
}
# An actor would wait for itself: one thread, one lock.
IMPOSSIBLE = {
    ("pull", "their put seen"),
    ("flush", "our put and flush"),
    ("flush", "our flush"),
    ("miss", "our touch"),
    ("refresh", "our touch"),
    ("get_many", "our touch"),
}


@pytest.mark.parametrize("begin", BEGINNINGS, ids=lambda begin: begin.__name__)
@pytest.mark.parametrize("act", ACTS)
def test_no_interleaving_leaves_a_stale_copy(new_node, second_node, begin, act):
    boundaries = 0
    for intruder in INTRUDERS:
        if (act, intruder) in IMPOSSIBLE:
            continue
        for n in count(1):
            pair = Pair(new_node, second_node)
            begin(pair)
            pair.hooked.arm(n, lambda pair=pair, intruder=intruder: INTRUDERS[intruder](pair))
            ACTS[act](pair)
            if pair.hooked.hook is not None:
                break
            boundaries += 1
            pair.node.pull()
            shown = pair.node.store.get(KEY)
            pair.node.store.flush()
            assert shown == pair.row(), f"{intruder} at {n}"
            assert pair.node.store.get(KEY) == pair.row(), f"{intruder} at {n}, later"
    assert boundaries >= (0 if (act, begin) in NO_IO else 10)


NO_IO = {
    ("miss", begin_resident),
    ("miss", begin_dirty),
    ("flush", begin_absent),
    ("flush", begin_resident),
    ("flush", begin_regional),
}


def test_a_touch_during_a_pull_keeps_no_copy_beyond_its_age(new_node, second_node):
    key = "age/k"
    node = new_node()
    other = second_node(node, "other")
    other.store.put(key, "first")
    other.store.flush()
    node.store.get(key)
    hooked = HookedRegion(node.region)
    node.store._core.replica._source.get()._inner = hooked
    node.runtime.sleep(1)
    other.store.put(key, "second")
    other.store.flush()
    hooked.arm(4, lambda: node.store.touch(key, ttl=90))  # after the read of the pull
    node.pull()
    assert hooked.hook is None
    node.runtime.sleep(1.5)
    assert node.store.get(key) == "second"


@pytest.mark.parametrize("key", [KEY, "far/k"])
def test_own_writes_show_in_every_reply_while_they_are_under_way(new_node, second_node, key):
    reads = (
        lambda store: store.get(key),
        lambda store: store.get(key, max_age=0),
        lambda store: store.get_many([key], max_age=0)[key],
        lambda store: next(entry.value for entry in store.scan("")),
    )
    for n in (1, 2):
        for read in reads:
            pair = Pair(new_node, second_node)
            store = pair.node.store
            shown = []
            pair.hooked.arm(
                n, lambda store=store, read=read, shown=shown: shown.append(read(store))
            )
            store.put(key, "ours")
            store.flush()
            assert shown == ["ours"]


@pytest.mark.parametrize("is_scan", [False, True])
def test_a_reply_from_before_a_flush_shows_what_was_flushed(new_node, second_node, is_scan):
    pair = Pair(new_node, second_node)
    begin_dirty(pair)
    store = pair.node.store
    pair.hooked.arm(2, store.flush)
    if is_scan:
        assert [entry.value for entry in store.scan("jrn/")] == ["dirty"]
    else:
        assert store.get(KEY, max_age=0) == "dirty"
    assert pair.hooked.hook is None
    assert pair.row() == store.get(KEY) == "dirty"


@pytest.mark.parametrize("act", ["refresh", "get_many", "scan"])
def test_a_reply_from_before_what_beat_an_own_write_lacks_not_both(new_node, second_node, act):
    asked = {
        "refresh": lambda store: store.get(KEY, max_age=0),
        "get_many": lambda store: store.get_many([KEY], max_age=0).get(KEY),
        "scan": lambda store: next((entry.value for entry in store.scan("jrn/")), None),
    }
    pair = Pair(new_node, second_node)
    store = pair.node.store
    pair.ours("ours")
    scanned = []

    def scan():
        pair.theirs("theirs")
        scanned.extend(entry.value for entry in store.scan("jrn/"))

    pair.hooked.arm(2, scan)
    assert asked[act](store) in ("ours", "theirs")
    assert scanned == ["theirs"]
    assert store.get(KEY) == "theirs"


@pytest.mark.parametrize("begin", [begin_absent, begin_regional], ids=["absent", "regional"])
@pytest.mark.parametrize("act", ["miss", "refresh", "get_many"])
def test_what_was_on_its_way_while_a_scan_showed_more_is_not_kept(
    new_node, second_node, begin, act
):
    pair = Pair(new_node, second_node)
    begin(pair)
    scanned = []

    def scan():
        pair.theirs("theirs")
        scanned.extend(entry.value for entry in pair.node.store.scan("jrn/"))

    pair.hooked.arm(2, scan)
    ACTS[act](pair)
    assert scanned == ["theirs"]
    assert pair.node.store.get(KEY) == "theirs"


def test_reads_do_not_go_back_to_a_write_that_lost(new_node, second_node):
    node = new_node()
    other = second_node(node, "other")
    node.store.put("far/other", 1)
    node.plan.arm(2, "error")
    with pytest.raises(OutcomeUnknownError):
        node.store.put("far/k", "ours")
    assert node.plan.fired == "region.apply"
    assert node.store.get("far/k") == "ours"
    node.runtime.sleep(1)
    other.store.put("far/k", "theirs")
    assert node.store.get("far/k", max_age=0) == "theirs"
    assert node.store.get("far/k") == "theirs"
    assert [entry.value for entry in node.store.scan("far/k")] == ["theirs"]
    node.runtime.sleep(1)
    node.plan.arm(2, "error")
    with pytest.raises(OutcomeUnknownError):
        node.store.put("far/k", "ours again")
    assert node.store.get("far/k") == "ours again"
    node.store.flush()
    assert node.store.get("far/k") == "ours again"


# Flights


def test_only_a_live_flight_may_install_what_it_brought():
    fills = Fills(ManualRuntime())
    flight = fills.lead("k")
    assert fills.lead("k") is None
    fills.void("k")
    assert not fills.land(flight)
    overtaken = fills.lead("k")
    refresh = fills.claim("k")
    assert not fills.land(overtaken)
    assert fills.land(refresh)
    failed = fills.lead("k")
    assert not fills.land(failed, UnavailableError("away"))
    assert not fills.flights


# Negative entries


def test_a_key_that_is_known_to_exist_is_never_absent_again(new_node, second_node):
    for learn in (
        lambda node: node.pull(),
        lambda node: node.store.get(KEY, max_age=0),
        lambda node: node.store.get_many([KEY], max_age=0),
        lambda node: node.store.put(KEY, "theirs"),
    ):
        pair = Pair(new_node, second_node)
        assert not pair.node.store.exists(KEY)
        pair.theirs("theirs")
        learn(pair.node)
        pair.node.store.flush()
        pair.evict()
        for other in OTHERS:
            pair.node.store.put(other, b"x" * 90)
        pair.node.store.flush()
        assert KEY not in pair.node.state.edge.resident
        assert pair.node.store.get(KEY) == "theirs"


def test_an_absence_is_remembered_for_a_short_while(node, runtime, make_node):
    assert not node.store.exists(KEY)
    other = make_node("other")
    other.store.put(KEY, 1)
    other.store.flush()
    node.plan.is_region_down = True
    runtime.sleep(1.9)
    assert not node.store.exists(KEY)
    runtime.sleep(0.2)
    with pytest.raises(UnavailableError):
        node.store.exists(KEY)


# Ages


def test_copies_are_served_up_to_their_age_and_longer_only_without_a_region(node, runtime):
    node.store.put("age/k", 1)
    node.store.flush()
    node.store.get("age/k", max_age=0)
    node.plan.is_region_down = True
    runtime.sleep(2)
    assert not node.store.read("age/k").stale
    runtime.sleep(0.1)
    reading = node.store.read("age/k")
    assert reading.stale
    assert 2 < reading.age_s <= 7
    runtime.sleep(4.8)
    assert node.store.get("age/k") == 1
    runtime.sleep(0.2)
    with pytest.raises(UnavailableError):
        node.store.get("age/k")
    node.plan.is_region_down = False
    reading = node.store.read("age/k")
    assert not reading.stale
    assert reading.age_s == 0


def test_a_complete_pull_makes_every_copy_young(node, runtime):
    node.store.put("age/k", 1)
    node.store.flush()
    node.store.get("age/k", max_age=0)
    runtime.sleep(1.5)
    node.pull()
    runtime.sleep(1.5)
    node.plan.is_region_down = True
    reading = node.store.read("age/k")
    assert (reading.stale, reading.age_s) == (False, 1.5)


def test_a_repeated_answer_says_nothing_of_what_others_wrote_since(node, runtime, make_node):
    node.store.put("age/warm", 1)
    node.store.flush()
    node.store.put("age/k", "ours")
    node.plan.arm(2, "lost")
    with pytest.raises(UnavailableError):
        node.store.flush()
    assert node.plan.fired == "region.apply"
    runtime.sleep(1)
    other = make_node("other")
    other.store.put("age/k", "theirs")
    other.store.flush()
    runtime.sleep(10)
    node.store.flush()
    assert node.store.get("age/k") == "theirs"


def test_the_age_asked_for_binds_beside_the_rule(node, runtime, make_node):
    other = make_node("other")
    other.store.put(KEY, "first")
    other.store.flush()
    assert node.store.get(KEY) == "first"
    runtime.sleep(1)
    other.store.put(KEY, "second")
    other.store.flush()
    assert node.store.get(KEY) == "first"
    assert node.store.get(KEY, max_age=2) == "first"
    assert node.store.get(KEY, max_age=0.5) == "second"


# Single flight


class SlowRegion(MemoryRegion):
    """Counts reads; the first one waits to be let go, and may then fail."""

    def __init__(self, runtime):
        super().__init__(runtime)
        self.reads, self.error = 0, None
        self.entered, self.go = threading.Event(), threading.Event()

    def read(self, keys, replica, timeout_s):
        self.reads += 1
        if self.reads == 1:
            self.entered.set()
            assert self.go.wait(30)
            if self.error is not None:
                raise self.error
        return super().read(keys, replica, timeout_s)


@pytest.fixture
def crowd(monkeypatch):
    """A leader inside the region's read, and fifty readers of the same key that wait for it."""
    region = SlowRegion(Runtime())
    policy = load(
        {
            "version": 1,
            "tiers": {"edge": {"journal": "none"}},
            "rules": [{"match": "**", "durability": "memory"}],
        }
    )
    store = wire(policy, Runtime(), region=region)
    following, answers = threading.Semaphore(0), []
    follow = Fills.follow
    monkeypatch.setattr(
        Fills, "follow", lambda self, key: (following.release(), follow(self, key))[1]
    )

    def reader():
        try:
            answers.append(store.get("k", timeout=30))
        except Exception as exc:
            answers.append(exc)

    def run(error=None):
        region.error = error
        threads = [threading.Thread(target=reader) for _ in range(FOLLOWERS + 1)]
        threads[0].start()
        assert region.entered.wait(30)
        for thread in threads[1:]:
            thread.start()
        for _ in range(FOLLOWERS):
            assert following.acquire(timeout=30)
        region.go.set()
        for thread in threads:
            thread.join(30)
        return region.reads, answers

    yield run
    store.close()


def test_one_read_serves_all_who_wait(crowd):
    assert crowd() == (1, [None] * (FOLLOWERS + 1))


def test_all_who_wait_learn_that_the_region_is_away(crowd):
    reads, answers = crowd(UnavailableError("away"))
    assert reads == 1
    assert [type(answer) for answer in answers] == [UnavailableError] * (FOLLOWERS + 1)


def test_one_who_waits_takes_over_from_a_leader_that_broke(crowd):
    reads, answers = crowd(RuntimeError("broken"))
    assert reads == 2
    assert sorted(map(repr, answers)) == ["None"] * FOLLOWERS + ["RuntimeError('broken')"]


# What a reader was shown is never gone back on


def test_a_scan_brings_a_copy_up_to_date(make_node):
    reader, writer = make_node("a"), make_node("b")
    reader.store.put("mem/k", 1)
    reader.store.flush()
    reader.runtime.sleep(0.01)
    writer.store.put("mem/k", 2)
    writer.store.flush()
    assert reader.store.get("mem/k") == 1
    assert [entry.value for entry in reader.store.scan("mem/")] == [2]
    assert reader.store.get("mem/k") == 2


@pytest.mark.parametrize("is_resident", [True, False])
@pytest.mark.parametrize("is_frozen", [True, False])
def test_a_scan_outdoes_an_own_write_that_has_lost(make_node, is_resident, is_frozen):
    reader, writer = make_node("a"), make_node("b")
    reader.store.put("mem/k", 1)
    if is_frozen:
        reader.store._core.replica.flusher.freeze()
    if not is_resident:
        with reader.state.lock:
            reader.state.edge.drop(reader.state.edge.resident["mem/k"])
    reader.runtime.sleep(0.01)
    writer.store.put("mem/k", 2)
    writer.store.flush()
    assert reader.store.get("mem/k") == 1
    assert [entry.value for entry in reader.store.scan("mem/")] == [2]
    assert reader.store.get("mem/k") == 2
    reader.store.flush()
    assert writer.store.get("mem/k", max_age=0) == 2


def test_what_is_written_after_a_refresh_is_ordered_after_what_it_showed(make_node, region):
    reader, writer = make_node("a"), make_node("b")
    reader.store.put("mem/k", 1)
    reader.store.flush()
    reader.runtime.sleep(0.01)
    writer.store.put("mem/k", 2)
    writer.store.flush()
    read = region.read

    def write_in_between(keys, replica, timeout_s):
        if replica == reader.state.replica:
            region.read = read
            writer.store.put("mem/k", 3)
            writer.store.flush()
        return read(keys, replica, timeout_s)

    region.read = write_in_between
    writer.runtime.jump(5)  # its clock is ahead, within max_drift
    reader.pull()
    reader.runtime.jump(-5)
    assert reader.store.get("mem/k") == 3
    reader.store.put("mem/k", 4)
    assert reader.store.get("mem/k") == 4
