"""Links between regions beside each other and beside upkeep: who waits, and who begins again."""

from __future__ import annotations

import pytest

from tierstore.errors import DeadlineExceededError
from tierstore.record import Record
from tierstore.region.peers import Peer, PeerPage
from tierstore.region.rows import RegionInfo, Row
from tierstore.stamp import at_ms

TIMEOUT_S = 5.0
READER = 8


def row_of(region, key="k"):
    now_ms = region.fingerprint("", None, 1, TIMEOUT_S).now_ms
    return Row(key, Record(at_ms(now_ms), 70, b"1"), position=1)


def test_who_is_overtaken_when_it_enters_a_peer_begins_again(open_region, on_statement):
    """What is not there cannot be locked; nothing of its page is left."""
    overtaken = []

    def before(driver, statement):
        if b"INSERT INTO ts_peer" in statement and not overtaken:
            overtaken.append(True)
            assert other.join(PeerPage(None, Peer("far", 1, 9, 2)), TIMEOUT_S).is_joined

    on_statement(before)
    region, other = open_region(), open_region()
    page = PeerPage(None, Peer("far", 1, 9, 1), [row_of(region)])
    reply = region.join(page, TIMEOUT_S)
    assert overtaken
    assert (reply.is_joined, reply.peer.cursor) == (False, 2)
    assert not region.read(["k"], 0, TIMEOUT_S).rows


def test_a_reader_is_not_retired_in_the_middle_of_a_page(open_region, on_statement):
    """Else a row could be forgotten after the page was found to be of a peer that is waited for."""
    waited = []

    def before(driver, statement):
        if b"INSERT INTO ts_directory" in statement and not waited:
            waited.append(True)
            with pytest.raises(DeadlineExceededError):
                other.retire(READER, 0.2)

    on_statement(before)
    region, other = open_region(), open_region()
    region.introduce(RegionInfo("far", 1), READER, TIMEOUT_S)
    (known,) = region.peers(TIMEOUT_S)
    assert region.join(PeerPage(known, known, [row_of(region)]), TIMEOUT_S).is_joined
    assert waited
    assert other.retire(READER, TIMEOUT_S)


def test_batches_go_on_beside_a_join(open_region, new_sender, on_statement):
    """Of other keys; and what the join brings does not show behind a cursor that passed it."""
    sent = []

    def before(driver, statement):
        if b"INSERT INTO ts_directory" in statement and not sent:
            sent.append(True)
            assert sender.write("other").verdict == "applied"
            sent.append(sender.changes(0).position)

    on_statement(before)
    region = open_region()
    sender = new_sender(open_region(), 7)
    reply = region.join(PeerPage(None, Peer("far", 1, 9, 1), [row_of(region)]), TIMEOUT_S)
    assert reply.is_joined
    page = sender.changes(sent[1])
    assert {change.key for change in page.changes} >= {"k"}
    assert {row.key for row in sender.scan().rows} == {"k", "other"}
