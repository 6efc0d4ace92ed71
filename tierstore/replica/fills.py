"""Fills: copies on their way from the region to the edge.

A fill registers its key before it reads. A write here, or a row of the feed, voids it: what it
brings may then be older than what is known, so it answers its reader but is not installed. (The
lease of Nishtala et al., "Scaling Memcache at Facebook", NSDI'13, section 3.2.1, within one
process.) One flight per key: later readers wait for it, and if its leader fails, one of them leads.

All methods but `Flight.wait` and `Fills.fail` need the replica's lock.
"""

from __future__ import annotations

from tierstore.errors import DeadlineExceededError, UnavailableError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tierstore.runtime import Event, Lock, Runtime


class Flight:
    """One key's read at the region, and those who wait for it."""

    __slots__ = ("counts", "error", "key", "landed", "voided")

    def __init__(self, key: str, *, counts: bool = False) -> None:
        self.key = key
        self.counts = counts  # as a use of the key
        self.voided = False
        self.landed: Event | None = None
        self.error: UnavailableError | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it landed, failed or was voided."""
        return self.landed is not None and self.landed.is_set()

    def wait(self, timeout_s: float) -> None:
        """Return when the flight has landed or was voided, or after `timeout_s`."""
        if self.landed is not None:
            self.landed.wait(timeout_s)


class Fills:
    """The flights under way, one a key."""

    __slots__ = ("_runtime", "flights")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.flights: dict[str, Flight] = {}

    def lead(self, key: str, *, counts: bool = True) -> Flight | None:
        """A new flight for the caller to lead, or None if one is under way: then `follow` it."""
        if key in self.flights:
            return None
        flight = self.flights[key] = Flight(key, counts=counts)
        return flight

    def follow(self, key: str) -> Flight:
        """The flight under way, ready to be waited for."""
        flight = self.flights[key]
        if flight.landed is None:
            flight.landed = self._runtime.event()
        return flight

    def claim(self, key: str) -> Flight:
        """A new flight that replaces one under way: the feed says that it would be too old."""
        self.void(key)
        flight = self.flights[key] = Flight(key)
        return flight

    def void(self, key: str) -> None:
        """Let nobody install what the flight of `key` brings; its followers look again."""
        flight = self.flights.pop(key, None)
        if flight is not None:
            flight.voided = True
            self._runtime.sometimes("fill voided")
            if flight.landed is not None:
                flight.landed.set()

    def void_all(self) -> None:
        """Void every flight."""
        for key in list(self.flights):
            self.void(key)

    def fail(self, flights: list[Flight], error: BaseException, lock: Lock) -> None:
        """End those of `flights` that are still under way, because their leader failed.

        Followers share the news that the region is away; from anything else, such as a short
        deadline of the leader's own, one of them takes over. Takes the replica's lock itself.
        """
        shared = isinstance(error, UnavailableError) and not isinstance(
            error, DeadlineExceededError
        )
        with lock:
            for flight in flights:
                if self.flights.get(flight.key) is flight:
                    self.land(flight, error if shared else None)  # type: ignore[arg-type]

    def land(self, flight: Flight, error: UnavailableError | None = None) -> bool:
        """End a flight; True if what it brought may be installed.

        `error` reaches its followers. Without one they look again, and one of them leads.
        """
        if flight.voided:
            return False
        del self.flights[flight.key]
        flight.error = error
        if flight.landed is not None:
            flight.landed.set()
        return error is None
