"""Commits beside damage: what cannot be read is neither absent nor overwritten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.errors import CorruptionError
from tierstore.testing.conformance.harness import TIMEOUT_S, need
from tierstore.testing.conformance.region.committer import (
    Committer,
    absent,
    delete,
    extend,
    has,
    put,
)
from tierstore.testing.conformance.region.committing import CommitBench

if TYPE_CHECKING:
    from tierstore.region.commits import Check, Write
    from tierstore.testing.conformance.region.harness import RegionHarness


class Damaged(CommitBench):
    """A commit that would have to know a damaged row fails, and says which."""

    def test_a_commit_takes_no_damaged_value_for_absent(
        self, committer: Committer, harness: RegionHarness
    ) -> None:
        """Nor gives it a longer life, which would seal the damage."""
        need(harness, "corrupt")
        committer.put("k", b"\x07")
        harness.corrupt(b"k")
        damaged = harness.raw_payload(b"k")
        assert committer.commit(absent("k"), put("k")).verdict == "conflict"
        with pytest.raises(CorruptionError) as caught:
            committer.commit(put("j"), extend("k", 1000))
        assert (caught.value.key, harness.raw_payload(b"k")) == ("k", damaged)
        assert committer.payload("j") is None

    def test_a_commit_overwrites_no_row_whose_version_is_damaged(
        self, committer: Committer, harness: RegionHarness
    ) -> None:
        """Whatever it is about to do with it; commits of other keys go on."""
        need(harness, "corrupt_version")
        version = committer.put("k", b"\x07")
        harness.corrupt_version(b"k")
        requests: list[list[Check | Write]] = [
            [absent("k"), put("k")],
            [absent("k")],
            [has("k", version), put("k")],
            [put("k")],
            [delete("k")],
            [extend("k", 1000)],
            [put("j"), extend("j", 1000), delete("k")],
        ]
        for items in requests:
            with pytest.raises(CorruptionError) as caught:
                committer.commit(put("i"), *items)
            assert caught.value.key == "k"
        assert harness.raw_payload(b"k") == b"\x07"
        assert list(committer.region.read(["i", "j", "k"], 0, TIMEOUT_S).corrupt) == ["k"]
        assert harness.raw_keys() == [b"k"]
        assert committer.commit(put("i")).verdict == "committed"
