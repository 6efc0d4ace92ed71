"""Logging, imported when there is something to log; once per transition, never per operation."""

from __future__ import annotations


def log(level: str, message: str, *arguments: object) -> None:
    """Log to the logger `tierstore`."""
    import logging

    logging.getLogger("tierstore").log(getattr(logging, level.upper()), message, *arguments)
