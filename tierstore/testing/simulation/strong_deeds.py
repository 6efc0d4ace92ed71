"""Deeds of worlds in which keys go cold, and hours pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import ConflictError, OutcomeUnknownError
from tierstore.region.operations import WINDOW_MS, begun_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.runtime.chance import Chance
    from tierstore.testing.simulation.scheduler import Scheduler
    from tierstore.testing.simulation.strong_judging import Told

COLD_KEYS = ("c/0", "c/1", "c/2", "c/3")
TIMEOUT_S = 3.0
LULL_MS = 6000
LONGEST_MS = WINDOW_MS * 3 // 2
MARGIN_MS = 10_000
"""How far the clock of an edge may be off, and more than a commit takes."""


class WiderDeeds:
    """What a client of strong keys does besides. A part of `Client`."""

    name: str
    _told: Told
    _store: Any
    _scheduler: Scheduler
    _chance: Chance
    _note: Callable[..., None]
    _read: Callable[[str], None]
    _value: Callable[[], int]
    _pause: Callable[[int], None]
    _accuse: Callable[[str], None]

    # Keys that go cold

    def chilled(self) -> None:
        """Read or write a key that is seldom used."""
        key, kind = self._chance.choice(COLD_KEYS), self._chance.choice("rrrwdt")
        store, value = self._store, self._value()
        if kind == "r":
            self._read(key)
            self._note_tier(key)
        elif kind == "w":
            self._note("write", key, value, lambda: store.put(key, value, timeout=TIMEOUT_S))
        elif kind == "d":
            self._note("delete", key, None, lambda: store.delete(key, timeout=TIMEOUT_S))
        else:
            store.touch(key, ttl=None, timeout=TIMEOUT_S)

    def _note_tier(self, key: str) -> None:
        seen = self._store.read(key, timeout=TIMEOUT_S)
        if seen.found:
            self._told.note_version(key, seen.version, seen.value)
        self._told.reached["strong key read from cold"] += seen.tier == "cold"

    def create(self) -> None:
        """Write a key that must not be there."""
        key, value, store = self._chance.choice(COLD_KEYS), self._value(), self._store

        def put() -> bool:
            try:
                store.compare_and_set(key, value, expected=None, timeout=TIMEOUT_S)
            except ConflictError:
                return False
            return True

        self._note("cas", key, (None, value), put)

    def lull(self) -> None:
        """Do nothing for so long that keys go cold."""
        self._pause(LULL_MS)

    # Hours

    def long_ago(self) -> None:
        """Write, come back after the window of operation ids, and write what has to stay."""
        value, store = self._value(), self._store
        key = f"h/{self.name}/{value}"
        in_doubt = ""
        try:
            store.put(key, value, timeout=self._chance.choice((0.05, TIMEOUT_S)))
        except OutcomeUnknownError as error:
            in_doubt = error.operation_id
        self._pause(LONGEST_MS)
        if in_doubt:
            self._ask_late(in_doubt)
        store.put(key, -value, timeout=TIMEOUT_S)
        self._told.lasting[key] = -value

    def _ask_late(self, operation_id: str) -> None:
        """An id is good for its window, and for no longer."""
        begun = begun_ms(operation_id) or 0
        age_ms = self._told.now_ms() - begun
        outcome = self._store.outcome(operation_id, timeout=TIMEOUT_S)
        self._told.reached[f"commit of long ago was {outcome}"] += 1
        if outcome == "unknown" and age_ms < WINDOW_MS - MARGIN_MS:
            self._accuse(f"{operation_id} was forgotten after {age_ms} ms")
        if outcome != "unknown" and age_ms > WINDOW_MS + MARGIN_MS:
            self._accuse(f"{operation_id} was {outcome} after {age_ms} ms")

    def look_at_lasting(self) -> None:
        """What was written last is there, whatever came late."""
        for key, value in sorted(self._told.lasting.items()):
            found = self._store.get(key, timeout=TIMEOUT_S)
            if found != value:
                self._told.broken.append(f"{key}: {found} is there, {value} was written last")
