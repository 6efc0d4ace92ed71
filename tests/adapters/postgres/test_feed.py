"""Nothing appears behind a cursor, though transactions commit in another order than they began."""

from __future__ import annotations

import pytest


class NaiveFeed:
    """What one would write first: rows numbered by a sequence."""

    def __init__(self, raw, connect):
        raw.execute("CREATE SCHEMA IF NOT EXISTS naive")
        raw.execute("DROP TABLE IF EXISTS naive.feed")
        raw.execute("CREATE TABLE naive.feed (position bigserial, key text)")
        self.raw, self.connect = raw, connect

    def begin(self, key):
        connection = self.connect()
        connection.execute("BEGIN")
        connection.execute("INSERT INTO naive.feed (key) VALUES (%s)", (key,))

        def commit():
            connection.execute("COMMIT")
            connection.close()

        return commit

    def pull(self, cursor):
        found = self.raw.execute(
            "SELECT key, position FROM naive.feed WHERE position > %s ORDER BY position", (cursor,)
        ).fetchall()
        return {key for key, _ in found}, max([cursor, *(position for _, position in found)])


class OurFeed:
    """The adapter's, one batch of another replica for each transaction."""

    def __init__(self, open_region, new_sender):
        self.open_region, self.new_sender = open_region, new_sender
        self.reader = open_region()
        self.replicas = iter(range(1, 100))

    def begin(self, key):
        sender = self.new_sender(self.open_region(), next(self.replicas))
        session = sender.region._session
        batch = sender.batch(sender.put(key, b"1"))
        connection = session.connections.take(5.0)
        session.dialect.begin_write(connection, 5.0)
        ledger = sender.region._ledger(connection)
        sender.region._apply(ledger, ledger.replica(sender.replica), batch)

        def commit():
            connection.execute("COMMIT")
            session.connections.give(connection)

        return commit

    def pull(self, cursor):
        page = self.reader.changes(cursor, 1_000, 0, 5.0)
        assert not page.gap
        return {change.key for change in page.changes}, page.cursor


def follow(feed):
    """What a reader hears who pulls between the commits of two that began in the other order."""
    commit_first = feed.begin("first")
    commit_second = feed.begin("second")
    commit_second()
    heard, cursor = feed.pull(0)
    commit_first()
    return heard | feed.pull(cursor)[0]


def test_a_naive_sequence_skips_what_commits_late(raw, postgres_server):
    feed = NaiveFeed(raw, lambda: postgres_server.connect_url(postgres_server.url))
    assert follow(feed) == {"second"}


def test_the_region_skips_nothing(open_region, new_sender):
    assert follow(OurFeed(open_region, new_sender)) == {"first", "second"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2), (2, 0, 1)])
def test_every_order_of_commits_is_heard_whole(open_region, new_sender, order):
    feed = OurFeed(open_region, new_sender)
    commits = [feed.begin(f"key/{number}") for number in range(3)]
    heard, cursor = set(), 0
    for number in order:
        commits[number]()
        more, cursor = feed.pull(cursor)
        heard |= more
        assert f"key/{number}" in heard
    assert heard == {"key/0", "key/1", "key/2"}


def test_a_transaction_of_others_holds_the_cursor_back_not_the_changes(sender, raw):
    sender.write("before")
    raw.execute("BEGIN")
    raw.execute("SELECT pg_current_xact_id()")
    sender.write("meanwhile")
    assert set(sender.payloads("before", "meanwhile")) == {"before", "meanwhile"}
    page = sender.changes(0)
    assert [change.key for change in page.changes] == ["before", "meanwhile"]
    assert page.is_complete
    before, meanwhile = (change.position for change in page.changes)
    assert before <= page.cursor == page.position < meanwhile
    raw.execute("ROLLBACK")
    after = sender.changes(page.cursor)
    assert [change.key for change in after.changes] == ["meanwhile"]
    assert after.cursor == meanwhile


def test_changes_out_of_their_turn_that_are_too_many_make_no_page_complete(sender, raw):
    sender.write("before")
    raw.execute("BEGIN")
    raw.execute("SELECT pg_current_xact_id()")
    sender.write("a", "b")
    page = sender.changes(0, 2)
    assert (page.is_complete, page.cursor) == (False, page.position)
    assert sender.changes(page.cursor, 3).is_complete
    raw.execute("ROLLBACK")


def test_a_cursor_survives_that_its_row_is_written_again_out_of_sight(sender, raw):
    sender.write("a")
    cursor = sender.write("k").position
    raw.execute("BEGIN")
    raw.execute("SELECT pg_current_xact_id()")
    sender.write("k")
    page = sender.changes(cursor)
    assert (page.gap, [change.key for change in page.changes]) == (False, ["k"])
    assert cursor <= page.cursor < page.changes[0].position
    raw.execute("ROLLBACK")
    assert [change.key for change in sender.changes(page.cursor).changes] == ["k"]


def test_positions_never_go_back(open_region, new_sender, raw):
    feed = OurFeed(open_region, new_sender)
    seen = [0]
    for number in range(10):
        commit = feed.begin(f"key/{number % 3}")
        seen.append(feed.reader.changes(0, 1, 0, 5.0).position)
        commit()
        seen.append(feed.reader.changes(0, 1, 0, 5.0).position)
    assert seen == sorted(seen)
    assert seen[-1] == raw.execute("SELECT max(position) FROM ts_directory").fetchone()[0]


def test_a_region_copied_to_a_server_with_lower_ids_goes_on(open_region, new_sender, raw):
    sender = new_sender(open_region(), 7)
    sender.write("a", "b")
    raw.execute("UPDATE ts_directory SET position = position + (1::bigint << 50)")
    sender.region = open_region()  # as the first process that connects there
    cursor = sender.changes(0).cursor
    assert cursor > 1 << 50
    sender.write("c")
    assert [change.key for change in sender.changes(cursor).changes] == ["c"]


def test_more_rows_than_a_transaction_has_places_are_refused(region, sender):
    from tierstore.errors import InvalidArgumentError

    rows = [object()] * 65_536
    with pytest.raises(InvalidArgumentError):
        region._session.dialect.put_rows(None, rows, 65_537)
