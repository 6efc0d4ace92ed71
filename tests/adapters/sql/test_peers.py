"""How peers and fingerprints lie in the database, and what is made of damage to them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given

from tests.adapters.sql.test_corruption import columns_of, rows
from tierstore.errors import CorruptionError
from tierstore.region.fingerprints import VERSION_BYTES, hash_version, version_bytes
from tierstore.region.peers import Peer, PeerPage
from tierstore.region.rows import RegionInfo

TIMEOUT_S = 5.0
KNOWN = Peer("far", 3, 9, 5, "k", 8, False, 0)


@given(rows)
def test_a_header_begins_with_what_fingerprints_cover(row):
    """So a fingerprint is made without decoding anything."""
    assert columns_of(row)[0][:VERSION_BYTES] == version_bytes(row)


def test_strong_rows_do_not_count(sender, tamper):
    """Neither in a page nor towards its limit, nor as where the next one begins."""
    sender.write("a", "b", "c", "d")
    strong = "header = substr(header, 1, 1) || x'01' || substr(header, 3)"
    tamper(f"UPDATE ts_directory SET {strong} WHERE key IN (x'62', x'63')")
    found = sender.region.fingerprint("", None, 1, TIMEOUT_S)
    assert (found.count, found.next_key) == (1, "d")
    assert sender.region.fingerprint("a", None, 9, TIMEOUT_S).count == 2


def test_a_damaged_header_counts_as_what_it_says(sender, tamper):
    """It shows as a difference; what is there and how it is repaired is seen when it is read."""
    sender.write("a", "b")
    before = sender.region.fingerprint("", None, 9, TIMEOUT_S)
    header = tamper("SELECT header FROM ts_directory WHERE key = x'62'")[0][0]
    wrong = header[:20] + bytes([header[20] ^ 1]) + header[21:]
    tamper("UPDATE ts_directory SET header = ? WHERE key = x'62'", wrong)
    found = sender.region.fingerprint("", None, 9, TIMEOUT_S)
    sound = hash_version(b"a", version_bytes(sender.row("a")))
    assert (found.count, found.digest) == (2, sound ^ hash_version(b"b", wrong[:VERSION_BYTES]))
    assert found.digest != before.digest
    assert sender.region.versions(["a", "b"], TIMEOUT_S).rows.keys() == {"a"}


@pytest.mark.parametrize("value", [b"", b"\x01", "text", 0.5, 7])
@pytest.mark.parametrize("column", ["key", "header"])
def test_a_column_of_another_type_is_told_or_left_out(sender, tamper, column, value):
    """No error of Python comes out of a damaged row."""
    sender.write("a", "b")
    tamper(f"UPDATE ts_directory SET {column} = ? WHERE key = x'62'", value)
    with suppress(CorruptionError):
        assert sender.region.fingerprint("", None, 9, TIMEOUT_S).count in (1, 2)


@pytest.mark.parametrize("value", [b"\x01\x02", "text", 0.5, 7])
@pytest.mark.parametrize(
    "column", ["incarnation", "replica", "cursor", "resumes_at", "reader", "is_late", "joined_ms"]
)
def test_a_damaged_peer_is_read_or_refused(region, tamper, column, value):
    """Another number can be any peer's; what is no peer at all is a typed error, for all verbs."""
    region.join(PeerPage(None, KNOWN), TIMEOUT_S)
    tamper(f"UPDATE ts_peer SET {column} = ?", value)
    for verb in (
        lambda: region.peers(TIMEOUT_S),
        lambda: region.join(PeerPage(KNOWN, KNOWN), TIMEOUT_S),
        lambda: region.introduce(RegionInfo("far", 3), 8, TIMEOUT_S),
        lambda: region.trust("far", TIMEOUT_S),
    ):
        with suppress(CorruptionError):
            verb()
    if column != "resumes_at" and value != 7:
        with pytest.raises(CorruptionError):
            region.peers(TIMEOUT_S)
