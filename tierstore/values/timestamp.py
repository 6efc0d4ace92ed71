"""An aware `datetime` as the timestamp extension (-1) of msgpack, and back, always in UTC.

`datetime` is looked up late: a program that has not imported it cannot hold one.
"""

from __future__ import annotations

import sys
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

SECONDS_MIN = -62_135_596_800  # 0001-01-01T00:00:00Z
SECONDS_MAX = 253_402_300_799  # 9999-12-31T23:59:59Z

_96 = Struct(">Iq")


def is_storable(moment: object) -> bool:
    """Whether `moment` is an aware `datetime` within the years 1 to 9999 of UTC."""
    return _since_epoch(moment) is not None


def is_utc(moment: Any) -> bool:
    """Whether `moment` is a `datetime` of UTC, as reading yields them."""
    module = sys.modules.get("datetime")
    if module is None or type(moment) is not module.datetime:
        return False
    return bool(moment.tzinfo is module.UTC)


def write_timestamp(moment: object) -> bytes | None:
    """The shortest of the three forms that holds `moment`, or None if it is not storable."""
    since = _since_epoch(moment)
    if since is None:
        return None
    seconds, nanoseconds = since[0], since[1] * 1000
    if nanoseconds == 0 and 0 <= seconds < 1 << 32:
        return b"\xd6\xff" + seconds.to_bytes(4, "big")
    if 0 <= seconds < 1 << 34:
        return b"\xd7\xff" + (nanoseconds << 34 | seconds).to_bytes(8, "big")
    return b"\xc7\x0c\xff" + _96.pack(nanoseconds, seconds)


def read_timestamp(data: bytes) -> datetime | None:
    """The moment of which `data` is the form, or None if it is not the form of any."""
    if data[:2] == b"\xd6\xff":
        seconds, nanoseconds = int.from_bytes(data[2:], "big"), 0
    elif data[:2] == b"\xd7\xff":
        nanoseconds, seconds = divmod(int.from_bytes(data[2:], "big"), 1 << 34)
    elif data[:3] == b"\xc7\x0c\xff":
        nanoseconds, seconds = _96.unpack(data[3:])
    else:
        return None
    if not SECONDS_MIN <= seconds <= SECONDS_MAX or nanoseconds >= 1_000_000_000:
        return None
    from datetime import timedelta

    moment = _epoch() + timedelta(seconds=seconds, microseconds=nanoseconds // 1000)
    # Longer forms and fractions of a microsecond would be second spellings of a moment.
    return moment if write_timestamp(moment) == data else None


def _since_epoch(moment: Any) -> tuple[int, int] | None:
    """(seconds, microseconds) since 1970. Subtracted, not converted: the year 0 may be between."""
    module = sys.modules.get("datetime")
    if module is None or type(moment) is not module.datetime or moment.utcoffset() is None:
        return None
    since = moment - _epoch()
    seconds = since.days * 86_400 + since.seconds
    return (seconds, since.microseconds) if SECONDS_MIN <= seconds <= SECONDS_MAX else None


def _epoch() -> datetime:
    from datetime import UTC, datetime

    return datetime(1970, 1, 1, tzinfo=UTC)
