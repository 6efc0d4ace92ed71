"""What movers ask of a region on SQLite: what it costs, and damaged rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.region.apply import Limits
from tierstore.region.moves import Review
from tierstore.runtime import now_ms
from tierstore.testing.conformance.region.mover import Mover
from tierstore_sql import statements
from tierstore_sql.region import SqlRegion

TIMEOUT_S = 5.0


@pytest.fixture
def sql(tmp_path, runtime):
    """A region whose keys may go cold."""
    url = "sqlite:///data/region.db"
    terms = Limits(is_tiered=True)
    opened = SqlRegion(url, runtime=runtime, terms=terms, base_dir=str(tmp_path))
    yield opened
    opened.close()


<<<<<<< HEAD
class Hand:
    """A mover's hand: it does what it is told, one call after another."""

    def __init__(self, region, runtime, holder=1):
        self.region, self.runtime, self.holder = region, runtime, holder
        self.made = 0
        self.lease()

    def lease(self, note=None, ttl_ms=TTL_MS):
        lease = self.region.lease(self.holder, ttl_ms, note, TIMEOUT_S)
        if lease.is_held:
            self.epoch = lease.epoch
        return lease

    def row(self, key):
        return self.region.read([key], 0, TIMEOUT_S).rows[key]

    def begin(self):
        self.made += 1
        name = NAME.format(self.holder << 32 | self.made)
        self.region.begin_move(self.epoch, name, TIMEOUT_S)
        return name

    def demote(self, *keys, name=None, seen=None, due_ms=None):
        """Switch to a new object; (its name, the keys that moved)."""
        name = name or self.begin()
        switches = []
        for number, key in enumerate(keys):
            row = (seen or {}).get(key) or self.row(key)
            cold = encode_pointer(Pointer(name, "seg", 0, 10, number))
            record = row.record
            switches.append(Switch(key, record.stamp, record.replica, row.epoch, due_ms, cold))
        made = StoredObject(name, 100, len(keys), 0, now_ms(self.runtime), None)
        return name, self.region.switch(self.epoch, made, switches, TIMEOUT_S)

    def promote(self, key, payload, *, seen=None):
        row = seen or self.row(key)
        record = row.record
        item = Switch(key, record.stamp, record.replica, row.epoch, None, None, payload)
        return self.region.switch(self.epoch, None, [item], TIMEOUT_S)

    def settle(self, row, due_ms, wanted=None, error=None):
        review = Review(row.key, row.position, row.due_ms, due_ms, wanted, error)
        self.region.settle_reviews(self.epoch, [review], TIMEOUT_S)

    def due(self, limit=100):
        return {row.key: row for row in self.region.due(limit, TIMEOUT_S)}

    def objects(self):
        return {item.name: item for item in self.region.objects(100, TIMEOUT_S)}

    def garbage(self):
        return self.region.garbage(now_ms(self.runtime) + 1, 100, TIMEOUT_S)


@pytest.fixture
def hand(region, runtime):
    return Hand(region, runtime)


def other_hand(hand):
    return Hand(hand.region, hand.runtime, hand.holder + 1)


# Leases


def test_one_holder_at_a_time(hand, runtime):
    assert hand.lease().is_held
    other = hand.region.lease(2, TTL_MS, None, TIMEOUT_S)
    assert (other.is_held, other.epoch) == (False, hand.epoch)
    runtime.advance(TTL_MS / 1000)
    taken = hand.region.lease(2, TTL_MS, None, TIMEOUT_S)
    assert (taken.is_held, taken.epoch) == (True, hand.epoch + 1)
    assert not hand.lease().is_held


def test_renewing_keeps_the_epoch_and_taking_again_does_not(hand, runtime):
    epoch = hand.epoch
    runtime.advance(TTL_MS / 2000)
    assert hand.lease().epoch == epoch
    runtime.advance(TTL_MS / 1000)
    assert hand.lease().epoch == epoch + 1


def test_a_note_reaches_the_next_holder(hand, runtime):
    assert hand.lease("mine").note == "mine"
    assert hand.lease().note == "mine"
    runtime.advance(2 * TTL_MS / 1000)
    assert hand.region.lease(2, TTL_MS, "theirs", TIMEOUT_S).note == "mine"
    assert hand.region.lease(2, TTL_MS, "theirs", TIMEOUT_S).note == "theirs"
    assert hand.region.lease(1, TTL_MS, "mine", TIMEOUT_S).note == "theirs"


