"""Where tables lie, what a connection is set to, and that word of changes is heard."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tierstore.errors import UnavailableError
from tierstore.testing.conformance.region.mover import Mover
from tierstore.testing.conformance.together import together
from tierstore_sql import postgres_statements as pg
from tierstore_sql import statements

TIMEOUT_S = 5.0


def test_regions_of_other_prefixes_and_schemas_are_apart(open_region, url, new_sender):
    senders = [
        new_sender(open_region(f"{url}{more}"), 7) for more in ("", "&prefix=a_", "&prefix=b_")
    ]
    for sender in senders:
        sender.write(f"k{senders.index(sender)}")
    assert [[row.key for row in sender.scan().rows] for sender in senders] == [
        ["k0"],
        ["k1"],
        ["k2"],
    ]
    assert len({sender.region.connect(TIMEOUT_S).region for sender in senders}) == 3


def test_no_row_is_read_through(sender, raw, runtime_of):
    """Every statement on the directory finds its rows by an index, large tables or not."""
    mover = Mover(sender.region, runtime_of)
    sender.write(*[f"key/{number}" for number in range(500)])
    mover.demote("key/1")
    raw.execute("ANALYZE")
    raw.execute("SET enable_seqscan = off")
    for statement, parameters in (
        (statements.DUE_ROWS, (1,)),
        (statements.CHANGES, (1, 1)),
        (statements.SET_DUE, (1, b"k", 1, 1)),
        (statements.SET_DUE_RANGE, (1, 1, 1, 1)),
        (statements.READ_MANY + "key = any(?)", ([b"k"],)),
        (statements.SCAN_PAGE[True, True, True], (b"a", b"b", 1)),
        (pg.FINGERPRINT[True], (1, b"a", b"b", b"\0", 2)),
        (statements.PEER, ("far",)),
        ("SELECT max(position) FROM ts_directory", ()),
    ):
        asked = "EXPLAIN " + statement.replace("?", "%s")
        plan = "\n".join(line for (line,) in raw.execute(asked, parameters))
        assert "Seq Scan" not in plan, plan
        assert "Disabled" not in plan, plan


@pytest.fixture
def runtime_of(sender):
    return sender.clock


def test_an_acknowledged_write_is_never_in_memory_only(open_region, url, raw):
    raw.execute("ALTER DATABASE postgres SET synchronous_commit = off")
    try:
        connection = open_region()._session.dialect.open(TIMEOUT_S)
        assert connection.execute("SHOW synchronous_commit").fetchone() == (b"on",)
        assert connection.execute("SHOW idle_in_transaction_session_timeout").fetchone() == (
            b"10s",
        )
        connection.close()
    finally:
        raw.execute("ALTER DATABASE postgres RESET synchronous_commit")


def test_word_of_a_change_is_heard(open_region, new_sender):
    listening, sender = open_region(), new_sender(open_region(), 7)
    assert listening.wait_for_changes(0.01) is False
    heard = []
    together(lambda: heard.append(listening.wait_for_changes(TIMEOUT_S)), lambda: sender.write("k"))
    assert heard == [True]
    listening.close()
    with pytest.raises(UnavailableError):
        listening.wait_for_changes(0.01)


def test_a_page_of_large_values_ends_early(sender):
    large = b"x" * (3 << 20)
    for number in range(5):
        sender.send(sender.put(f"k{number}", large))
    for reverse, next_key in ((False, "k2"), (True, "k3")):
        page = sender.scan(reverse=reverse)
        assert (len(page.rows), page.next_key) == (2, next_key)


def test_naming_the_scheme_imports_no_driver():
    code = (
        "import sys, tierstore, tierstore.tiers.registry, tierstore_sql.region\n"
        "tierstore.open({'tiers': {'regional': {'url': 'postgresql://h/d'}}}).close()\n"
        "assert 'psycopg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_a_missing_driver_is_named_with_what_installs_it(scheme):
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from tierstore.tiers.registry import load_region\n"
        f"load_region({scheme!r})"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "UnavailableError" in ended.stderr
    assert "pip install 'tierstore[postgres]'" in ended.stderr
