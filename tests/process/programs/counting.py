"""Notes what each batch did in the region's own database, in the transaction of the batch.

Joins hide a batch that is applied a second time, and a log beside the database would also show
what was rolled back.
"""

from __future__ import annotations

import sqlite3

from tierstore_sql.directory import Ledger
from tierstore_sql.region import SqlRegion


def count(patch=setattr):
    """Let this process note what it applies, by `patch(class, name, function)`."""
    apply, put_rows = SqlRegion._apply, Ledger.put_rows

    def counted_apply(self, ledger, state, batch):
        apply(self, ledger, state, batch)
        _note(ledger, "test_batches (replica, number)", [(batch.replica, batch.number)])

    def counted_put_rows(self, rows, kept=None):
        put_rows(self, rows, kept)
        versions = [(r.key, r.record.stamp, r.record.replica, r.record.touch) for r in rows]
        _note(self, "test_versions (key, stamp, replica, touch)", versions)

    patch(SqlRegion, "_apply", counted_apply)
    patch(Ledger, "put_rows", counted_put_rows)


def read(path):
    """([(replica, number) of each application], [(key, stamp, replica, touch) of each row])."""
    connection = sqlite3.connect(path)
    try:
        tables = ("test_batches", "test_versions")
        return tuple(connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables)
    finally:
        connection.close()


def check(path):
    """The versions that the region at `path` stored, once it is sure that nothing was repeated."""
    batches, versions = read(path)
    assert len(batches) == len(set(batches)), "a batch was applied twice"
    assert len(versions) == len(set(versions)), "a version was stored twice"
    connection = sqlite3.connect(path)
    try:
        states = connection.execute("SELECT replica, applied FROM ts_replica").fetchall()
        ((position,),) = connection.execute("SELECT position FROM ts_region").fetchall()
    finally:
        connection.close()
    assert {(replica, n + 1) for replica, applied in states for n in range(applied)} <= {*batches}
    assert position == len(versions)
    return versions


def _note(ledger, table, rows):
    name = table.partition(" ")[0]
    if rows:
        ledger.connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        marks = ", ".join("?" * len(rows[0]))
        ledger.connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
