"""What is raised for a history that cannot be."""

from __future__ import annotations


class HistoryError(ValueError):
    """The history contradicts itself, or its text is malformed; the message says where."""