def test_a_lease_given_up_is_free(hand):
    hand.lease(ttl_ms=0)
    assert hand.region.lease(2, TTL_MS, None, TIMEOUT_S).is_held


def test_a_lease_from_before_the_clock_was_set_back_keeps_nobody_out(hand, runtime):
    runtime.jump(365 * DAY_S)
    epoch = hand.lease().epoch
    sender_time(hand.region)
    runtime.jump(-365 * DAY_S)
    taken = hand.region.lease(2, TTL_MS, None, TIMEOUT_S)
    assert (taken.is_held, taken.epoch) == (True, epoch + 1)
    assert not hand.lease().is_held
    runtime.advance(TTL_MS / 1000)
    assert hand.lease().is_held


def test_a_clock_that_is_set_back_a_little_ends_no_lease(hand, runtime):
    runtime.jump(-60)
    assert not hand.region.lease(2, TTL_MS, None, TIMEOUT_S).is_held
    assert hand.lease().epoch == hand.epoch


def test_a_long_lease_is_no_claim_from_another_time(hand, runtime):
    hand.lease(ttl_ms=DAY_S * 1000)
    assert not hand.region.lease(2, DAY_S * 1000, None, TIMEOUT_S).is_held


def sender_time(region):
    region.maintain(10, TIMEOUT_S)  # the region keeps the highest time that it saw


def test_whoever_lost_the_lease_changes_nothing(hand, sender, runtime):
    sender.send(sender.put("k", b"1"))
    row, name = hand.row("k"), hand.begin()
    due = hand.due()["k"]
    runtime.advance(TTL_MS / 1000)
    other = other_hand(hand)
    calls = [
        lambda: hand.begin(),
        lambda: hand.demote("k", name=name),
        lambda: hand.promote("k", b"1"),
        lambda: hand.settle(due, None, "cold", "because"),
        lambda: hand.region.review_all(hand.epoch, 0, 10, TIMEOUT_S),
        lambda: hand.region.abandon(hand.epoch, [name], TIMEOUT_S),
        lambda: hand.region.forget_objects(hand.epoch, [name], TIMEOUT_S),
        lambda: hand.region.put_marker(hand.epoch, name, TIMEOUT_S),
    ]
    for call in calls:
        with pytest.raises(FencedError):
            call()
    assert hand.row("k") == row
    assert hand.due()["k"] == due
    assert hand.region.stay("k", TIMEOUT_S) is None
    assert hand.region.stale_intents(other.epoch, 10, TIMEOUT_S) == [name]


# What is due


def test_what_is_written_is_due_longest_first(hand, sender, runtime):
    for number in range(5):
        sender.send(sender.put(f"k{4 - number}", b"1"))
        runtime.advance(1)
    assert list(hand.due()) == ["k4", "k3", "k2", "k1", "k0"]
    assert list(hand.due(limit=2)) == ["k4", "k3"]
    assert all(row.record.payload == b"" for row in hand.due().values())


def test_a_review_settles_until_its_time(hand, sender, runtime):
    sender.send(sender.put("k", b"1"))
    hand.settle(hand.due()["k"], now_ms(runtime) + 5000)
    assert not hand.due()
    runtime.advance(5)
    hand.settle(hand.due()["k"], None)
    runtime.advance(DAY_S)
    assert not hand.due()


@pytest.mark.parametrize("change", ["put", "delete", "touch"])
def test_a_review_of_a_row_that_changed_settles_nothing(hand, sender, runtime, change):
    first = sender.put("k", b"1")
    sender.send(first)
    seen = hand.due()["k"]
    runtime.advance(1)
    later = {
        "put": lambda: sender.put("k", b"2"),
        "delete": lambda: sender.put("k", None),
        "touch": lambda: sender.touch(first, now_ms(runtime) + 999_999),
    }
    sender.send(later[change]())
    hand.settle(seen, None, "cold", "too late")
    assert "k" in hand.due()
    assert hand.region.stay("k", TIMEOUT_S) is None


