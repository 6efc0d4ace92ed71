"""Servers that end, freeze or refuse; transactions that are in each other's way."""

from __future__ import annotations

import signal

import pytest

from tierstore.errors import (
    CorruptionError,
    DeadlineExceededError,
    OutcomeUnknownError,
    UnavailableError,
)
from tierstore.runtime import Runtime
from tierstore.testing.conformance.together import together

TIMEOUT_S = 5.0


@pytest.fixture
def own(postgres_server):
    """The server, if it is ours to harm; it runs again afterwards."""
    if postgres_server.kill is None:
        pytest.skip("the server is not ours to stop")
    return postgres_server


def test_the_next_call_after_a_restart_connects_again(own, sender):
    sender.write("k")
    own.kill()
    own.start()
    assert sender.payloads("k") == {"k": b"k"}
    assert sender.write("j").verdict == "applied"


def test_a_server_that_is_down_is_unavailable_and_then_is_back(own, sender):
    sender.write("k")
    own.kill()
    try:
        for call in (lambda: sender.payloads("k"), lambda: sender.write("j")):
            with pytest.raises(UnavailableError) as caught:
                call()
            assert (caught.value.outcome, caught.value.retry) == ("none", "later")
    finally:
        own.start()
    assert sender.write("j").verdict == "applied"


def test_a_connection_that_was_ended_while_idle_is_replaced(sender, raw):
    sender.write("k")
    raw.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE application_name = 'tierstore'"
    )
    assert sender.write("j").verdict == "applied"
    assert sender.payloads("j", "k") == {"j": b"j", "k": b"k"}


def test_a_commit_that_is_cut_off_is_unknown(open_region, new_sender, on_statement):
    cut = []

    def before(driver, statement):
        if statement == b"COMMIT" and cut:
            driver.pgconn.finish()

    on_statement(before)
    sender = new_sender(open_region(), 7)
    batch = sender.batch(sender.put("k", b"1"))
    cut.append(True)
    with pytest.raises(OutcomeUnknownError) as caught:
        sender.region.apply(batch, TIMEOUT_S)
    assert caught.value.outcome == "unknown"
    cut.clear()
    assert sender.sent(batch).verdict == "applied"


def test_a_loss_before_the_commit_means_that_nothing_happened(
    open_region, new_sender, on_statement
):
    cut = []

    def before(driver, statement):
        if b"INSERT INTO ts_directory" in statement and cut:
            driver.pgconn.finish()

    on_statement(before)
    sender = new_sender(open_region(), 7)
    batch = sender.batch(sender.put("k", b"1"))
    cut.append(True)
    with pytest.raises(UnavailableError):
        sender.region.apply(batch, TIMEOUT_S)
    cut.clear()
    assert not sender.sent(batch).repeated


def test_a_server_that_freezes_is_a_deadline(own, sender):
    sender.write("k")
    own.signal(signal.SIGSTOP)
    try:
        for call in (
            lambda: sender.region.read(["k"], 7, 0.2),
            lambda: sender.region.changes(0, 10, 7, 0.2),
        ):
            started_s = Runtime().monotonic()
            with pytest.raises(UnavailableError):
                call()
            assert Runtime().monotonic() - started_s < TIMEOUT_S
    finally:
        own.signal(signal.SIGCONT)
    assert sender.payloads("k") == {"k": b"k"}


def test_a_lock_of_others_is_a_deadline_and_the_connection_is_kept(sender, raw):
    sender.write("k")
    (pid,) = connection_pids(raw)
    raw.execute("BEGIN")
    raw.execute("SELECT 1 FROM ts_directory FOR UPDATE")
    batch = sender.batch(sender.put("k", b"2"))
    with pytest.raises(DeadlineExceededError):
        sender.region.apply(batch, 0.1)
    assert sender.payloads("k") == {"k": b"k"}
    raw.execute("ROLLBACK")
    assert not sender.sent(batch).repeated
    assert connection_pids(raw) == [pid]


