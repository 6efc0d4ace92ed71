"""A process of its own that runs links: for regions whose edges cannot reach each other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.errors import TierStoreError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.linking.linking import Linking
    from tierstore.runtime import Event, Runtime

    Tell = Callable[[str], None]

ONCE_PAUSE_S = 0.2


class Relay:
    """Runs `linking` in the calling thread, and tells in words when a link fails or recovers."""

    def __init__(self, linking: Linking, runtime: Runtime, pause_s: float, tell: Tell) -> None:
        self._linking = linking
        self._runtime = runtime
        self._pause_s = pause_s
        self._tell = tell
        self._told: dict[tuple[str, str], str | None] = {}

    def run(self, stopped: Event) -> None:
        """Take step after step until `stopped` is set."""
        while not stopped.is_set():
            self._step()
            stopped.wait(self._pause_s)

    def run_once(self, timeout_s: float) -> None:
        """Take steps until every target has what its source has now.

        Raises UnavailableError, or what a link failed with last, when the time is up.
        """
        began_s = self._runtime.monotonic()
        while not self._linking.is_current(began_s):
            error = self._step(patiently=True)
            if self._runtime.monotonic() - began_s > timeout_s:
                raise error or UnavailableError(
                    f"not all links are through after {timeout_s:g} s: more time, or another"
                    " process that runs them, is needed"
                )
            if error is not None or not self._linking.is_current(began_s):
                self._runtime.sleep(ONCE_PAUSE_S)
        self._step(patiently=True)  # past what the links themselves have changed

    def _step(self, *, patiently: bool = False) -> TierStoreError | None:
        error = None
        try:
            self._linking.step(patiently=patiently)
        except TierStoreError as exc:
            error = exc
        for figures in self._linking.figures():
            link = figures.source, figures.target
            if self._told.get(link) != figures.error:
                self._told[link] = figures.error
                self._tell(f"{link[0]} to {link[1]}: {figures.error or 'works again'}")
        return error
