"""Sessions that travel: each is a token that is handed from edge to edge, as text."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tierstore.errors import StaleReplicaError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from tierstore.store.store import Store
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.script import Step

SESSION_VERBS = frozenset((
    "put", "get", "read", "delete", "get_many", "add", "sum", "discard", "all", "contains",
))  # fmt: skip
"""What clients do as part of a session."""


@dataclass(slots=True)
class Traveller:
    """One client that goes on elsewhere."""

    token: str | None = None
    serial: int = 0
    """How often it has gone on without what it had seen."""
    is_busy: bool = False
    node: Node | None = None
    """Where it was last."""


class Travellers:
    """All of a run, by number."""

    def __init__(self, reached: Counter[str]) -> None:
        self._reached = reached
        self._known: dict[int, Traveller] = {}

    @contextmanager
    def view(self, node: Node, store: Store, name: str, step: Step) -> Iterator[tuple[Store, str]]:
        """What a step is done with, and as whom; a session that is busy elsewhere stays out."""
        traveller = self._known.setdefault(step.session, Traveller())
        if not step.session or traveller.is_busy:
            yield store, name
            return
        traveller.is_busy = True
        try:
            session = store.session(traveller.token)
            try:
                yield session, f"{name}~{step.session}.{traveller.serial}"
            except StaleReplicaError as error:
                if error.lost:
                    session.forget()
                    traveller.serial += 1
            else:
                self._note(traveller, node)
            traveller.token = session.session_token
        finally:
            traveller.is_busy = False

    def _note(self, traveller: Traveller, node: Node) -> None:
        before, traveller.node = traveller.node, node
        if before is not None and before.machine.site is not node.machine.site:
            self._reached["session went on in another region"] += 1
        elif before not in (None, node):
            self._reached["session went on at another edge"] += 1


def session_of(process: str) -> str:
    """The session as part of which something was done; nothing if it was of none."""
    return process.partition("~")[2]
