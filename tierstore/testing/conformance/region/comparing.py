"""Fingerprints and versions: how two regions find out where they differ."""

from __future__ import annotations

from functools import reduce
from operator import xor
from typing import TYPE_CHECKING

import pytest

from tierstore.record import COUNTER, ELSEWHERE
from tierstore.region.fingerprints import hash_version, version_bytes
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.nasty import NASTY_KEYS
from tierstore.testing.conformance.region.changing import add, end
from tierstore.testing.conformance.region.link import Link, settle
from tierstore.testing.conformance.region.peered import PeeringBench

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from tierstore.region.batch import Delta
    from tierstore.region.peers import Fingerprint
    from tierstore.region.rows import Row
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender

    Write: TypeAlias = Callable[[Sender], list[Delta]]


def _deleted(sender: Sender) -> list[Delta]:
    return [sender.put("deleted", b"1"), sender.put("deleted", None)]


def _touched(sender: Sender) -> list[Delta]:
    first = sender.put("touched", b"1", expires_at_ms=1 << 44)
    return [first, sender.touch(first, 1 << 45)]


WRITES: dict[str, Write] = {
    "written": lambda sender: [sender.put("written", b"1", metadata={"m": "x"})],
    "counted": lambda sender: [add(sender, "counted", 5)],
    "ended": lambda sender: [add(sender, "ended", 5), end(sender, "ended", COUNTER)],
    "deleted": _deleted,
    "touched": _touched,
}
"""What there is of each key at last, by the key."""


def _of(rows: list[Row]) -> int:
    hashes = [hash_version(row.key.encode(), version_bytes(row)) for row in rows]
    return reduce(xor, hashes, 0)


class Comparing(PeeringBench):
    """Equal rows have equal fingerprints in every adapter, and others have others."""

    def _ask(
        self, link: Link, start: str = "", end: str | None = None, limit: int = 1000
    ) -> Fingerprint:
        return link.target.fingerprint(start, end, limit, TIMEOUT_S)

    def test_nothing_has_a_fingerprint_too(self, link: Link, clock: ManualRuntime) -> None:
        """Which says who answered, and when."""
        found = self._ask(link)
        assert (found.count, found.digest, found.next_key) == (0, 0, None)
        incarnation = link.target.connect(TIMEOUT_S).incarnation
        assert (found.incarnation, found.now_ms) == (incarnation, now_ms(clock))

    def test_it_is_made_of_keys_and_versions(self, link: Link, sender: Sender) -> None:
        """As it is written down: every adapter comes to the same."""
        for write in WRITES.values():
            sender.send(*write(sender))
        rows = list(sender.rows(*WRITES).values())
        found = self._ask(link)
        assert (found.count, found.digest, found.next_key) == (len(WRITES), _of(rows), None)

    def test_nasty_keys_count_as_their_bytes(self, link: Link, sender: Sender) -> None:
        """Each alone, and all together; enough of them that every sign of a hash comes up."""
        sender.write(*NASTY_KEYS)
        rows = sender.scan().rows
        assert self._ask(link).digest == _of(rows)
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            found = self._ask(link, row.key, None, 1)
            next_key = None if following is None else following.key
            assert (found.count, found.digest, found.next_key) == (1, _of([row]), next_key)

    def test_regions_that_have_joined_each_other_are_equal(
        self, link: Link, back: Link, far: Sender, sender: Sender
    ) -> None:
        """And were not before."""
        sender.write("a", "b")
        sender.send(add(sender, "n", 1))
        far.write("b", "c")
        far.send(add(far, "n", 2))
        assert self._ask(link).digest != self._ask(back).digest
        settle(link, back)
        found, other = self._ask(link), self._ask(back)
        assert (found.count, found.digest) == (other.count, other.digest)
        assert found.count == 4

    @pytest.mark.parametrize("name", WRITES)
    def test_every_change_shows(self, link: Link, sender: Sender, name: str) -> None:
        """Of content, existence, lifetime and generation."""
        seen = {self._ask(link).digest}
        deltas = WRITES[name](sender)
        for delta in deltas:
            sender.send(delta)
            seen.add(self._ask(link).digest)
        assert len(seen) == len(deltas) + 1

    def test_what_is_no_content_does_not_show(
        self, link: Link, sender: Sender, mover: Mover, clock: ManualRuntime
    ) -> None:
        """Heat, moves there and back, places in the feed, and when a mover looked."""
        sender.write("a", "b")
        before = self._ask(link).digest
        sender.use("a")
        assert self._ask(link).digest == before
        mover.demote("a")
        assert self._ask(link).digest == before
        sender.use("a", reads=9)
        clock.advance(5)
        mover.promote("a", b"a")
        mover.settle(mover.row("b"), None)
        assert self._ask(link).digest == before

    def test_ranges_are_half_open(self, link: Link, sender: Sender) -> None:
        """From a key on, to below another."""
        sender.write("a", "b", "c", "d")
        rows = sender.rows("a", "b", "c", "d")
        for start, until, keys in (
            ("", None, "abcd"), ("b", None, "bcd"), ("b", "d", "bc"), ("", "a", ""),
            ("bb", "cc", "c"), ("e", None, ""), ("d", "b", ""),
        ):  # fmt: skip
            found = self._ask(link, start, until)
            assert (found.count, found.digest) == (len(keys), _of([rows[key] for key in keys]))
            assert found.next_key is None

    def test_pages_add_up(self, link: Link, sender: Sender) -> None:
        """Each begins where the one before says, and none has more than it was asked for."""
        sender.write(*[f"k{number:02}" for number in range(23)])
        whole = self._ask(link, "k01", "k22")
        for limit in (1, 4, 7, 20, 21, 22):
            start: str | None = "k01"
            count = digest = 0
            while start is not None:
                found = self._ask(link, start, "k22", limit)
                assert 0 < found.count <= limit
                count, digest, start = count + found.count, digest ^ found.digest, found.next_key
            assert (count, digest) == (whole.count, whole.digest) == (21, whole.digest)

    def test_versions_come_without_payloads(
        self, link: Link, sender: Sender, mover: Mover, clock: ManualRuntime
    ) -> None:
        """Of keys that have a row: alive, deleted, cold, of every type."""
        for write in WRITES.values():
            sender.send(*write(sender))
        mover.demote("touched")
        found = link.target.versions([*WRITES, "absent"], TIMEOUT_S)
        assert found.rows.keys() == WRITES.keys()
        assert found.now_ms == now_ms(clock)
        assert found.incarnation == link.target.connect(TIMEOUT_S).incarnation
        for key, row in found.rows.items():
            record = sender.row(key).record
            is_dead = record.payload is None
            assert row.record.payload == (None if is_dead else ELSEWHERE)
            assert row.record.fields() == record.fields()
            assert version_bytes(row) == version_bytes(sender.row(key))
        assert found.rows["touched"].cold is not None

    def test_versions_of_nasty_keys_are_theirs(self, link: Link, sender: Sender) -> None:
        """All at once, and none for none."""
        sender.write(*NASTY_KEYS)
        found = link.target.versions(NASTY_KEYS, TIMEOUT_S).rows
        assert {key: row.record.stamp for key, row in found.items()} == {
            row.key: row.record.stamp for row in sender.scan().rows
        }
        assert link.target.versions([], TIMEOUT_S).rows == {}
