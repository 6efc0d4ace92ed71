"""Batches: how an edge replica's writes travel to its region, exactly once.

A replica numbers its batches upwards and puts the digest of its previous batch into each. The
region applies a higher number with the matching predecessor, repeats its stored answer for the
batch it applied last, and fences everything else: so a batch that was lost, repeated or sent by a
clone is recognised. Numbers may skip: one who numbers entries, not batches, gives a batch the
number of its last entry, and then `applied` says which entries the region has. The body of a batch
is fixed when it is frozen:

    [format, replica, number, predecessor, deltas, heat]

`heat` is [[key, reads, writes, half_life_s], …]: accesses of keys that may go cold, each counted
once, and how fast the rule of the key forgets them; format 1 did not say how fast. A delta is a
flat array

    [key, op, type, generation, stamp, replica | nil, touch, expires_at_ms | nil,
     metadata | nil, payload | nil]

in which a nil replica stands for the batch's own. `generation` is of the record that a PUT brings
or a TOUCH names; of a CHANGE or RESET it is the one whose content it has seen, or 0.

A batch without changes is of format 2, so that a region of an earlier version takes it.
"""

from __future__ import annotations

from _blake2 import blake2b
from struct import Struct

from tierstore import values
from tierstore.errors import CorruptionError, DecodingError
from tierstore.record import DIGEST_BYTES, REGISTER, REPLICA_MAX, Record, find_fault, from_fields
from tierstore.stamp import STAMP_MAX
from tierstore.values.msgpack import array_header, bin_header, pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BATCH_FORMAT = 2
CHANGES_FORMAT = 3
_FORMATS = (1, BATCH_FORMAT, CHANGES_FORMAT)
_HEAT_KINDS = ([str, int, int], [str, int, int, int])
FAST_BYTES_MIN = 64 << 10
"""What is larger is worth importing msgspec for."""
FIRST_PREDECESSOR = b""  # of the batch with number 1

PUT = 0
"""The delta is a whole state, joined with the row's."""
TOUCH = 1
"""The delta only moves the expiry of the version that it names."""
CHANGE = 2
"""The delta changes the row's state as its type says; not of a register."""
RESET = 3
"""The delta deletes what the row has, and then is a CHANGE."""
JOIN = 4
"""A whole state of another type than the register, as another region tells it: never in a batch."""
_OP_NAMES = ("PUT", "TOUCH", "CHANGE", "RESET", "JOIN")

# The usual delta on the wire: a PUT of a REGISTER of generation 0, its stamp in 64 bits, of the
# batch's replica, never touched, without expiry and metadata.
_UINT32_MAX = (1 << 32) - 1
_DELTA_AND_KEY = [bytes((0x9A, 0xA0 + size)) for size in range(32)]
_BEFORE_STAMP = bytes((PUT, REGISTER, 0, 0xCF))
_AFTER_STAMP = b"\xc0\x00\xc0\xc0"
_usual_fields = Struct(">4sQ4s").pack
_USUAL = (PUT, REGISTER, 0, 0)


class Delta:
    """One key's change within a batch. `record` of a TOUCH has no payload of its own."""

    __slots__ = ("key", "op", "record")

    def __init__(self, key: str, op: int, record: Record) -> None:
        self.key = key
        self.op = op
        self.record = record

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Delta):
            return NotImplemented
        return (self.key, self.op, self.record) == (other.key, other.op, other.record)

    def __hash__(self) -> int:
        return hash((self.key, self.op))

    def __repr__(self) -> str:
        return f"Delta({self.key!r}, {_OP_NAMES[self.op]}, {self.record!r})"


class Poisoned:
    """A delta that cannot be understood; the region quarantines it and goes on."""

    __slots__ = ("key", "raw", "reason")

    def __init__(self, key: str, raw: bytes, reason: str) -> None:
        self.key = key
        self.raw = raw
        self.reason = reason


class Heat:
    """Accesses of one key at one replica since it last told of them."""

    __slots__ = ("half_life_s", "key", "reads", "writes")

    def __init__(self, key: str, reads: int, writes: int, half_life_s: int = 0) -> None:
        self.key = key
        self.reads = reads
        self.writes = writes
        self.half_life_s = half_life_s

    def fields(self) -> list[Any]:
        """As it travels."""
        return [self.key, self.reads, self.writes, self.half_life_s]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Heat) and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Heat({self.key!r}, {self.reads} reads, {self.writes} writes)"


class Batch:
    """A frozen batch: its identity, its deltas, and the bytes that its digest covers."""

    __slots__ = ("body", "deltas", "digest", "heat", "number", "predecessor", "replica")

    def __init__(
        self,
        replica: int,
        number: int,
        predecessor: bytes,
        deltas: list[Delta | Poisoned],
        heat: list[Heat],
        body: bytes,
    ) -> None:
        self.replica = replica
        self.number = number
        self.predecessor = predecessor
        self.deltas = deltas
        self.heat = heat
        self.body = body
        self.digest = blake2b(body, digest_size=DIGEST_BYTES).digest()

    def __repr__(self) -> str:
        return f"Batch(replica={self.replica:x}, number={self.number}, {len(self.deltas)} deltas)"


