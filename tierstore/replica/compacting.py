"""Walking through the sets and documents of the region, so that they forget what they can."""

from __future__ import annotations

from tierstore.replica.schedule import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.region.protocol import Compaction
    from tierstore.replica.engine import Replica
    from tierstore.replica.state import ReplicaState

KEYS_A_STEP = 1000
PAUSE_S = 60.0
"""Between steps of a round."""
REST_S = 3600.0
"""Between rounds: who is gone, and what is old, is so an hour later, too."""


def make_step(replica: Replica) -> Step:
    """The background step."""
    walk = CompactionWalk(replica)
    return Step("compact", REST_S, walk.step, lambda: True, walk.pause_s, walk.next_slice)


class CompactionWalk:
    """Where the walk is. It begins anew with each process: all that it does can be done again."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._at = ""

    def step(self) -> None:
        """One bounded step."""
        state = self._replica.state
        link = state.link
        done = link.call(
            lambda timeout_s: link.region.compact(self._at, KEYS_A_STEP, timeout_s),
            self._replica.deadline(),
        )
        self._at = done.next_key or ""
        count(state, done)

    def pause_s(self) -> float:
        """When the next step is wanted."""
        return PAUSE_S if self._at else REST_S

    def next_slice(self) -> Callable[[], object] | None:
        """Another step, if this round is not at its end."""
        return self.step if self._at else None


def count(state: ReplicaState, done: Compaction) -> None:
    """Let `stats` tell what was done."""
    tally = state.tally
    tally.sets_lightened += done.sets
    tally.documents_compacted += done.documents
    tally.pasts_forgotten += done.pasts
    if done.documents:
        state.runtime.sometimes("document made compact")
    if done.pasts:
        state.runtime.sometimes("past of a document forgotten")
    if done.sets:
        state.runtime.sometimes("origins in a set forgotten")
