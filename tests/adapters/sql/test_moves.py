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
