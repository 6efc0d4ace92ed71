"""The suite for adapters of a regional tier."""

from __future__ import annotations

from tierstore.testing.conformance.region.applying import Applying
from tierstore.testing.conformance.region.changing import Changing
from tierstore.testing.conformance.region.committing import Committing
from tierstore.testing.conformance.region.comparing import Comparing
from tierstore.testing.conformance.region.concurrency import Concurrency
from tierstore.testing.conformance.region.connecting import Connecting
from tierstore.testing.conformance.region.contending import Contending
from tierstore.testing.conformance.region.damaged import Damaged
from tierstore.testing.conformance.region.faults import Faults
from tierstore.testing.conformance.region.feed import Feed
from tierstore.testing.conformance.region.forgetting import Forgetting
from tierstore.testing.conformance.region.hygiene import Hygiene
from tierstore.testing.conformance.region.lateness import Lateness
from tierstore.testing.conformance.region.leasing import Leasing
from tierstore.testing.conformance.region.merging import Merging
from tierstore.testing.conformance.region.moving import Garbage, Moving
from tierstore.testing.conformance.region.peering import Peering
from tierstore.testing.conformance.region.reading import Reading
from tierstore.testing.conformance.region.repeating import Repeating
from tierstore.testing.conformance.region.resuming import Resuming
from tierstore.testing.conformance.region.reviewing import Reviewing
from tierstore.testing.conformance.region.scanning import Scanning
from tierstore.testing.conformance.region.storing import Storing
from tierstore.testing.conformance.region.uniting import Uniting
from tierstore.testing.conformance.region.upkeep import Collecting, Keeping, Retiring
from tierstore.testing.conformance.region.waiting import Waiting
from tierstore.testing.conformance.region.waiting_states import WaitingStates


class RegionConformance(
    Connecting,
    Applying,
    Merging,
    Changing,
    Reading,
    Feed,
    Scanning,
    Storing,
    Keeping,
    Retiring,
    Resuming,
    Collecting,
    Leasing,
    Reviewing,
    Moving,
    Garbage,
    Waiting,
    WaitingStates,
    Peering,
    Uniting,
    Lateness,
    Comparing,
    Committing,
    Repeating,
    Damaged,
    Contending,
    Forgetting,
    Faults,
    Hygiene,
    Concurrency,
):
    """What every regional tier promises. Override the fixture `harness`."""
