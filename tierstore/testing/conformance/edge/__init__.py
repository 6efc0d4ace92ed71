"""The suite for edges: a store over one keeps what a store promises."""

from __future__ import annotations

from tierstore.testing.conformance.edge.ageing import Ages, Lifetimes, Negatives
from tierstore.testing.conformance.edge.ending import Closing, EdgeConcurrency, Identity, Telling
from tierstore.testing.conformance.edge.flushing import Flushing, Pressure
from tierstore.testing.conformance.edge.holding import Capacity, Races
from tierstore.testing.conformance.edge.reading import EdgeReading, EdgeScanning
from tierstore.testing.conformance.edge.surviving import Durabilities, Journaling


class EdgeConformance(
    EdgeReading,
    EdgeScanning,
    Flushing,
    Pressure,
    Journaling,
    Durabilities,
    Lifetimes,
    Ages,
    Negatives,
    Capacity,
    Races,
    Closing,
    Identity,
    EdgeConcurrency,
    Telling,
):
    """What every edge promises. Override the fixture `harness`."""
