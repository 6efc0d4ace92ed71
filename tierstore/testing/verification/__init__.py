"""A user's own policy, verified: suites for its adapters, and a simulation under its rules."""

from __future__ import annotations

from tierstore.testing.verification.verification import Extent, Verification, verify

__all__ = ["Extent", "Verification", "verify"]
