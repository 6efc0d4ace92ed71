"""Commits: checks and writes of strong keys as one step."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tierstore.record import ELSEWHERE
from tierstore.region.commits import CELLS_MAX, Version, version_of
from tierstore.region.rows import STRONG
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench
from tierstore.testing.conformance.region.committer import (
    Committer,
    absent,
    cell,
    delete,
    extend,
    has,
    put,
)

if TYPE_CHECKING:
    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender


class CommitBench(RegionBench):
    """A region, and somebody who commits to it."""

    @pytest.fixture
    def committer(self, region: Region, clock: ManualRuntime) -> Committer:
        """Commits; skipped if the adapter does not say that it can compare and set."""
        if not region.capabilities.cas:
            pytest.skip("the adapter declares no `cas`")
        return Committer(region, clock)


class Committing(CommitBench):
    """All or nothing, judged by the coordinator's clock."""

    def test_what_is_put_is_read_under_the_version_of_the_reply(self, committer: Committer) -> None:
        """The row is strong, and whole."""
        reply = committer.commit(put("k", b"\x07", 5000, a="b"), put("l", b"\x08"))
        rows = committer.region.read(["k", "l"], 0, TIMEOUT_S).rows
        assert reply.verdict == "committed"
        assert {version_of(row) for row in rows.values()} == {reply.version}
        assert {row.consistency for row in rows.values()} == {STRONG}
        assert [rows[key].record.payload for key in ("k", "l")] == [b"\x07", b"\x08"]
        assert rows["k"].record.expires_at_ms == reply.now_ms + 5000
        assert rows["k"].record.metadata == {"a": "b"}
        assert (rows["l"].record.expires_at_ms, rows["l"].record.metadata) == (None, None)

    def test_a_check_of_absence(self, committer: Committer, clock: ManualRuntime) -> None:
        """Holds of what never was, of what was deleted, and of what has expired."""
        first = committer.commit(absent("k"), put("k", ttl_ms=1000))
        assert first.verdict == "committed"
        refused = committer.commit(absent("k"), put("k"))
        assert (refused.verdict, refused.conflicts) == ("conflict", {cell("k"): first.version})
        clock.advance(1.0)
        second = committer.commit(absent("k"), put("k"))
        assert second.verdict == "committed"
        committer.commit(delete("k"))
        assert committer.commit(absent("k"), put("k")).verdict == "committed"

    def test_a_check_of_a_version(self, committer: Committer, clock: ManualRuntime) -> None:
        """Holds of the very write, as long as that has a value."""
        old = committer.put("k")
        present = committer.put("k", ttl_ms=1000)
        assert committer.commit(has("k", old)).conflicts == {cell("k"): present}
        assert committer.commit(has("k", present)).verdict == "committed"
        clock.advance(1.0)
        assert committer.commit(has("k", present)).conflicts == {cell("k"): None}
        again = committer.put("k")
        committer.commit(delete("k"))
        assert committer.commit(has("k", again)).conflicts == {cell("k"): None}
        assert committer.commit(has("never", again)).conflicts == {cell("never"): None}

    def test_one_check_that_fails_keeps_all_back(
        self, committer: Committer, sender: Sender
    ) -> None:
        """Nothing is written, and the feed tells nothing; every key that differs is named."""
        committer.put("held")
        position = sender.changes(0).position
        reply = committer.commit(
            absent("held"), absent("free"), has("gone", Version(1, 1)), put("free"), put(":free")
        )
        assert reply.verdict == "conflict"
        assert set(reply.conflicts) == {cell("held"), cell("gone")}
        assert sender.changes(0).position == position
        assert committer.payload("free") is None
        assert committer.records("free") == {}

    def test_checks_and_writes_of_different_keys(self, committer: Committer) -> None:
        """What is checked need not be written, nor the other way round; in both spaces."""
        version = committer.put("a")
        reply = committer.commit(has("a", version), absent(":b"), put(":c", b"\x05"), put("d"))
        assert reply.verdict == "committed"
        assert committer.records("b", "c") == {"c": b"\x05"}
        assert committer.commit(has(":c", reply.version), delete(":c")).verdict == "committed"
        assert committer.records("c") == {}

    def test_a_write_under_a_lease_that_another_has_is_refused(
        self, committer: Committer, clock: ManualRuntime
    ) -> None:
        """Who holds a private record writes as long as it is the same, live and there."""
        mine = committer.put(":lease", b"\x01", 1000)
        assert committer.commit(has(":lease", mine), put("k", b"\x01")).verdict == "committed"
        clock.advance(1.0)
        late = committer.commit(has(":lease", mine), put("k", b"\x02"))
        assert (late.verdict, late.conflicts) == ("conflict", {cell(":lease"): None})
        theirs = committer.put(":lease", b"\x02", 1000)
        fenced = committer.commit(has(":lease", mine), put("k", b"\x02"))
        assert (fenced.verdict, fenced.conflicts) == ("conflict", {cell(":lease"): theirs})
        committer.commit(has(":lease", theirs), delete(":lease"))
        gone = committer.commit(has(":lease", theirs), put("k", b"\x02"))
        assert (gone.verdict, committer.payload("k")) == ("conflict", b"\x01")

    def test_spaces_are_apart(self, committer: Committer, sender: Sender) -> None:
        """A private record is no key: it is not read, not scanned, not told of."""
        committer.commit(put("k", b"\x01"), put(":k", b"\x02", 1000), put(":l", b"\x03"))
        assert committer.payload("k") == b"\x01"
        assert committer.records("k", "l", "m") == {"k": b"\x02", "l": b"\x03"}
        assert [row.key for row in sender.scan().rows] == ["k"]
        assert [change.key for change in sender.changes(0).changes] == ["k"]
        assert committer.commit(delete("k")).verdict == "committed"
        assert committer.records("k", "l") == {"k": b"\x02", "l": b"\x03"}

    def test_versions_grow_and_never_come_again(
        self, committer: Committer, sender: Sender, clock: ManualRuntime
    ) -> None:
        """From one write of a key to the next, also over a delete, and once that is forgotten."""
        seen = [committer.put("k"), committer.put("k")]
        deleted = committer.commit(delete("k"))
        assert deleted.version is not None
        seen += [deleted.version, committer.put("k")]
        committer.commit(delete("k"))
        sender.acknowledge(sender.changes(0).position)
        clock.advance(9 * DAY_S)
        sender.acknowledge(sender.changes(0).position)
        sender.region.maintain(100, TIMEOUT_S)
        assert committer.payload("k") is None
        seen.append(committer.put("k"))
        assert [version.number for version in seen] == sorted({v.number for v in seen})

    def test_versions_of_another_life_are_higher(
        self, committer: Committer, region: Region, clock: ManualRuntime
    ) -> None:
        """And never equal, whatever numbers the life before had given after its backup."""
        seen = [committer.put("k") for _ in range(5)]
        clock.advance(60)
        info = region.reincarnate(TIMEOUT_S)
        later = committer.put("k")
        assert later.incarnation == info.incarnation > seen[-1].incarnation
        assert later.number > seen[-1].number + 1000
        assert committer.commit(has("k", seen[-1])).verdict == "conflict"

    def test_what_was_meant_for_one_life_does_not_happen_in_another(
        self, committer: Committer, region: Region
    ) -> None:
        """Although the backup has what the request was planned on."""
        life = committer.put("k").incarnation
        meant = replace(committer.request(put("k", b"\x02"), put(":k", b"\x02")), life=life)
        region.reincarnate(TIMEOUT_S)
        refused = committer.region.commit(meant, TIMEOUT_S)
        assert (refused.verdict, committer.payload("k")) == ("conflict", b"\x01")
        assert committer.records("k") == {}
        meant = replace(meant, life=refused.incarnation)
        assert committer.region.commit(meant, TIMEOUT_S).verdict == "committed"

    def test_a_delete_leaves_a_tombstone_that_the_feed_tells_of(
        self, committer: Committer, sender: Sender
    ) -> None:
        """Of what has a value; where nothing is, nothing is written."""
        committer.put("k")
        position = sender.changes(0).position
        reply = committer.commit(delete("k"))
        (change,) = sender.changes(position).changes
        assert (change.key, sender.row("k").record.payload) == ("k", None)
        assert version_of(sender.row("k")) == reply.version
        position = sender.changes(0).position
        assert committer.commit(delete("k"), delete("never")).verdict == "committed"
        assert sender.changes(0).position == position

    def test_a_longer_life_keeps_value_and_version(
        self, committer: Committer, clock: ManualRuntime
    ) -> None:
        """EXTEND changes when it expires and nothing else; of nothing it is a conflict."""
        version = committer.commit(put("k", b"\x07", 1000, a="b"), put(":k", b"\x08", 1000)).version
        clock.advance(0.9)
        reply = committer.commit(has("k", version), extend("k", 5000), extend(":k", None))
        assert reply.verdict == "committed"
        row = committer.region.read(["k"], 0, TIMEOUT_S).rows["k"]
        assert (version_of(row), row.record.payload) == (version, b"\x07")
        assert (row.record.metadata, row.record.expires_at_ms) == ({"a": "b"}, reply.now_ms + 5000)
        clock.advance(4.9)
        assert committer.commit(has("k", version), has(":k", version)).verdict == "committed"
        clock.advance(0.2)
        refused = committer.commit(extend("k", 5000), extend("never", 5000), extend(":k", 1))
        assert (refused.verdict, set(refused.conflicts)) == (
            "conflict",
            {cell("k"), cell("never")},
        )
        assert committer.commit(has("k", version)).verdict == "conflict"

    def test_a_key_keeps_its_consistency(self, committer: Committer, sender: Sender) -> None:
        """A commit does not touch an eventual key, nor a batch a strong one."""
        sender.write("eventual")
        committer.put("strong", b"\x01")
        reply = committer.commit(put("eventual"), put("other"))
        assert (reply.verdict, set(reply.conflicts)) == ("mismatch", {cell("eventual")})
        assert committer.commit(absent("eventual")).verdict == "mismatch"
        sender.write("strong")
        assert sender.payloads("eventual", "other", "strong") == {
            "eventual": b"eventual",
            "strong": b"\x01",
        }
        assert [entry.key for entry in sender.region.aside(10, TIMEOUT_S)] == ["strong"]

    def test_as_many_keys_as_a_commit_may_name(self, committer: Committer) -> None:
        """And values of a megabyte beside them."""
        half = CELLS_MAX // 2
        writes = [put(f"k{n}", b"\xc4\x01%c" % (n % 256)) for n in range(half - 1)]
        checks = [absent(f":c{n}") for n in range(half)]
        reply = committer.commit(*writes, *checks, put("large", b"\x07" * 2**20))
        assert reply.verdict == "committed"
        assert committer.payload(f"k{half - 2}") == b"\xc4\x01%c" % ((half - 2) % 256)
        assert committer.payload("large") == b"\x07" * 2**20

    def test_odd_keys(self, committer: Committer) -> None:
        """Every key is itself: prefixes, cases, what looks like a pattern, what sorts last."""
        keys = ["a", "A", "a%", "a_", "a\0", "ä", "\U0010ffff", "'; --", "x" * 1024]
        for number, key in enumerate(keys):
            committer.commit(put(key, b"%c" % number), put(f":{key}", b"%c" % (number + 100)))
        assert [committer.payload(key) for key in keys] == [b"%c" % n for n in range(len(keys))]
        found = committer.records(*keys)
        assert [found[key] for key in keys] == [b"%c" % (n + 100) for n in range(len(keys))]

    def test_a_cold_key_is_written_and_extended_where_it_is(
        self, committer: Committer, mover: Mover
    ) -> None:
        """What is put replaces the object, which is garbage then; a longer life leaves it."""
        version = committer.put("k", b"\x07", 60_000)
        name, moved = mover.demote("k")
        assert moved == ["k"]
        assert committer.commit(has("k", version), extend("k", None)).verdict == "committed"
        row = mover.row("k")
        assert (row.record.payload, row.record.expires_at_ms) == (ELSEWHERE, None)
        assert (version_of(row), row.cold is None, mover.garbage()) == (version, False, [])
        committer.put("k", b"\x08")
        assert (mover.row("k").cold, mover.row("k").record.payload) == (None, b"\x08")
        assert mover.garbage() == [name]

    def test_a_move_that_raced_a_commit_fails(self, committer: Committer, mover: Mover) -> None:
        """And one that did not changes no version."""
        version = committer.put("k")
        seen = mover.row("k")
        committer.put("k")
        assert mover.demote("k", seen={"k": seen})[1] == []
        version = version_of(mover.row("k"))
        mover.demote("k")
        assert committer.commit(has("k", version)).verdict == "committed"

    def test_upkeep_forgets_no_private_record_that_is_live(
        self, committer: Committer, region: Region, clock: ManualRuntime
    ) -> None:
        """By the clock that judges commits, also once that was set back."""
        region.maintain(100, TIMEOUT_S)
        clock.jump(-3600)
        version = committer.put(":k", b"\x07", 60_000)
        region.maintain(100, TIMEOUT_S)
        assert committer.records("k") == {"k": b"\x07"}
        assert committer.commit(has(":k", version)).verdict == "committed"
        clock.advance(60)
        region.maintain(100, TIMEOUT_S)
        assert committer.commit(absent(":k")).verdict == "committed"

    def test_private_records_are_listed_by_prefix(
        self, committer: Committer, clock: ManualRuntime
    ) -> None:
        """In pages, in order, those that are live."""
        keys = ["a", "a/", "a/1", "a/2", "a/ä", "a0", "b/1"]
        committer.commit(*[put(f":{key}", key.encode()) for key in keys])
        committer.commit(put(":a/gone", ttl_ms=1000))
        clock.advance(1.0)
        browse = committer.region.browse
        assert list(browse("a/", "", 10, TIMEOUT_S).rows) == ["a/", "a/1", "a/2", "a/ä"]
        assert list(browse("a/", "a/", 2, TIMEOUT_S).rows) == ["a/1", "a/2"]
        assert list(browse("a/", "a/2", 2, TIMEOUT_S).rows) == ["a/ä"]
        assert list(browse("", "a0", 2, TIMEOUT_S).rows) == ["b/1"]
        reply = browse("c", "", 2, TIMEOUT_S)
        assert (reply.rows, reply.now_ms) == ({}, now_ms(clock))
