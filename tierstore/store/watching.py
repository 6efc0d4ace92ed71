"""Watching: what changes under a prefix, for as long as somebody listens."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from tierstore.errors import InvalidArgumentError, StoreClosedError
from tierstore.keys import check_prefix
from tierstore.replica.watching import here, look
from tierstore.store.arguments import seconds
from tierstore.store.pickling import refuse_pickling
from tierstore.store.results import Change, Gap
from tierstore.values.opaque import Opaque

if TYPE_CHECKING:
    from typing import Self

    from tierstore.replica.watching import Look
    from tierstore.store.core import Core

CURSOR_FORMAT = 1
CURSOR = Opaque("since", "a cursor of a watch", {CURSOR_FORMAT: (str, int, int, str)})
NAP_S = 0.2
"""How long a wait lasts before it looks whether the watch was closed."""


class Watch:
    """An endless iterator of `Change` and `Gap`; made by `store.watch`.

    It tells the latest change of each key in the region, in the region's order: those of all
    edges, once they have flushed. Of several changes of one key it may tell only the last. That a
    key expires is no change. One thread at a time may iterate; `close` may come from any.
    """

    def __init__(self, core: Core, view: str, prefix: str, since: str | None) -> None:
        self._core = core
        self._view = view
        self._prefix = prefix
        self._home = core.homes.only(view + prefix)
        self._since = since
        self._place = None if since is None else _decode(since, view + prefix)
        self._position = 0
        self._region: tuple[str, int] | None = None
        self._ready: deque[Change | Gap] = deque()
        self._lock = core.runtime.lock()  # a step that was cancelled may still be under way
        self.is_closed = False

    __reduce__ = refuse_pickling("a watch", "hand on the cursor of a change")

    def begin(self) -> None:
        """Start now, or where `since` says; iterating does it, too. Raises UnavailableError."""
        if self._region is None:
            with self._lock:
                if self._region is None:
                    self._begin()

    def _begin(self) -> None:
        core = self._core
        core.ensure_open()
        deadline = core.deadline(None)
        state = self._home.state
        info = state.link.register(deadline).info
        region = (info.region, info.incarnation)
        if self._place is None:
            self._position = here(state, deadline.renewed())
        elif self._place[0] != info.region:
            raise InvalidArgumentError("since: a cursor of another region")
        elif self._place[1] != info.incarnation:
            self._position = here(state, deadline.renewed())
            self._ready.append(Gap(self._cursor(self._position, region)))
        else:
            self._position = self._place[2]
        self._region = region

    def next(self, timeout: float | None = None) -> Change | Gap | None:
        """The next change; None if there was none within `timeout` seconds (None: wait).

        Raises UnavailableError if the region does not answer, StoreClosedError after `close`.
        """
        timeout_s = seconds("timeout", timeout)
        runtime = self._core.runtime
        until_s = None if timeout_s is None else runtime.monotonic() + timeout_s
        self.begin()
        while True:
            if (change := self.poll()) is not None:
                return change
            left_s = self._core.policy.replication.pull_s
            if until_s is not None:
                left_s = min(left_s, until_s - runtime.monotonic())
                if left_s <= 0:
                    return None
            self._wait(left_s)

    def poll(self) -> Change | Gap | None:
        """The next change if there is one now, by asking the region if none is known yet."""
        if not self._ready:
            self.look()
        self.refuse_closed()
        return self._ready.popleft() if self._ready else None

    def has_begun(self) -> bool:
        """Whether `begin` has no more to do."""
        return self._region is not None

    def has_ready(self) -> bool:
        """Whether a change is known that was not told yet."""
        return bool(self._ready)

    def look(self) -> None:
        """Ask the region for what changed, until something did or there is no more.

        Raises UnavailableError; what was found before is kept, and the next look goes on.
        """
        prefix = self._view + self._prefix
        with self._lock:
            while not self._ready:
                self.refuse_closed()
                state, deadline = self._home.state, self._core.deadline(None)
                found = look(state, prefix, self._position, deadline)
                self._take(found)
                if found.is_complete:
                    return

    def _take(self, found: Look) -> None:
        cut = len(self._view)
        for seen in found.seen:
            if not self._core.homes.holds(self._home, seen.key):
                continue
            cursor = self._cursor(seen.position)
            self._ready.append(Change(seen.key[cut:], seen.kind, seen.version, cursor))
        if found.is_gap:
            self._ready.append(Gap(self._cursor(found.position)))
        self._position = found.position

    def _wait(self, wait_s: float) -> None:
        """Let time pass, in parts, so that closing need not wait for all of it."""
        runtime = self._core.runtime
        until_s = runtime.monotonic() + wait_s
        while (left_s := until_s - runtime.monotonic()) > 0:
            self.refuse_closed()
            runtime.sleep(min(left_s, NAP_S))

    def refuse_closed(self) -> None:
        """Raise StoreClosedError once this or the store was closed."""
        self._core.refuse_closed()
        if self.is_closed:
            raise StoreClosedError("the watch is closed")

    def _cursor(self, position: int, region: tuple[str, int] | None = None) -> str:
        name, incarnation = region or self._region or ("", 0)
        prefix = self._view + self._prefix
        return CURSOR.encode(CURSOR_FORMAT, name, incarnation, position, prefix)

    def close(self) -> None:
        """Let an iteration that waits end. Idempotent."""
        self.is_closed = True

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Change | Gap:
        try:
            change = self.next()
        except StoreClosedError:
            if self.is_closed:
                raise StopIteration from None
            raise
        assert change is not None
        return change


def make_watch(core: Core, view: str, prefix: str, since: str | None) -> Watch:
    """A watch of the keys under `prefix` of a view. Contacts nothing yet.

    Raises ConsistencyMismatchError if some of them are in another database than others.
    """
    check_prefix(prefix)
    core.refuse_closed()
    return Watch(core, view, prefix, since)


def _decode(cursor: str, prefix: str) -> tuple[str, int, int]:
    """Region, incarnation and position that a cursor names. Raises InvalidArgumentError."""
    _, region, incarnation, position, of_prefix = CURSOR.decode(cursor)
    if position < 0:
        raise CURSOR.refusal()
    if of_prefix != prefix:
        raise InvalidArgumentError("since: a cursor of a watch of another prefix")
    return region, incarnation, position