def freeze(
    replica: int,
    number: int,
    predecessor: bytes,
    deltas: list[Delta],
    heat: list[Heat],
) -> Batch:
    """The batch with this identity and content."""
    has_changes = any(delta.op >= CHANGE for delta in deltas)
    format_ = CHANGES_FORMAT if has_changes else BATCH_FORMAT
    identity = pack(format_) + pack(replica) + pack(number) + pack(predecessor)
    parts = [encode_delta(delta, replica) for delta in deltas]
    head = array_header(6) + identity + array_header(len(parts))
    body = b"".join((head, *parts, pack([item.fields() for item in heat])))
    return Batch(replica, number, predecessor, list(deltas), heat, body)


def decode_batch(body: bytes) -> Batch:
    """The batch in `body`.

    A delta that makes no sense comes back as `Poisoned`. Raises CorruptionError if the body as a
    whole is not a batch.
    """
    if len(body) > FAST_BYTES_MIN:
        values.use_msgspec()
    try:
        fields = values.decode(body)
    except DecodingError as exc:
        raise CorruptionError("a batch is not readable", object="batch") from exc
    if not isinstance(fields, list) or len(fields) != 6 or not _is_one_of(fields[0], *_FORMATS):
        raise CorruptionError("a batch has an unknown format", object="batch")
    _, replica, number, predecessor, wire, heat = fields
    is_numbered = _is_within(replica, REPLICA_MAX) and _is_within(number, STAMP_MAX)
    if not (is_numbered and type(predecessor) is bytes):
        raise CorruptionError("a batch has a malformed header", object="batch")
    if not (isinstance(wire, list) and isinstance(heat, list) and all(map(_is_heat, heat))):
        raise CorruptionError("a batch has a malformed header", object="batch")
    deltas = [_decode_delta(item, replica) for item in wire]
    return Batch(replica, number, predecessor, deltas, [Heat(*item) for item in heat], body)


def encode_delta(delta: Delta, replica: int) -> bytes:
    """The bytes of one delta written by `replica`, as the journal keeps them."""
    record = delta.record
    is_put = delta.op == PUT and record.type == REGISTER and record.replica == replica
    if is_put and not record.touch and not record.generation:
        return encode_put(
            delta.key, record.stamp, record.expires_at_ms, record.metadata, record.payload
        )
    return pack(_delta_fields(delta, replica))


def encode_put(
    key: str,
    stamp: int,
    expires_at_ms: int | None,
    metadata: dict[str, str] | None,
    payload: bytes | None,
) -> bytes:
    """`encode_delta` of a whole register of its writer, never touched.

    Every journaled write waits for these bytes, and a flush for a thousand times as many, so the
    usual ones are put together by hand: a third of the time of `pack`.
    """
    raw_key = key.encode()
    if (
        len(raw_key) < 32
        and stamp > _UINT32_MAX
        and payload is not None
        and expires_at_ms is None
        and not metadata
    ):
        middle = _usual_fields(_BEFORE_STAMP, stamp, _AFTER_STAMP)
        header = bin_header(len(payload))
        return b"".join((_DELTA_AND_KEY[len(raw_key)], raw_key, middle, header, payload))
    return pack([key, PUT, REGISTER, 0, stamp, None, 0, expires_at_ms, metadata or None, payload])


def decode_delta(raw: bytes, replica: int) -> Delta | Poisoned:
    """The delta in `raw`, written by `replica`."""
    try:
        return _decode_delta(unpack(raw), replica)
    except DecodingError as exc:
        return Poisoned("", raw, str(exc))


def _delta_fields(delta: Delta, replica: int) -> list[Any]:
    record = delta.record
    return [
        delta.key,
        delta.op,
        record.type,
        record.generation,
        record.stamp,
        None if record.replica == replica else record.replica,
        record.touch,
        record.expires_at_ms,
        record.metadata or None,
        record.payload,
    ]


def _decode_delta(fields: Any, batch_replica: int) -> Delta | Poisoned:
    if not isinstance(fields, list) or len(fields) != 10 or type(fields[0]) is not str:
        return Poisoned("", _repack(fields), "it is not a delta")
    key, op, type_, generation, stamp, replica, touch, expires_at_ms, metadata, payload = fields
    if (  # the usual delta, checked at once: twice as fast
        type(stamp) is type(op) is type(type_) is type(generation) is type(touch) is int
        and (op, type_, generation, touch) == _USUAL
        and replica is None and expires_at_ms is None and metadata is None
        and type(payload) is bytes and payload and 0 <= stamp <= STAMP_MAX
    ):  # fmt: skip
        return Delta(key, PUT, Record(stamp, batch_replica, payload))
    replica = batch_replica if replica is None else replica
    envelope = [type_, generation, stamp, replica, touch, expires_at_ms, metadata, payload]
    if (fault := find_fault(envelope)) is not None or not _is_one_of(op, PUT, TOUCH, CHANGE, RESET):
        return Poisoned(key, _repack(fields), f"its {fault or 'op'} is out of bounds")
    return Delta(key, op, from_fields(envelope[:7], payload))


def _is_within(number: Any, highest: int) -> bool:
    return type(number) is int and 0 <= number <= highest


def _is_one_of(number: Any, *known: int) -> bool:
    return type(number) is int and number in known


def _is_heat(item: Any) -> bool:
    kinds = [type(part) for part in item] if isinstance(item, list) else []
    if kinds not in _HEAT_KINDS:
        return False
    return all(0 <= number <= _UINT32_MAX for number in item[1:])


def _repack(fields: Any) -> bytes:
    return pack(fields)
