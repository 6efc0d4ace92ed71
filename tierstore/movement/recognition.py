"""Whether the cold tier is the one that has this region's objects.

A disk that is not mounted looks like an empty folder: what went there now would be hidden as soon
as the disk is back. So the first move puts a small object, the region's *mark*, and has the region
remember its name; from then on no object goes where the mark is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import UnavailableError
from tierstore.region.objects import VALUE, mint_name

if TYPE_CHECKING:
    from tierstore.movement.ground import Ground
    from tierstore.region.moves import Lease
    from tierstore.region.objects import ObjectTier

MARK = b"By this object a region of tierstore recognizes its cold tier: do not delete it.\n"
OBJECTS_MAX = 1000
_ADVICE = "check that tiers.cold.url names the right place, and that its disk is mounted"


class Recognition:
    """Looks once, and again after `forget`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._has_objects = False
        self._has_mark = False

    def forget(self) -> None:
        """Look again next time: a move failed."""
        self._has_objects = self._has_mark = False

    def check(self) -> None:
        """Raise UnavailableError if the cold tier has none of the objects that rows point at."""
        if self._has_objects:
            return
        ground = self._ground
        page = ground.objects.list(f"{ground.region}/", "", 1, ground.cold_s)
        if not (page.objects or page.next_after):
            stored = ground.directory.objects(OBJECTS_MAX, ground.regional_s)
            if any(item.live for item in stored):
                raise UnavailableError(
                    "the cold tier has none of the objects that this region's rows point at:"
                    f" {_ADVICE}"
                )
        self._has_objects = True

    def check_mark(self, lease: Lease) -> None:
        """Raise UnavailableError unless the cold tier has the mark, or the region had none yet."""
        if self._has_mark:
            return
        ground = self._ground
        name = ground.directory.marker(ground.regional_s)
        if name is None:
            self._put_mark(lease)
        else:
            require_mark(ground.objects, name, ground.cold_s)
        self._has_mark = True

    def _put_mark(self, lease: Lease) -> None:
        """The object first: a mark that is known and nowhere would stop all moves for good."""
        ground = self._ground
        name = mint_name(ground.runtime, ground.region, ground.incarnation, VALUE)
        ground.objects.put(name, [MARK], ground.cold_s)
        ground.directory.put_marker(lease.epoch, name, ground.regional_s)


def require_mark(objects: ObjectTier, name: str, timeout_s: float) -> None:
    """Raise UnavailableError, saying what to do, unless the cold tier has the mark of this name."""
    if not objects.list(name, "", 1, timeout_s).objects:
        raise UnavailableError(
            f"the cold tier has not the object by which this region recognizes it: {_ADVICE};"
            f" if what it had was deleted on purpose, put an empty object {name} there"
        )
