"""Deadlines, under the name by which the engine's modules know them."""

from __future__ import annotations

from tierstore.region.deadline import Deadline

__all__ = ["Deadline"]
