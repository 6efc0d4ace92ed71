"""The suite for adapters of an edge that the workers of a point of presence share."""

from __future__ import annotations

from tierstore.testing.conformance.shared.changing import (
    Basing,
    Changing,
    Expelling,
    Succeeding,
)
from tierstore.testing.conformance.shared.concurrency import SharedConcurrency
from tierstore.testing.conformance.shared.filling import Filling, Refilling, Voiding
from tierstore.testing.conformance.shared.hygiene import (
    Neighbours,
    SharedConnecting,
    SharedHygiene,
)
from tierstore.testing.conformance.shared.listening import Listening
from tierstore.testing.conformance.shared.noticing import Noticing, Showing, Withdrawing
from tierstore.testing.conformance.shared.numbering import (
    Identities,
    Losing,
    Numbering,
    Restarting,
)
from tierstore.testing.conformance.shared.reading import SharedReading, SharedTrip
from tierstore.testing.conformance.shared.settling import Queueing, Settling
from tierstore.testing.conformance.shared.standing import Leading, StandingTogether
from tierstore.testing.conformance.shared.writing import (
    Refusing,
    Repeating,
    SharedWriting,
    Touching,
)


class SharedConformance(
    SharedReading,
    SharedTrip,
    Filling,
    Voiding,
    Refilling,
    Noticing,
    Showing,
    Withdrawing,
    SharedWriting,
    Repeating,
    Touching,
    Refusing,
    Numbering,
    Identities,
    Restarting,
    Losing,
    Queueing,
    Settling,
    Changing,
    Basing,
    Succeeding,
    Expelling,
    Leading,
    StandingTogether,
    Listening,
    SharedConcurrency,
    SharedConnecting,
    SharedHygiene,
    Neighbours,
):
    """What every shared edge promises. Override the fixture `harness`."""
