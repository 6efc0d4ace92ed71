"""Leaving `with store:` while an exception is on its way: that one is what the caller must see."""

from __future__ import annotations

from tierstore.replica.log import log


def note_failure(error: BaseException, failure: Exception) -> None:
    """Tell of `failure`, which closing met on the way of `error`: in a note on it, and in the log.

    `error` may be one that nothing may replace: CancelledError, KeyboardInterrupt, SystemExit.
    """
    error.add_note(f"closing the store failed as well: {failure}")
    log("error", "closing a store failed: %s", failure)
