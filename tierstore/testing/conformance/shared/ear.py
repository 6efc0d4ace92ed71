"""Somebody who listens to an edge in a thread of its own, and what was heard, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from tierstore.region.shared import SharedEdge

WAIT_S = 0.05
WITHIN_S = 20.0


class Ear:
    """Listens while entered; ready as soon as it is entered."""

    def __init__(self, edge: SharedEdge) -> None:
        self._edge, self._runtime = edge, Runtime()
        self._stop, self._heard = self._runtime.event(), self._runtime.event()
        self.ended = self._runtime.event()
        self.words: list[Sequence[str] | str | None] = []
        """"ready", then what `on_gone` was told."""
        self.error: Exception | None = None

    def __enter__(self) -> Self:
        self._runtime.spawn(self._listen, "ear")
        self.wait_until(lambda: bool(self.words) or self.ended.is_set())
        if self.error is not None:
            raise self.error
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop, and see that listening has returned."""
        self._stop.set()
        assert self.ended.wait(WITHIN_S), "a stopped listener did not return"

    def keys(self) -> set[str]:
        """The keys that were heard of by name."""
        return {key for word in self.words if isinstance(word, (list, tuple)) for key in word}

    def heard_of_all(self) -> bool:
        """Whether it was told that everything may have changed."""
        return None in self.words

    def hears(self, *keys: str) -> bool:
        """Wait until it has heard of all of `keys`; False if that takes too long."""
        return self.wait_until(lambda: self.heard_of_all() or set(keys) <= self.keys())

    def forget(self) -> None:
        """Begin anew."""
        self.words.clear()

    def wait_until(self, is_so: Callable[[], bool]) -> bool:
        """Whether `is_so` becomes true in time."""
        ends = self._runtime.monotonic() + WITHIN_S
        while not is_so():
            if self._runtime.monotonic() > ends:
                return False
            self._heard.wait(WAIT_S)
            self._heard.clear()
        return True

    def _listen(self) -> None:
        try:
            self._edge.listen(self._on_ready, self._on_gone, WAIT_S, self._stop.is_set)
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()
            self._heard.set()

    def _on_ready(self) -> None:
        self.words.append("ready")
        self._heard.set()

    def _on_gone(self, keys: Sequence[str] | None) -> None:
        self.words.append(None if keys is None else list(keys))
        self._heard.set()
