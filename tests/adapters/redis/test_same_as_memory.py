"""The same calls on a dict and on a server give the same answers: property by random sequences."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tierstore.record import Record
from tierstore.region.batch import PUT, TOUCH, Delta
from tierstore.region.shared import Settled, Standing, tag_of
from tierstore.runtime import Runtime
from tierstore.testing.memory_shared import MemoryShared

T = 10.0
TTL_MS = 3_600_000
RUN_OTHER = "another life"
KEYS = [key for tag in (3, 7) for key in [k for k in map(str, range(200)) if tag_of(k) == tag][:2]]
TAGS = sorted({tag_of(key) for key in KEYS})
BIG = (1 << 63) - 4  # stamps that doubles cannot tell apart
BYTES_MAX = 400


class Pair:
    """Both edges; `both` calls them alike."""

    def __init__(self, edge, raw, prefix):
        self.memory, self.edge, self.raw, self.prefix = (
            MemoryShared(Runtime()), edge, raw, prefix
        )  # fmt: skip
        self.run = self.memory.run = edge.connect(T).run
        self.replicas = 100
        self.lives = 0

    def both(self, name, *arguments):
        expected = getattr(self.memory, name)(*arguments, T)
        found = getattr(self.edge, name)(*arguments, T)
        if name == "lease":
            return
        if name == "standing":
            assert abs(found.now_ms - expected.now_ms) < 60_000
            found.now_ms = expected.now_ms
        assert found == expected, (name, arguments)

    def end_life(self):
        """Let the identities be of an earlier life of the server than this."""
        self.lives += 1
        for tag in TAGS:
            lives = self.memory.lives[tag]
            if lives and lives[-1].run == self.run:
                lives[-1].run = f"life {self.lives}"
                name = f"{self.prefix}:{{{tag}}}:i"
                self.raw.hset(name, f"run:{lives[-1].replica}", f"life {self.lives}")

    def check(self):
        self.both("read", KEYS)
        self.both("standing")
        for tag in TAGS:
            self.both("identities", tag)
            for life in self.memory.lives[tag]:
                self.both("queue", tag, life.replica, 50)


stamps = st.sampled_from([1, 2, 3, BIG, BIG + 1])
replicas = st.sampled_from([1, 2])
small = st.integers(0, 3)
payloads = st.one_of(st.none(), st.sampled_from([b"x", b"\0" * 9, b"long" * 20]))
expiries = st.sampled_from([None, 1, BIG])
records = st.builds(
    Record, stamps, replicas, payloads, expiries, small,
    st.sampled_from([None, {"a": "b", "A": "é"}]), st.sampled_from([1, 2]), small,
)  # fmt: skip
targets = st.builds(Record, stamps, replicas, st.none(), expiries, st.one_of(small, stamps))
keys = st.sampled_from(KEYS)
some_keys = st.lists(keys, max_size=4)
tags = st.sampled_from(TAGS)
some_records = st.dictionaries(keys, records, max_size=3)
moments = st.integers(0, 5)
tokens = st.sampled_from([1, 2, (1 << 63) + 1])
versions = st.tuples(stamps, replicas, small)


@st.composite
def written(draw):
    """Deltas of one tag and of different keys."""
    tag = draw(tags)
    some = draw(st.lists(keys.filter(lambda key: tag_of(key) == tag), min_size=1, max_size=3,
                         unique=True))  # fmt: skip
    return [
        Delta(key, TOUCH, draw(targets)) if draw(st.booleans()) else Delta(key, PUT, draw(records))
        for key in some
    ]


settled_items = st.lists(
    st.builds(Settled, keys, st.integers(1, 6), st.booleans()), max_size=3,
    unique_by=lambda item: item.key,
)  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("lease"), some_keys, tokens),
    st.tuples(st.just("fill"), some_records, tokens, moments, st.just(TTL_MS)),
    st.tuples(st.just("show"), some_records, moments, st.just(TTL_MS)),
    st.tuples(st.just("fetch"), keys, st.lists(tokens, min_size=1, max_size=2), tokens, records),
    st.tuples(st.just("look again"), keys, small, expiries, moments, st.booleans()),
    st.tuples(st.just("withdraw"), some_keys),
    st.tuples(st.just("notice"), st.dictionaries(keys, versions, max_size=3)),
    st.tuples(st.just("write"), written(), st.just(BYTES_MAX)),
    st.tuples(st.just("write"), written(), st.just(BYTES_MAX)),
    st.tuples(st.just("write again"), st.just(BYTES_MAX)),
    st.tuples(st.just("move"), keys, small, expiries),
    st.tuples(st.just("write elsewhere"), written()),
    st.tuples(st.just("bind"), tags),
    st.tuples(st.just("settle"), tags, small, st.integers(0, 6), settled_items, moments),
    st.tuples(st.just("introduce"), tags, small),
    st.tuples(st.just("dismiss"), tags, small),
    st.tuples(st.just("settle batch"), tags, small, st.integers(0, 4), st.booleans(), moments),
    st.tuples(st.just("end life"), st.booleans()),
    st.tuples(st.just("clear_clean")),
    st.tuples(st.just("lead"), st.sampled_from(["a", "b"]), small, st.sampled_from([0, TTL_MS])),
    st.tuples(
        st.just("advance"),
        st.builds(Standing, st.just(0), st.sampled_from(["", "r"]), small, stamps, moments),
        st.one_of(st.just(0), stamps),
    ),
)


def run_step(pair, step, last):
    """Do one step on both."""
    name, *arguments = step
    memory = pair.memory
    if name == "write":
        last[:] = [arguments[0]]
        pair.both("write", arguments[0], pair.run, arguments[1])
    elif name == "write again":
        if last:
            pair.both("write", last[0], pair.run, arguments[0])
    elif name == "move":
        key, more, expires_at_ms = arguments
        copy = memory.copies.get(key)
        if copy is not None:
            shown = copy.record
            touch = min(shown.touch + more, BIG + 3)
            target = Record(shown.stamp, shown.replica, None, expires_at_ms, touch)
            pair.both("write", [Delta(key, TOUCH, target)], pair.run, BYTES_MAX)
    elif name == "fetch":
        fetch(pair, *arguments)
    elif name == "look again":
        look_again(pair, *arguments)
    elif name == "write elsewhere":
        pair.both("write", arguments[0], RUN_OTHER, BYTES_MAX)
    elif name == "bind":
        pair.replicas += 1
        pair.both("bind", arguments[0], pair.run, pair.replicas)
    elif name == "end life":
        pair.end_life()
        for tag in TAGS if arguments[0] else ():
            run_step(pair, ("bind", tag), last)
    elif name in ("settle", "settle batch", "introduce", "dismiss"):
        run_on_identity(pair, name, arguments)
    else:
        pair.both(name, *arguments)


def fetch(pair, key, leased, token, record):
    """Fill one key, which others may have leased meanwhile."""
    for one in leased:
        pair.both("lease", [key], one)
    pair.both("fill", {key: record}, token, 2, TTL_MS)


def look_again(pair, key, touch, expires_at_ms, fetched_ms, is_fill):
    """Meet the version of the copy in the region, perhaps touched."""
    copy = pair.memory.copies.get(key)
    if copy is None:
        return
    shown = copy.record
    row = Record(
        shown.stamp, shown.replica, shown.payload, expires_at_ms, touch, shown.metadata,
        shown.type, shown.generation,
    )  # fmt: skip
    if is_fill:
        pair.both("fill", {key: row}, 3, fetched_ms, TTL_MS)
    else:
        pair.both("show", {key: row}, fetched_ms, TTL_MS)


def run_on_identity(pair, name, arguments):
    """A call about one of the identities that there are, or about one that there is not."""
    tag, choice, *rest = arguments
    lives = pair.memory.lives[tag]
    replica = lives[choice % len(lives)].replica if lives and choice < 3 else 9_999
    if name == "settle":
        number, items, fetched_ms = rest
        items = [item for item in items if tag_of(item.key) == tag]
        pair.both("settle", tag, replica, number, items, fetched_ms, TTL_MS)
    elif name == "settle batch":
        count, keep, fetched_ms = rest
        batch = pair.memory.queue(tag, replica, count, T)
        latest = {entry.delta.key: entry.number for entry in batch}
        items = [Settled(key, number, keep) for key, number in latest.items()]
        upto = batch[-1].number if batch else 0
        pair.both("settle", tag, replica, upto, items, fetched_ms, TTL_MS)
    else:
        pair.both(name, tag, replica)


@pytest.fixture
def new_pair(open_edge, edge_server, raw, prefix):
    made = []

    def make():
        made.append(None)
        own = f"{prefix}.{len(made)}"
        return Pair(open_edge(edge_server.url, own), raw, own)

    return make


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(sequence=st.lists(steps, max_size=25), is_bound=st.booleans())
def test_the_same_calls_have_the_same_answers(new_pair, sequence, is_bound):
    pair, last = new_pair(), []
    try:
        for tag in TAGS if is_bound else ():
            run_step(pair, ("bind", tag), last)
        for step in sequence:
            run_step(pair, step, last)
            pair.both("read", KEYS)
        pair.check()
    finally:
        pair.edge.close()
