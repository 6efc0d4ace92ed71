"""Which rows a mover has to look at, and when."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tierstore.record import ELSEWHERE
from tierstore.region.batch import Heat
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import DAY_S, RegionBench

if TYPE_CHECKING:
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.mover import Mover
    from tierstore.testing.conformance.region.sender import Sender


class Reviewing(RegionBench):
    """What is due, and what a review settles."""

    def test_what_is_written_is_due_longest_first(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Without its payload, up to a limit."""
        for number in range(5):
            sender.write(f"k{4 - number}")
            clock.advance(1)
        assert list(mover.due()) == ["k4", "k3", "k2", "k1", "k0"]
        assert list(mover.due(limit=2)) == ["k4", "k3"]
        assert all(row.record.payload == ELSEWHERE for row in mover.due().values())

    def test_a_review_settles_until_its_time(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """None is never, as long as nobody uses the key."""
        sender.write("k")
        mover.settle(mover.due()["k"], now_ms(clock) + 5000)
        assert not mover.due()
        clock.advance(5)
        mover.settle(mover.due()["k"], None)
        clock.advance(DAY_S)
        assert not mover.due()

    @pytest.mark.parametrize("change", ["put", "delete", "touch"])
    def test_a_review_of_a_row_that_changed_settles_nothing(
        self, mover: Mover, sender: Sender, clock: ManualRuntime, change: str
    ) -> None:
        """What was written meanwhile is due for itself."""
        first = sender.put("k", b"1")
        sender.send(first)
        seen = mover.due()["k"]
        clock.advance(1)
        later = {
            "put": lambda: sender.put("k", b"2"),
            "delete": lambda: sender.put("k", None),
            "touch": lambda: sender.touch(first, now_ms(clock) + 999_999),
        }
        sender.send(later[change]())
        mover.settle(seen, None, "cold", "too late")
        assert "k" in mover.due()
        assert mover.region.stay("k", TIMEOUT_S) is None

    def test_a_review_of_a_cold_row_that_was_used_meanwhile_settles_nothing(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Heat makes a cold row due at another time than the one reviewed."""
        sender.write("k")
        mover.demote("k")
        sender.use("k")
        seen = mover.due()["k"]
        clock.advance(1)
        sender.use("k")
        mover.settle(seen, None)
        assert "k" in mover.due()

    def test_heat_makes_cold_rows_due_and_leaves_the_others(
        self, mover: Mover, sender: Sender
    ) -> None:
        """A row that is where it should be is looked at when its time comes."""
        position = sender.write("cold", "warm").position
        mover.settle(mover.due()["warm"], None)
        mover.demote("cold")
        assert not mover.due()
        reply = sender.use("cold", "warm", "absent", reads=3)
        assert set(mover.due()) == {"cold"}
        assert [mover.row(key).heat for key in ("cold", "warm")] == [3.0, 3.0]
        assert (reply.position, sender.read("absent").rows) == (position, {})

    def test_heat_does_not_send_a_cold_row_to_the_end_of_the_queue(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Else who is used most would be moved last."""
        sender.write("first", "second")
        mover.demote("first", "second")
        for key in ("first", "second", "first"):
            sender.use(key)
            clock.advance(1)
        assert list(mover.due()) == ["first", "second"]

    def test_heat_decays_by_half_each_half_life(self, sender: Sender, clock: ManualRuntime) -> None:
        """A count of accesses, decayed to the moment of the last one told."""
        sender.write("k")
        sender.use("k", reads=8)
        clock.advance(3600)
        sender.use("k", reads=1)
        assert sender.row("k").heat == pytest.approx(5.0)
        assert sender.row("k").accessed_ms == now_ms(clock)

    def test_heat_beside_a_write_of_the_same_key_is_kept(self, sender: Sender) -> None:
        """Whether the write wins or is superseded."""
        sender.write("won", "lost")
        deltas = sender.put("won", b"2"), sender.put("lost", b"0", stamp=sender.stamp(-60))
        sender.send(*deltas, heat=(Heat("won", 2, 0, 3600), Heat("lost", 2, 0, 3600)))
        rows = sender.rows("won", "lost")
        shown = {key: (row.record.payload, row.heat) for key, row in rows.items()}
        assert shown == {"won": (b"2", 2.0), "lost": (b"lost", 2.0)}

    def test_heat_changes_nothing_else_of_a_row(self, sender: Sender, clock: ManualRuntime) -> None:
        """Payload, metadata, version and place stay, of tombstones, too."""
        sender.send(sender.put("k", b"1", metadata={"m": "1"}), sender.put("gone", None))
        before = sender.rows("k", "gone")
        clock.advance(7)
        sender.use("k", "gone", reads=3)
        for key, row in before.items():
            warm = replace(row, heat=3.0, accessed_ms=now_ms(clock))
            assert sender.row(key) == warm

    def test_every_row_is_reviewed_a_part_at_a_time(self, mover: Mover, sender: Sender) -> None:
        """For a mover whose policy is another: all rows, none twice."""
        keys = [f"k{number}" for number in range(25)]
        sender.write(*keys)
        for row in mover.due().values():
            mover.settle(row, None)
        assert not mover.due()
        after: int | None = 0
        parts = []
        while after is not None:
            after = mover.region.review_all(mover.epoch, after, 10, TIMEOUT_S)
            parts.append(len(mover.due()))
        assert parts == sorted(parts)
        assert set(mover.due()) == set(keys)

    def test_a_review_of_all_misses_no_row_while_rows_come_and_go(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """Where it goes on does not move when rows are collected, or new keys sort first."""
        gone, kept = [f"a{n}" for n in range(5)], [f"b{n:02}" for n in range(20)]
        sender.send(*[sender.put(key, b"1") for key in [*gone, *kept]])
        sender.send(*[sender.put(key, None) for key in gone])
        for row in mover.due().values():
            mover.settle(row, None)
        after = mover.region.review_all(mover.epoch, 0, 10, TIMEOUT_S)
        clock.advance(30 * DAY_S)
        mover.region.acknowledge(sender.replica, sender.read("0").position, TIMEOUT_S)
        assert mover.region.maintain(100, TIMEOUT_S).collected == len(gone)
        mover.lease()
        sender.send(*[sender.put(key, b"2") for key in ("0", gone[0], kept[0])])
        while after is not None:
            after = mover.region.review_all(mover.epoch, after, 10, TIMEOUT_S)
        assert set(mover.due()) == {"0", gone[0], *kept}

    def test_a_stay_is_told_until_the_key_moves(
        self, mover: Mover, sender: Sender, clock: ManualRuntime
    ) -> None:
        """With how often it was tried, and when the next time is."""
        sender.write("k")
        for tries in (1, 2):
            next_ms = now_ms(clock)
            mover.settle(mover.due()["k"], next_ms, "cold", "the tier is away")
            stay = mover.region.stay("k", TIMEOUT_S)
            assert stay is not None
            assert (stay.wanted, stay.error, stay.tries) == ("cold", "the tier is away", tries)
            assert (stay.at_ms, stay.next_ms) == (now_ms(clock), next_ms)
        mover.demote("k")
        assert mover.region.stay("k", TIMEOUT_S) is None

    def test_a_stay_ends_when_the_key_may_stay(self, mover: Mover, sender: Sender) -> None:
        """A review that wants no other tier takes the note away."""
        sender.write("k")
        mover.settle(mover.due()["k"], 1, "cold", "the tier is away")
        mover.settle(mover.due()["k"], None)
        assert mover.region.stay("k", TIMEOUT_S) is None

    def test_figures_count_who_stays_and_who_failed(self, mover: Mover, sender: Sender) -> None:
        """With the reasons of some."""
        sender.write("a", "b")
        due = mover.due()
        mover.settle(due["a"], 1, "cold", "the tier is away")
        mover.settle(due["b"], 1, "cold")
        told = mover.region.overview(5, TIMEOUT_S)
        assert (told.staying, told.failed) == (2, 1)
        assert told.failures == {"a": "the tier is away"}
