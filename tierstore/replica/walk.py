"""Walking over resident copies: what their counters say is noted, judged, and told the region."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.region.deadline import Deadline
    from tierstore.replica.flush import Flusher
    from tierstore.replica.state import ReplicaState

KEYS_MAX = 500


class Walker:
    """Looks at a slice of the copies at a time, as `memory` writes wait meanwhile."""

    def __init__(self, state: ReplicaState, flusher: Flusher) -> None:
        self._state = state
        self._flusher = flusher

    @property
    def is_needed(self) -> bool:
        """Whether there are copies to look at, or perhaps reads without one to tell of."""
        heat = self._state.heat
        return bool(self._state.edge.resident) or (heat is not None and heat.is_curious)

    def walk(self, deadline: Deadline) -> None:
        """Look at all copies, and tell the region what is new, now and then.

        Raises UnavailableError if the region is not there to be told; nothing is lost by that.
        """
        self._look(deadline)
        with self._state.lock:
            tells = self._state.keep_heat().may_tell()
        if tells:
            self._flusher.tell_heat(deadline.again())

    def finish(self, deadline: Deadline) -> None:
        """Tell the region all that is new, if it was ever asked and is there: nobody will later."""
        heat, link = self._state.heat, self._state.link
        if heat is not None and heat.tiered and link.registration is not None and link.reachable:
            self._look(deadline)
            if heat.has_news:
                self._flusher.tell_heat(deadline)

    def _look(self, deadline: Deadline) -> None:
        state = self._state
        heat, keys = state.keep_heat(), list(state.edge.resident)
        for start in range(0, len(keys), KEYS_MAX):
            with state.lock:
                heat.walk(keys[start : start + KEYS_MAX])
                is_full = heat.is_full
            if is_full:
                self._flusher.tell_heat(deadline.again())