def connection_pids(raw):
    found = raw.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'tierstore' AND state = 'idle'"
    )
    return [pid for (pid,) in found]


def test_who_finds_a_new_row_written_first_begins_again(open_region, new_sender, on_statement):
    rivals, own_sender = [], []

    def before(driver, statement):
        if b"INSERT INTO ts_directory" in statement and rivals:
            rivals.pop().write("k", "l")

    on_statement(before)
    own_sender, rival = new_sender(open_region(), 7), new_sender(open_region(), 8)
    newer = own_sender.put("k", b"newer", stamp=own_sender.stamp(1.0))
    older = own_sender.put("l", b"older", stamp=own_sender.stamp(-3600))
    rivals.append(rival)
    own_sender.send(older, newer)
    assert own_sender.payloads("k", "l") == {"k": b"newer", "l": b"l"}


def test_transactions_that_block_each_other_are_tried_again(sender, raw, open_region, new_sender):
    other = new_sender(open_region(), 8)
    sender.write("a", "z")
    for _ in range(3):
        raw.execute("BEGIN")
        raw.execute("SELECT 1 FROM ts_directory WHERE key = 'z' FOR UPDATE")
        done = []

        def rival(done=done):
            other.region.apply(other.batch(other.put("a", b"2"), other.put("z", b"2")), TIMEOUT_S)
            done.append(True)

        def locker():
            while not raw.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
                pass
            raw.execute("SET LOCAL deadlock_timeout = '10s'")  # the rival finds the deadlock
            raw.execute("SELECT 1 FROM ts_directory WHERE key = 'a' FOR UPDATE")
            raw.execute("ROLLBACK")

        together(rival, locker)
        assert done
        other.number, other.digest = other.number + 1, other.region.register(8, 5.0).state.digest


def test_tables_of_others_are_refused(open_region, raw, schema):
    raw.execute(f"CREATE SCHEMA {schema}")
    raw.execute(f"CREATE TABLE {schema}.ts_replica (n int)")
    with pytest.raises(UnavailableError, match="another application"):
        open_region().connect(TIMEOUT_S)


def test_tables_that_were_changed_are_damage(sender, raw):
    raw.execute("ALTER TABLE ts_replica DROP COLUMN answer")
    with pytest.raises(CorruptionError, match="restore a backup"):
        sender.write("k")


@pytest.mark.parametrize(
    ("change", "word"),
    [("/postgres?", "/nowhere?"), ("postgres:unused", "nobody:unused")],
)
def test_what_the_server_refuses_is_unavailable(open_region, url, change, word):
    with pytest.raises(UnavailableError) as caught:
        open_region(url.replace(change, word)).connect(TIMEOUT_S)
    assert "unused" not in str(caught.value)


def test_a_user_without_privileges_is_told_so(open_region, url, raw):
    raw.execute("DROP ROLE IF EXISTS reader")
    raw.execute("CREATE ROLE reader LOGIN")
    with pytest.raises(UnavailableError, match="lacks a privilege"):
        open_region(url.replace("postgres:unused", "reader:x")).connect(TIMEOUT_S)


def test_connections_are_bounded(open_region, url, raw, new_sender):
    region = open_region(f"{url}&pool=2")
    senders = [new_sender(region, replica) for replica in range(1, 9)]
    together(*[lambda s=s: [s.write(f"{s.replica}/{n}") for n in range(10)] for s in senders])
    assert len(connection_pids(raw)) == 2
    first = region._session.connections.take(1.0)
    second = region._session.connections.take(1.0)
    with pytest.raises(DeadlineExceededError, match="all 2 connections"):
        region.changes(0, 1, 1, 0.05)
    for connection in (first, second):
        region._session.connections.give(connection)
    assert region.read(["1/9"], 1, TIMEOUT_S).rows