def test_a_review_of_a_cold_row_that_was_used_meanwhile_settles_nothing(hand, sender, runtime):
    sender.send(sender.put("k", b"1"))
    hand.demote("k")
    heat(sender, "k")
    seen = hand.due()["k"]
    runtime.advance(1)
    heat(sender, "k")
    hand.settle(seen, None)
    assert "k" in hand.due()


def heat(sender, *keys, reads=1):
    news = [Heat(key, reads, 0, 3600) for key in keys]
    return sender.sent(freeze(sender.replica, sender.number + 1, sender.digest, [], news))


=======
>>>>>>> conform
def test_heat_reads_no_content_and_keeps_what_is_known_of_it(sql, runtime, new_sender, tamper):
    """Under one key damage, which nothing but reading it may find."""
    sender, hand = new_sender(sql, 7, runtime), Mover(sql, runtime)
    metadata = {"m": "1"}
    sender.send(*[sender.put(k, b"x" * 9000, metadata=metadata) for k in ("here", "torn", "gone")])
    sender.send(sender.put("cold", b"y"), sender.put("gone", None))
    hand.demote("cold")
    tamper("UPDATE ts_directory SET payload = x'02' WHERE key = CAST('torn' AS BLOB)")
    before = {key: hand.row(key) for key in ("here", "gone", "cold")}
    runtime.advance(7)
    sender.use("here", "torn", "gone", "cold", "never there", reads=3)
    for key, row in before.items():
        warm = {"heat": 3.0, "accessed_ms": runtime.time_ns() // 10**6}
        assert hand.row(key) == replace(row, **warm)
    assert hand.due()["cold"].due_ms == warm["accessed_ms"]
    assert hand.due()["torn"].heat == 3.0
    assert set(sql.read(["torn", "never there"], 0, TIMEOUT_S).corrupt) == {"torn"}


<<<<<<< HEAD
def test_heat_beside_writes_of_the_same_keys(hand, sender):
    sender.send(sender.put("won", b"1"), sender.put("lost", b"1"), sender.put("not", b"1"))
    old = sender.put("lost", b"0", stamp=sender.stamp(-60))
    warm = [Heat(key, 2, 0, 3600) for key in ("won", "lost", "not")]
    deltas = [sender.put("won", b"2"), old]
    sender.sent(freeze(sender.replica, sender.number + 1, sender.digest, deltas, warm))
    shown = {key: (hand.row(key).record.payload, hand.row(key).heat) for key in ("won", "lost")}
    assert shown == {"won": (b"2", 2.0), "lost": (b"1", 2.0)}
    assert (hand.row("not").record.payload, hand.row("not").heat) == (b"1", 2.0)


def test_heat_makes_cold_rows_due_and_leaves_the_others(hand, sender):
    sender.send(sender.put("cold", b"1"), sender.put("warm", b"1"))
    hand.settle(hand.due()["warm"], None)
    hand.demote("cold")
    assert not hand.due()
    position = heat(sender, "cold", "warm", "absent", reads=3).position
    assert set(hand.due()) == {"cold"}
    assert [hand.row(key).heat for key in ("cold", "warm")] == [3.0, 3.0]
    assert position == 2


def test_heat_does_not_send_a_cold_row_to_the_end_of_the_queue(hand, sender, runtime):
    sender.send(sender.put("first", b"1"), sender.put("second", b"1"))
    hand.demote("first", "second")
    for key in ("first", "second", "first"):
        heat(sender, key)
        runtime.advance(1)
    assert list(hand.due()) == ["first", "second"]


def test_every_row_is_reviewed_a_part_at_a_time(hand, sender):
    keys = [f"k{number}" for number in range(25)]
    sender.send(*[sender.put(key, b"1") for key in keys])
    for row in hand.due().values():
        hand.settle(row, None)
    assert not hand.due()
    after, parts = 0, []
    while after is not None:
        after = hand.region.review_all(hand.epoch, after, 10, TIMEOUT_S)
        parts.append(len(hand.due()))
    assert parts == [10, 20, 25]


def test_a_review_of_all_misses_no_row_while_rows_come_and_go(hand, sender, runtime):
    """Where it goes on does not move when rows before it are collected, or new keys sort first."""
    gone, kept = [f"a{n}" for n in range(5)], [f"b{n:02}" for n in range(20)]
    sender.send(*[sender.put(key, b"1") for key in [*gone, *kept]])
    sender.send(*[sender.put(key, None) for key in gone])
    for row in hand.due().values():
        hand.settle(row, None)
    after = hand.region.review_all(hand.epoch, 0, 10, TIMEOUT_S)
    assert set(hand.due()) == {*gone, *kept[:5]}
    runtime.advance(30 * DAY_S)
    hand.region.acknowledge(sender.replica, sender.read("0").position, TIMEOUT_S)
    assert hand.region.maintain(100, TIMEOUT_S).collected == len(gone)
    hand.lease()
    sender.send(*[sender.put(key, b"2") for key in ("0", gone[0], kept[0])])
    parts = []
    while after is not None:
        after = hand.region.review_all(hand.epoch, after, 10, TIMEOUT_S)
        parts.append(len(hand.due()))
    assert parts == [17, 22]
    assert set(hand.due()) == {"0", gone[0], *kept}


def test_a_stay_is_told_until_the_key_moves(hand, sender, runtime):
    sender.send(sender.put("k", b"1"))
    for tries in (1, 2):
        next_ms = now_ms(runtime)
        hand.settle(hand.due()["k"], next_ms, "cold", "the tier is away")
        stay = hand.region.stay("k", TIMEOUT_S)
        assert (stay.wanted, stay.error, stay.tries) == ("cold", "the tier is away", tries)
        assert (stay.at_ms, stay.next_ms) == (now_ms(runtime), next_ms)
    hand.demote("k")
    assert hand.region.stay("k", TIMEOUT_S) is None


def test_a_stay_ends_when_the_key_may_stay(hand, sender):
    sender.send(sender.put("k", b"1"))
    hand.settle(hand.due()["k"], 1, "cold", "the tier is away")
    hand.settle(hand.due()["k"], None)
    assert hand.region.stay("k", TIMEOUT_S) is None


# Moves


def test_a_move_there_and_back_changes_nothing_that_users_see(hand, sender, runtime):
    sender.send(sender.put("k", b"payload", metadata={"m": "x"}, expires_at_ms=1 << 45))
    before = hand.row("k")
    runtime.advance(1)
    name, moved = hand.demote("k")
    cold = hand.row("k")
    assert (moved, cold.record.payload, cold.epoch) == (["k"], b"", before.epoch + 1)
    assert hand.objects()[name].live == 1
    assert (cold.entered_ms, cold.position) == (now_ms(runtime), before.position)
    assert not hand.due()
    runtime.advance(1)
    assert hand.promote("k", b"payload") == ["k"]
    after = replace(hand.row("k"), due_ms=None)
    moved = {"epoch": before.epoch + 2, "entered_ms": now_ms(runtime), "due_ms": None}
    assert after == replace(before, **moved)
    assert hand.garbage() == [name]
    assert sender.changes(before.position).changes == []


@pytest.mark.parametrize("change", ["put", "delete"])
def test_a_row_that_was_written_is_not_switched(hand, sender, change):
    sender.send(sender.put("k", b"1"), sender.put("other", b"1"))
    seen = {"k": hand.row("k")}
    sender.send(sender.put("k", b"2" if change == "put" else None))
    row = hand.row("k")
    name, moved = hand.demote("k", "other", seen=seen)
    assert moved == ["other"]
    assert hand.row("k") == row
    assert (hand.objects()[name].records, hand.objects()[name].live) == (2, 1)


def test_a_row_that_was_moved_meanwhile_is_not_switched(hand, sender):
    sender.send(sender.put("k", b"1"))
    seen = hand.row("k")
    hand.demote("k")
    cold = hand.row("k")
    name, moved = hand.demote("k", seen={"k": seen})
    assert (moved, hand.row("k")) == ([], cold)
    assert name in hand.garbage()
    hand.promote("k", b"1")
    assert hand.promote("k", b"1", seen=cold) == []


def test_a_touch_is_no_obstacle_and_is_kept(hand, sender):
    first = sender.put("k", b"1")
    sender.send(first)
    seen = hand.row("k")
    sender.send(sender.touch(first, 1 << 45))
    _, moved = hand.demote("k", seen={"k": seen})
    assert (moved, hand.row("k").record.expires_at_ms) == (["k"], 1 << 45)


def test_an_intent_ends_once(hand, sender):
    sender.send(sender.put("k", b"1"), sender.put("l", b"1"))
    name, _ = hand.demote("k")
    with pytest.raises(FencedError):
        hand.demote("l", name=name)
    assert hand.row("l").cold is None
    abandoned = hand.begin()
    hand.region.abandon(hand.epoch, [abandoned, name], TIMEOUT_S)
    with pytest.raises(FencedError):
        hand.demote("l", name=abandoned)
    assert hand.garbage() == [abandoned]
    assert hand.objects()[name].live == 1


def test_a_mark_is_known_for_good_and_never_stale(hand, runtime):
    mark, other = NAME.format(1), NAME.format(2)
    assert hand.region.marker(TIMEOUT_S) is None
    hand.region.put_marker(hand.epoch, mark, TIMEOUT_S)
    assert hand.region.marker(TIMEOUT_S) == mark
    runtime.advance(365 * DAY_S)
    later = other_hand(hand)
    assert later.region.marker(TIMEOUT_S) == mark
    assert later.region.stale_intents(later.epoch, 10, TIMEOUT_S) == []
    assert later.region.known_objects([mark, other], TIMEOUT_S) == {mark}
    assert later.objects() == {}


def test_intents_of_earlier_holders_are_stale(hand, runtime):
    mine = [hand.begin(), hand.begin()]
    assert hand.region.stale_intents(hand.epoch, 10, TIMEOUT_S) == []
    runtime.advance(TTL_MS / 1000)
    other = other_hand(hand)
    theirs = other.begin()
    assert sorted(other.region.stale_intents(other.epoch, 10, TIMEOUT_S)) == sorted(mine)
    assert len(other.region.stale_intents(other.epoch, 1, TIMEOUT_S)) == 1
    known = other.region.known_objects([*mine, theirs, NAME.format(0)], TIMEOUT_S)
    assert known == {*mine, theirs}


# Objects


def test_pointers_are_released_by_every_way_to_lose_them(hand, sender, runtime):
    keys = ["overwritten", "deleted", "collected", "kept"]
    deltas = [sender.put(key, b"1") for key in keys]
    sender.send(*deltas)
    expires = sender.touch(deltas[2], now_ms(runtime) + 1000)
    name, moved = hand.demote(*keys)
    assert sorted(moved) == sorted(keys)
    sender.send(sender.put("overwritten", b"2"), sender.put("overwritten", b"3"))
    assert hand.objects()[name].live == 3
    sender.send(sender.put("deleted", None), sender.put("deleted", None))
    assert hand.objects()[name].live == 2
    sender.send(expires)
    assert hand.row("collected").cold is not None
    runtime.advance(30 * DAY_S)
    position = sender.read("kept").position
    hand.region.acknowledge(sender.replica, position, TIMEOUT_S)
    assert hand.region.maintain(100, TIMEOUT_S).collected == 2
    assert hand.objects()[name].live == 1
    assert not hand.garbage()
    hand.lease()
    hand.promote("kept", b"1")
    assert hand.garbage() == [name]


def test_what_is_held_releases_when_it_is_let_in(hand, sender, runtime):
    sender.send(sender.put("k", b"1"))
    name, _ = hand.demote("k")
    sender.send(sender.put("k", b"2", stamp=sender.stamp(offset_s=3600)))
    assert hand.objects()[name].live == 1
    runtime.advance(3601)
    hand.region.maintain(100, TIMEOUT_S)
    assert (hand.row("k").record.payload, hand.garbage()) == (b"2", [name])


def test_garbage_is_told_once_it_is_old_and_until_it_is_forgotten(hand, sender, runtime):
    sender.send(sender.put("k", b"1"), sender.put("l", b"1"))
    name, _ = hand.demote("k")
    live, _ = hand.demote("l")
    sender.send(sender.put("k", b"2"))
    dead_ms = now_ms(runtime)
    assert hand.region.garbage(dead_ms, 10, TIMEOUT_S) == []
    assert hand.region.garbage(dead_ms + 1, 10, TIMEOUT_S) == [name]
    hand.region.forget_objects(hand.epoch, [name, live, NAME.format(0)], TIMEOUT_S)
    assert set(hand.objects()) == {live}
    assert hand.region.known_objects([name, live], TIMEOUT_S) == {live}


def test_objects_come_with_the_least_live_first(hand, sender):
    keys = [f"k{number}" for number in range(6)]
    sender.send(*[sender.put(key, b"1") for key in keys])
    whole, _ = hand.demote("k0", "k1")
    half, _ = hand.demote("k2", "k3")
    none, _ = hand.demote("k4", "k5")
    sender.send(*[sender.put(key, b"2") for key in ("k2", "k4", "k5")])
    assert [item.name for item in hand.region.objects(9, TIMEOUT_S)] == [none, half, whole]
    assert len(hand.region.objects(1, TIMEOUT_S)) == 1


# What it costs on SQLite


=======
>>>>>>> conform
def test_queries_use_their_indexes(sql, runtime, new_sender, tamper):
    Mover(sql, runtime)
    plans = {
        name: str(tamper("EXPLAIN QUERY PLAN " + statement, *parameters))
        for name, statement, parameters in (
            ("due", statements.DUE_ROWS, (1,)),
            ("garbage", statements.GARBAGE_PAGE, (1, 1)),
            ("changes", statements.CHANGES, (1, 1)),
            ("set due", statements.SET_DUE, (1, b"k", 1, 1)),
            ("release", statements.RELEASE_OBJECT, (1, 1, 1, "n")),
            ("known", statements.KNOWN_OBJECT, ("n", "n")),
            ("stay", statements.STAY, (b"k",)),
            ("range", statements.SET_DUE_RANGE, (1, 1, 1, 1)),
        )
    }
    assert "ts_directory_due" in plans["due"]
    assert "ts_object_dead" in plans["garbage"]
    assert "ts_directory_position" in plans["changes"]
    assert "INTEGER PRIMARY KEY" in plans["range"]
    for name, plan in plans.items():
        assert "SCAN ts" not in plan, name
        assert "TEMP B-TREE FOR ORDER" not in plan or name == "garbage", name


def count_steps(region, call):
    """Hundreds of steps of SQLite's virtual machine that `call` takes."""
    steps = 0

    def count():
        nonlocal steps
        steps += 1
        return 0

    (connection,) = region._session.connections.idle
    connection.set_progress_handler(count, 100)
    try:
        call()
    finally:
        connection.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("rows", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_pass_costs_by_what_is_due_not_by_what_exists(sql, runtime, new_sender, tamper, rows):
    sender, hand = new_sender(sql, 7, runtime), Mover(sql, runtime)
    for start in range(0, rows, 10_000):
        keys = range(start, min(start + 10_000, rows))
        sender.send(*[sender.put(f"k{number:06}", b"1") for number in keys])
    later = now_ms(runtime) + 1000
    tamper("UPDATE ts_directory SET due_ms = ? WHERE id % ? != 0", later, rows // 1000)
    candidates = hand.due(limit=1000)
    assert len(candidates) == 1000
    steps = count_steps(sql, lambda: hand.due(limit=1000))
    assert 1 <= steps < 1000 * 40 // 100
    reviews = [
        Review(row.key, row.position, row.due_ms, later, None) for row in candidates.values()
    ]
    settle = lambda: sql.settle_reviews(hand.epoch, reviews, TIMEOUT_S)  # noqa: E731
    assert count_steps(sql, settle) < 1000 * 100 // 100
    assert hand.due() == {}
    print(f"{rows} rows: {steps} hundred steps")


def test_damaged_rows_that_are_due_first_hide_no_other(sql, runtime, new_sender, tamper):
    sender, hand = new_sender(sql, 7, runtime), Mover(sql, runtime)
    sender.send(*[sender.put(f"a{number}", b"1") for number in range(10)])
    runtime.advance(1)
    sender.send(sender.put("sound", b"1"))
    tamper("UPDATE ts_directory SET header = X'00' WHERE key < CAST('b' AS BLOB)")
    assert list(hand.due(limit=3)) == ["sound"]


def test_a_review_of_all_passes_over_ids_that_are_free(sql, runtime, new_sender, tamper):
    sender, hand = new_sender(sql, 7, runtime), Mover(sql, runtime)
    sender.send(sender.put("k", b"1"))
    tamper("UPDATE ts_directory SET id = 3000000, due_ms = NULL")
    assert sql.review_all(hand.epoch, 0, 10, TIMEOUT_S) is None
    assert list(hand.due()) == ["k"]
