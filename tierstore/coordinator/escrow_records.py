"""The private records of escrow: their keys, and their bytes."""

from __future__ import annotations

from _blake2 import blake2b
from typing import TYPE_CHECKING, Any

from tierstore.coordinator.escrow_plan import Grant, Ledger
from tierstore.errors import CorruptionError, DecodingError
from tierstore.values.msgpack import pack, unpack

if TYPE_CHECKING:
    from tierstore.region.rows import Row

RECORD_FORMAT = 1
LEDGERS, GRANTS = "escrow/ledger/", "escrow/grant/"
DIGEST_BYTES = 16


def ledger_key(key: str) -> str:
    """The private key of the ledger of `key`."""
    return LEDGERS + key


def grants_prefix(key: str) -> str:
    """What the private keys of all grants of `key`, and of no other, start with."""
    digest = blake2b(key.encode(), digest_size=DIGEST_BYTES).hexdigest()
    return f"{GRANTS}{digest}/"


def grant_key(key: str, holder: int) -> str:
    """The private key of the grant that `holder` has of `key`."""
    return f"{grants_prefix(key)}{holder:x}"


def encode_ledger(ledger: Ledger) -> bytes:
    """The bytes of a ledger record."""
    return pack(
        [
            RECORD_FORMAT, ledger.given, ledger.pool, ledger.sold, ledger.closed, ledger.holders,
            ledger.hungry_ms,
        ]
    )  # fmt: skip


def decode_ledger(key: str, row: Row | None) -> Ledger:
    """The ledger of `key`; an empty one if there is no record. Raises CorruptionError."""
    return Ledger() if row is None else Ledger(*_numbers(key, row, 6))


def encode_grant(grant: Grant) -> bytes:
    """The bytes of a grant record."""
    return pack(
        [
            RECORD_FORMAT, grant.key, grant.holder, grant.epoch, grant.number, grant.granted,
            grant.returned, grant.spent, grant.born,
        ]
    )  # fmt: skip


def decode_grant(row: Row) -> Grant:
    """The grant that a record holds. Raises CorruptionError."""
    key, *numbers = _fields(row.key, row)
    if not isinstance(key, str) or len(numbers) not in (6, 7) or not _are_whole(numbers):
        raise _unreadable(row.key)
    return Grant(key, *numbers)


def _numbers(key: str, row: Row, count: int) -> list[int]:
    numbers = _fields(key, row)
    if len(numbers) != count or not _are_whole(numbers):
        raise _unreadable(key)
    return numbers


def _fields(key: str, row: Row) -> list[Any]:
    try:
        format_, *fields = list(unpack(row.record.payload or b""))
    except (DecodingError, TypeError, ValueError):
        raise _unreadable(key) from None
    if format_ != RECORD_FORMAT:
        raise _unreadable(key)
    return fields


def _are_whole(numbers: list[Any]) -> bool:
    return all(type(number) is int for number in numbers)


def _unreadable(key: str) -> CorruptionError:
    return CorruptionError(
        f"the escrow record of {key!r} is not of a format that this version reads",
        key=key,
        tier="regional",
    )
