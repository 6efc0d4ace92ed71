"""Mutants of moves between tiers: switches, intents, leases, and what is read back."""

from __future__ import annotations

from typing import Any

from tierstore.movement import mover
from tierstore.record import Record
from tierstore.region import moves
from tierstore.region.pointer import decode_pointer
from tierstore.testing.memory_moves import MemoryMoves
from tierstore.testing.mutants.laws import INTENTS, LEASE, MOVES
from tierstore.testing.mutants.mutant import Mutant
from tierstore.testing.mutants.planting import both, plants
from tierstore.testing.mutants.worlds import MOVING, ROTTEN, TORN
from tierstore.tiers import cold
from tierstore.tiers.segments import frames


@plants(moves, "is_same")
def version_not_compared(right: Any) -> Any:
    return lambda row, seen: row.epoch == seen.epoch and row.record.payload is not None


@plants(cold, "_check_version")
def object_version_not_checked(right: Any) -> Any:
    return lambda wanted, record: None


promoted_from_an_old_object = both(version_not_compared, object_version_not_checked)


@plants(mover, "ColdReader", is_local=True)
def deleted_before_the_switch(right: Any) -> Any:
    class Hasty(right):  # type: ignore[misc]
        def read(self, rows: Any, timeout_s: float) -> Any:
            reply = super().read(rows, timeout_s)
            names = {decode_pointer(row.cold, key=key).name for key, row in rows.items()}
            self._objects.delete(sorted(names), timeout_s)
            return reply

    return Hasty


@plants(mover, "verify", is_local=True)
def not_read_back(right: Any) -> Any:
    return lambda objects, packed, timeout_s: None


@plants(moves, "with_payload")
def expiry_lost_by_a_move(right: Any) -> Any:
    def with_payload(record: Record, payload: bytes | None) -> Record:
        moved: Record = right(record, payload)
        moved.expires_at_ms = None
        return moved

    return with_payload


@plants(MemoryMoves, "_check")
def fenced_mover_goes_on(right: Any) -> Any:
    return lambda self, epoch: None


@plants(MemoryMoves, "begin_move")
def intent_not_logged(right: Any) -> Any:
    return lambda self, epoch, name, timeout_s: self._check(epoch)


@plants(MemoryMoves, "switch")
def ended_intent_switched(right: Any) -> Any:
    def switch(
        self: MemoryMoves, epoch: int, made: Any, switches: Any, timeout_s: float
    ) -> list[str]:
        if made is not None:
            self.intents.setdefault(made.name, epoch)
        return right(self, epoch, made, switches, timeout_s)  # type: ignore[no-any-return]

    return switch


@plants(moves, "plan_switch")
def released_not_told(right: Any) -> Any:
    def plan_switch(rows: Any, switches: Any, now_ms: int) -> Any:
        plan = right(rows, switches, now_ms)
        plan.released.clear()
        return plan

    return plan_switch


@plants(moves, "plan_switch")
def switched_in_part(right: Any) -> Any:
    def plan_switch(rows: Any, switches: Any, now_ms: int) -> Any:
        plan = right(rows, switches, now_ms)
        plan.writes = plan.writes[:1]
        return plan

    return plan_switch


@plants(frames.Decompressor, "decompress")
def _frame_unchecked(right: Any) -> Any:
    def decompress(self: Any, frame: Any, raw_bytes_max: int) -> bytes:
        plain = bytearray(frame)
        plain[4] &= ~0x04  # the flag of the checksum: RFC 8878, section 3.1.1.1.1
        return right(self, bytes(plain[:-4]), raw_bytes_max)  # type: ignore[no-any-return]

    return decompress


@plants(cold, "decode", is_local=True)
def _envelope_unchecked(right: Any) -> Any:
    from tierstore import values
    from tierstore.record import from_fields

    def decode(envelope: bytes, **_: Any) -> Record:
        fields: Any = values.decode(envelope)
        return from_fields(fields[1:8], fields[8])

    return decode


damage_not_noticed = both(_frame_unchecked, _envelope_unchecked)


MUTANTS = (
    Mutant(
        "version not compared",
        "A switch does not compare versions.",
        "a write during a move is lost",
        version_not_compared,
        (MOVING,),
        0,
    ),
    Mutant(
        "promoted from an old object",
        "Neither switch nor promotion compares versions.",
        "old bytes in place of new ones",
        promoted_from_an_old_object,
        (MOVING,),
        0,
    ),
    Mutant(
        "deleted before the switch",
        "A promotion deletes the object before it switches the row.",
        "the only copy destroyed",
        deleted_before_the_switch,
        (MOVES,),
        0,
    ),
    Mutant(
        "not read back",
        "An object is not read back before rows point at it.",
        "a truncated object becomes the truth",
        not_read_back,
        (TORN,),
        0,
    ),
    Mutant(
        "expiry lost by a move",
        "A move loses the expiry.",
        "TTL and tier copies disagree",
        expiry_lost_by_a_move,
        (MOVING,),
        4,
    ),
    Mutant(
        "fenced mover goes on",
        "The region does not compare the epoch of the lease.",
        "a paused holder that goes on",
        fenced_mover_goes_on,
        (LEASE,),
        0,
    ),
    Mutant(
        "intent not logged",
        "An object is written without a logged intent.",
        "objects that nobody knows of",
        intent_not_logged,
        (INTENTS,),
        0,
    ),
    Mutant(
        "ended intent switched",
        "A switch needs no intent any more.",
        "rows that point at swept objects",
        ended_intent_switched,
        (INTENTS,),
        0,
    ),
    Mutant(
        "released not told",
        "A switch does not say which objects it let go.",
        "objects that are never swept",
        released_not_told,
        (MOVING,),
        6,
    ),
    Mutant(
        "switched in part",
        "A switch stores the first of its rows.",
        "a torn move",
        switched_in_part,
        (MOVING,),
        0,
    ),
    Mutant(
        "damage not noticed",
        "Checksums of frames and envelopes are not checked.",
        "rotten bytes served",
        damage_not_noticed,
        (ROTTEN,),
        8,
    ),
)
