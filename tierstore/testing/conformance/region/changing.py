"""Changes of counters and sets: each counts once, whatever generation the key is in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.crdt import counter
from tierstore.crdt import set as sets
from tierstore.record import COUNTER, SET, Record
from tierstore.region.batch import CHANGE, RESET, Delta
from tierstore.region.outcomes import APPLIED, QUARANTINED
from tierstore.runtime import now_ms
from tierstore.testing.conformance.harness import TIMEOUT_S
from tierstore.testing.conformance.region.bench import RegionBench

if TYPE_CHECKING:
    from tierstore.region.protocol import Region
    from tierstore.runtime.manual import ManualRuntime
    from tierstore.testing.conformance.region.sender import Sender


def add(sender: Sender, key: str, number: int, *, op: int = CHANGE, **fields: Any) -> Delta:
    """A delta that adds `number` to a counter, after deleting it if `op` is RESET."""
    payload = counter.encode_delta(counter.add(number))
    stamp = fields.pop("stamp", None) or sender.stamp()
    record = Record(stamp, sender.replica, payload, type=COUNTER, **fields)
    return Delta(key, op, record)


def change_set(sender: Sender, key: str, delta: sets.Delta, **fields: Any) -> Delta:
    """A delta that changes a set."""
    payload = sets.encode_delta(delta)
    record = Record(sender.stamp(), sender.replica, payload, type=SET, **fields)
    return Delta(key, CHANGE, record)


def end(sender: Sender, key: str, type: int = COUNTER) -> Delta:
    """A delta that deletes a key of another type than the register."""
    return Delta(key, RESET, Record(sender.stamp(), sender.replica, None, type=type))


def total(sender: Sender, key: str) -> int | None:
    """What a counter has come to; None if it is deleted."""
    payload = sender.row(key).record.payload
    return None if payload is None else counter.value(counter.decode(payload))


def elements(sender: Sender, key: str) -> list[sets.Element]:
    """What is in a set."""
    return sets.value(sets.decode(sender.row(key).record.payload or b""))


class Changing(RegionBench):
    """What a row of a counter or set holds is all changes, once each."""

    def test_increments_add_up(self, sender: Sender, other: Sender) -> None:
        """Of two replicas, in one batch and in several, negative ones too."""
        sender.send(add(sender, "n", 5), add(sender, "n", -2))
        other.send(add(other, "n", 10))
        sender.send(add(sender, "n", 1))
        assert total(sender, "n") == 14

    def test_a_batch_sent_again_counts_once(self, sender: Sender) -> None:
        """Its answer was lost; the increment must not be doubled."""
        batch = sender.batch(add(sender, "n", 5))
        sender.sent(batch)
        assert sender.region.apply(batch, TIMEOUT_S).repeated
        assert total(sender, "n") == 5

    def test_a_counter_has_no_bound(self, sender: Sender) -> None:
        """Sums beyond 64 bits are kept exactly."""
        for _ in range(3):
            sender.send(add(sender, "n", 2**63 - 1))
        assert total(sender, "n") == 3 * (2**63 - 1)

    def test_the_region_counts_under_a_name_of_its_own(
        self, sender: Sender, other: Sender, region: Region
    ) -> None:
        """However many replicas add, the state has one actor: this life of this region."""
        sender.send(add(sender, "n", 1))
        other.send(add(other, "n", 2))
        state = counter.decode(sender.row("n").record.payload or b"")
        assert state == {region.connect(TIMEOUT_S).actor: (3, 0)}

    def test_each_change_has_a_version_and_a_position(self, sender: Sender) -> None:
        """Who pulls sees that the row changed, though the stamps come out of order."""
        late = sender.stamp()
        first = sender.send(add(sender, "n", 1)).position
        before = sender.row("n").record.stamp
        assert sender.send(add(sender, "n", 1, stamp=late)).position > first
        assert sender.row("n").record.stamp > before
        assert [change.key for change in sender.changes(first).changes] == ["n"]

    def test_a_change_ahead_of_the_clock_is_applied_and_dates_nothing(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """No stamp orders increments: they need not wait, and must not poison the row's."""
        ahead = sender.stamp(3600)
        assert list(sender.send(add(sender, "n", 1, stamp=ahead)).outcomes) == [APPLIED]
        assert total(sender, "n") == 1
        assert sender.row("n").record.stamp < ahead

    def test_a_delete_begins_the_next_generation(self, sender: Sender) -> None:
        """What is added afterwards begins from nothing."""
        sender.send(add(sender, "n", 5))
        sender.send(end(sender, "n"))
        assert total(sender, "n") is None
        generation = sender.row("n").record.generation
        sender.send(add(sender, "n", 2))
        assert (total(sender, "n"), sender.row("n").record.generation) == (2, generation)

    def test_a_delete_and_more_come_as_one_delta(self, sender: Sender) -> None:
        """An outbox joins what it has of a key."""
        sender.send(add(sender, "n", 5))
        sender.send(add(sender, "n", 2, op=RESET))
        assert total(sender, "n") == 2

    def test_deleting_an_absent_counter_leaves_a_tombstone(self, sender: Sender) -> None:
        """The row says of which type the key is."""
        sender.send(end(sender, "n"))
        record = sender.row("n").record
        assert (record.payload, record.type) == (None, COUNTER)

    def test_the_first_change_after_expiry_begins_anew(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """And later ones do not move the expiry that it brought."""
        expires_ms = now_ms(clock) + 1000
        sender.send(add(sender, "n", 5, expires_at_ms=expires_ms))
        sender.send(add(sender, "n", 1, expires_at_ms=expires_ms + 5000))
        assert sender.row("n").record.expires_at_ms == expires_ms
        clock.advance(2)
        later_ms = now_ms(clock) + 1000
        sender.send(add(sender, "n", 2, expires_at_ms=later_ms))
        record = sender.row("n").record
        assert (total(sender, "n"), record.expires_at_ms) == (2, later_ms)

    def test_a_touch_moves_the_expiry_of_the_generation_it_names(
        self, sender: Sender, clock: ManualRuntime
    ) -> None:
        """And of no other."""
        sender.send(add(sender, "n", 5))
        generation, expires_ms = sender.row("n").record.generation, now_ms(clock) + 9000
        for named, expected in ((generation + 1, None), (generation, expires_ms)):
            stamp = sender.stamp()
            record = Record(stamp, 7, None, expires_ms, stamp, None, COUNTER, named)
            sender.send(Delta("n", CHANGE, record))
            assert sender.row("n").record.expires_at_ms == expected
        assert total(sender, "n") == 5

    def test_an_element_added_while_another_removes_it_stays(
        self, sender: Sender, other: Sender
    ) -> None:
        """A removal names what was seen."""
        sender.send(change_set(sender, "s", sets.add(["x", "y"])))
        record = sender.row("s").record
        seen = sets.decode(record.payload or b"")
        sender.send(change_set(sender, "s", sets.add(["x"])))
        removal = sets.discard(seen, ["x", "y"])
        other.send(change_set(other, "s", removal, generation=record.generation))
        assert elements(sender, "s") == ["x"]

    def test_a_replica_removes_what_it_added_without_having_seen_its_dot(
        self, sender: Sender, other: Sender
    ) -> None:
        """Its add was on the way when it changed its mind; that of another stays."""
        sender.send(change_set(sender, "s", sets.add(["x", "y"])))
        other.send(change_set(other, "s", sets.add(["y"])))
        nothing = (False, sets.SEEN_NOTHING)
        sender.send(change_set(sender, "s", {"x": nothing, "y": nothing}))
        assert elements(sender, "s") == ["y"]

    def test_a_removal_of_another_generation_removes_nothing(self, sender: Sender) -> None:
        """Dots are given anew in each."""
        sender.send(change_set(sender, "s", sets.add(["x"])))
        record = sender.row("s").record
        removal = sets.discard(sets.decode(record.payload or b""), ["x"])
        sender.send(end(sender, "s", SET))
        sender.send(change_set(sender, "s", sets.add(["x"])))
        other = sender.__class__(sender.region, 9, sender.clock)
        other.send(change_set(other, "s", removal, generation=record.generation))
        assert elements(sender, "s") == ["x"]

    def test_what_cannot_be_applied_is_quarantined_alone(self, sender: Sender) -> None:
        """A damaged change, one of another type, a whole state: the rest of the batch goes on."""
        sender.send(add(sender, "n", 1), sender.put("r", b"\x01"))
        stamp = sender.stamp()
        reply = sender.send(
            Delta("n", CHANGE, Record(stamp, 7, b"\xc1", type=COUNTER)),
            add(sender, "r", 1),
            change_set(sender, "n", sets.add(["x"])),
            Delta("m", 0, Record(stamp, 7, b"\x91\x01", type=COUNTER)),
            Delta("r", CHANGE, Record(stamp, 7, b"\x01")),
            add(sender, "n", 2),
        )
        assert list(reply.outcomes) == [QUARANTINED] * 5 + [APPLIED]
        assert total(sender, "n") == 3
        assert len(sender.region.aside(10, TIMEOUT_S)) == 5

    def test_scans_and_reads_say_of_which_type_a_row_is(self, sender: Sender) -> None:
        """And of which generation."""
        sender.send(add(sender, "n", 1), change_set(sender, "s", sets.add([1])))
        rows = {row.key: row.record for row in sender.scan("", None).rows}
        assert {key: record.type for key, record in rows.items()} == {"n": COUNTER, "s": SET}
        assert {record.generation for record in rows.values()} == {1}
