"""Logging, imported when there is something to log; once per transition, never per operation."""

from __future__ import annotations


def log(level: str, message: str, *arguments: object, cause: BaseException | None = None) -> None:
    """Log to the logger `tierstore`, with the traceback of `cause` if there is one."""
    import logging

    logger = logging.getLogger("tierstore")
    logger.log(getattr(logging, level.upper()), message, *arguments, exc_info=cause)


def log_reach(tier: str, was: str | None, failure: str | None) -> None:
    """Log when `tier` stops answering, with the `failure`, and when it answers again."""
    if (was is None) is (failure is None):
        return
    if failure is None:
        log("info", f"{tier} answers again")
    else:
        log("warning", f"{tier} cannot be reached: %s", failure)
