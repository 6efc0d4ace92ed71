"""Reading an object back before anything points at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import CorruptionError
from tierstore.region.objects import ObjectMissingError
from tierstore.tiers.segments.frames import DamagedError

if TYPE_CHECKING:
    from tierstore.region.objects import ObjectTier
    from tierstore.tiers.segments.packed import Packed


def verify(objects: ObjectTier, packed: Packed, timeout_s: float) -> None:
    """Return if the object that `packed` was put as can be read and is exactly that.

    It is read once, in chunks. Raises CorruptionError on any difference, also if it is missing.
    """
    try:
        packed.parts.check(objects, packed.name, timeout_s)
    except DamagedError as exc:
        raise _corrupt(packed.name, str(exc)) from exc
    except ObjectMissingError as exc:
        raise _corrupt(packed.name, "is missing although it was written") from exc


def _corrupt(name: str, reason: str) -> CorruptionError:
    return CorruptionError(f"object {name} {reason}", tier="cold", object=name)
