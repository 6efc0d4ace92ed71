"""From a store's parts to its escrow: made at first use, or when a journal has notes of it."""

from __future__ import annotations

from tierstore.errors import PolicyError
from tierstore.replica.schedule import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tierstore.coordinator.escrow import Escrow
    from tierstore.coordinator.escrow_ledgers import Ledgers
    from tierstore.region.deadline import Deadline
    from tierstore.replica.engine import Replica
    from tierstore.tiers.journal.file import JournalFile

INTERVAL_S = 1.0
STEP = "escrow"


class Keeper:
    """Has the escrow of one identity of a replica, once that is needed."""

    def __init__(self, replica: Replica, coordinator: Replica) -> None:
        self._replica = replica
        self._coordinator = coordinator
        self._state = replica.state
        self._making = replica.runtime.lock()
        self._made: Escrow | None = None
        self._journal: JournalFile | None = None  # the one known to have no notes

    # As the ground of its escrow

    @property
    def holder(self) -> int:
        """Under which id the coordinator keeps what is granted from now on."""
        return self._state.replica

    def standing(self, deadline: Deadline) -> tuple[str, int]:
        """Which database decides, and in which of its lives. Raises UnavailableError."""
        info = self._coordinator.state.link.register(deadline).info
        self._replica.start()
        return info.region, info.incarnation

    def deadline(self) -> Deadline:
        """For one exchange in the background."""
        return self._replica.deadline()

    def hasten(self) -> None:
        """Let the background step run soon."""
        replica = self._replica
        replica.start()
        replica.schedule.hasten(STEP, 0.0)
        if (driver := replica._driver) is not None:
            driver.wake()

    def warn(self, text: str, *arguments: object) -> None:
        """Tell the operator."""
        from tierstore.replica.log import log

        log("warning", text, *arguments)

    # Making

    @property
    def escrow(self) -> Escrow:
        """The escrow of this process. Raises UnavailableError if the journal cannot be used."""
        if self._state.shared is not None:  # which only the environment told
            raise PolicyError("a bounded_counter needs edge: memory://, not one of Redis")
        if self._made is None:
            self._replica._ensure_journal()
            with self._making:
                if self._made is None:
                    self._made = self._make()
            self._replica.start()  # what earlier processes left does not wait for a sale
        return self._made

    def _make(self) -> Escrow:
        from tierstore.coordinator.escrow import Escrow
        from tierstore.coordinator.escrow_purse import NotesInMemory, Purse

        journal, runtime = self._state.journal, self._replica.runtime
        notes = NotesInMemory() if journal is None else journal.escrow
        purse = Purse(notes, self._state.escrow_lock, runtime)
        return Escrow(self.ledgers(), purse, self, runtime)

    def ledgers(self) -> Ledgers:
        """The coordinator's records, which need no journal."""
        from tierstore.coordinator.escrow_ledgers import Ledgers
        from tierstore.store.wiring import make_central

        return Ledgers(make_central(self._coordinator), self._replica.runtime)

    # In the background

    def is_needed(self) -> bool:
        """Whether there are rights to look after."""
        if self._made is not None:
            return True
        journal = self._state.journal
        if journal is None or journal is self._journal:
            return False
        if journal.escrow.exists():
            return True
        self._journal = journal
        return False

    def step(self) -> None:
        """Confirm, report, ask for more and return; see `Escrow.step`."""
        self.escrow.step()

    def release(self, timeout_s: float) -> None:
        """Return what is held, as far as the coordinator can be told."""
        if self._made is not None:
            self._made.close(self._replica.deadline(timeout_s))

    def adopt(self, journal: JournalFile, deadline: Deadline) -> None:
        """Report what a dead process sold and return the rest."""
        if journal.escrow.exists():
            self.escrow.adopt(journal.escrow, deadline)

    def figures(self) -> dict[str, Any] | None:
        """For `stats`; None if nothing was ever taken here."""
        return None if self._made is None else self._made.figures()


def make_escrow_steps(replica: Replica, coordinator: Replica | None = None) -> list[Step]:
    """What looks after the rights of a replica, and of the dead whose journals it finds.

    They are granted in the database of `coordinator`, if that is another one than the replica's.
    """
    keeper = Keeper(replica, coordinator or replica)
    replica.state.keeper = keeper
    if replica.adopter is not None:
        replica.adopter.on_orphan = keeper.adopt
    return [Step(STEP, INTERVAL_S, keeper.step, keeper.is_needed, release=keeper.release)]
