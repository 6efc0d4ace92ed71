"""The suite for adapters of a cold tier."""

from __future__ import annotations

from tierstore.testing.conformance.object.concurrency import ConcurrentObjects
from tierstore.testing.conformance.object.faults import ObjectFaults, ObjectTrouble
from tierstore.testing.conformance.object.hygiene import ObjectHygiene
from tierstore.testing.conformance.object.listing import Foreign, ListingOfObjects
from tierstore.testing.conformance.object.names import Deleting, Names
from tierstore.testing.conformance.object.putting import Putting
from tierstore.testing.conformance.object.ranges import Ranges, Streaming


class ObjectConformance(
    Putting,
    Ranges,
    Streaming,
    ListingOfObjects,
    Foreign,
    Names,
    Deleting,
    ConcurrentObjects,
    ObjectFaults,
    ObjectTrouble,
    ObjectHygiene,
):
    """What every cold tier promises. Override the fixture `harness`."""
