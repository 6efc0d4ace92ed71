"""What happens to open stores when the process forks.

SQLite connections and locks must not be inherited by a child (sqlite.org/howtocorrupt.html,
section 2.6). Objects registered here are told before and after `os.fork`: in the parent they
close what must not be shared and go on; in the child they forget what was the parent's.
"""

from __future__ import annotations

import _thread
import os
import sys
import time
from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class ForkAware(Protocol):
        """An object with something that must not cross a fork."""

        def before_fork(self) -> None: ...
        def after_fork_in_parent(self) -> None: ...
        def after_fork_in_child(self) -> None: ...


OURS = "tierstore"
IMPORT_WAIT_S, IMPORT_WAITS = 0.001, 1000

_aware: list[ref[ForkAware]] = []
_hooked = False
_forking = _thread.allocate_lock()
_told: list[ForkAware] = []
"""Who was told of the fork under way, and no other, is told when it is over."""


def register(aware: ForkAware) -> None:
    """Tell `aware` of every fork from now on, as long as it is alive."""
    global _hooked
    if not _hooked and hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
        _hooked = True
    _aware[:] = [known for known in _aware if known() is not None]
    _aware.append(ref(aware))


def unregister(aware: ForkAware) -> None:
    """Never tell `aware` again."""
    _aware[:] = [known for known in _aware if known() not in (None, aware)]


def _before() -> None:
    # The oldest first: a store takes its locks before the adapters that it calls take theirs, as
    # its verbs do. While one is waited for, a verb may make another.
    _forking.acquire()
    while (aware := _next_untold()) is not None:
        _told.append(aware)
        aware.before_fork()
    _await_imports()


def _await_imports() -> None:
    """Wait until no thread is importing a module of ours: a child would wait for it for ever.

    Verbs import what they need at first use. Who forks in an import waits for itself, not long.
    """
    for _ in range(IMPORT_WAITS):
        if not _are_imports_under_way():
            return
        time.sleep(IMPORT_WAIT_S)


def _are_imports_under_way() -> bool:
    """Whether one of our modules is locked, from before it is looked for until it has run.

    Until it was found it is not in `sys.modules`; only importlib knows.
    """
    locks = getattr(sys.modules["_frozen_importlib"], "_module_locks", ())
    return any(name.startswith(OURS) for name in list(locks))


def _next_untold() -> ForkAware | None:
    for known in _aware:
        aware = known()
        if aware is not None and not any(aware is other for other in _told):
            return aware
    return None


def _in_parent() -> None:
    try:
        while _told:
            _told.pop().after_fork_in_parent()
    finally:
        _forking.release()


def _in_child() -> None:
    try:
        while _told:
            _told.pop().after_fork_in_child()
    finally:
        _forking.release()
