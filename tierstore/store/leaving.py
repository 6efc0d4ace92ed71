"""Leaving a store: while an exception is on its way, which is what the caller must see; or never.

What nobody closed is released when it is collected, or at the end of the interpreter.
"""

from __future__ import annotations

from _weakref import ref

from tierstore.replica.log import log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.store.core import Core


def note_failure(error: BaseException, failure: Exception) -> None:
    """Tell of `failure`, which closing met on the way of `error`: in a note on it, and in the log.

    `error` may be one that nothing may replace: CancelledError, KeyboardInterrupt, SystemExit.
    """
    error.add_note(f"closing the store failed as well: {failure}")
    log("error", "closing a store failed: %s", failure)


_opened: list[ref[Core]] = []


def abandon_at_exit(core: Core) -> None:
    """Let the end of the interpreter find `core`, when it can no longer find itself."""
    if not _opened:
        import atexit

        atexit.register(_abandon_all)
    _opened[:] = [known for known in _opened if known() is not None]
    _opened.append(ref(core))


def _abandon_all() -> None:
    for known in _opened:
        if (core := known()) is not None:
            core.abandon()


def warn_unclosed(core: Core, waiting: int, keys: str) -> None:
    """Say with a ResourceWarning that nobody closed a store, in which so many writes waited."""
    import warnings

    counted = "1 write was" if waiting == 1 else f"{waiting} writes were"
    warnings.warn(
        f"a tierstore store of {core.policy.source} was not closed"
        + (f": {counted} not flushed ({keys})" if waiting else ""),
        ResourceWarning,
        stacklevel=3,
        source=core,
    )
