"""What clients do with bounded counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.coordinator.escrow_demand import CALM_S
from tierstore.errors import FencedError, InsufficientRightsError, TierStoreError, UnavailableError
from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.strong_escrow import SellingWorkload

DEEDS = (
    "take", "take", "take", "take", "take", "take", "own", "own", "own", "rush", "rush", "give",
    "give", "restock", "restock", "look", "rest",
)  # fmt: skip
KEYS = ("stock/0", "stock/1")
TIMEOUT_S = 3.0
UNITS = (1, 1, 1, 1, 2, 3, 8, 1000)
GIFTS = (3, 10, 40)
RUSH = 12
"""How many a client takes in a row, at most."""
HASTY_S = 0.05
LASTING = 0.9
"""How often it goes on selling of its own rights."""
DOZE_S_MAX = 2.5
REST_S_MAX = 40
"""For so long clients sell nothing at times, so that rights go back."""


class Seller:
    """One task of one life of a node."""

    def __init__(self, workload: SellingWorkload, node: Node, number: int) -> None:
        self.name = f"{node.name}.{node.lives}.{number}"
        self._workload = workload
        self._till = workload.books.till
        self._store: Any = node.store
        self._scheduler = workload.cluster.scheduler
        self._reached = workload.cluster.reached
        self._chance = Chance(workload.cluster.seed, "seller", self.name)
        self._node = node
        self._given = 0

    def run(self) -> None:
        """Do one deed after the other, until none is left."""
        while self._workload.left > 0:
            self._workload.left -= 1
            self._pause(self._workload.cluster.options.pause_ms_max)
            deed: Callable[[], None] = getattr(self, self._chance.choice(self._workload.deeds))
            try:
                deed()
            except TierStoreError:
                self._reached["deed of a seller failed"] += 1

    def finish(self) -> None:
        """Look at everything once more, so that it is looked after; then tell of each gift."""
        for key in KEYS:
            self._store.bounded_counter(key).get(timeout=TIMEOUT_S)
        for name in sorted(self._till.gifts):
            if self._store.outcome(name, timeout=TIMEOUT_S) == "applied":
                self._till.confirmed.add(name)
            elif name in self._till.confirmed:
                self._workload.books.broken.append(f"{name} was confirmed, and did not happen")
            else:
                self._till.gifts.pop(name, None)

    def take(self) -> None:
        """Sell a few, or more than there are."""
        self._sell(self._chance.choice(KEYS), self._chance.choice(UNITS))

    def rush(self) -> None:
        """Sell one after the other, until there are none."""
        key = self._chance.choice(KEYS)
        for _ in range(RUSH):
            if not self._sell(key, 1):
                return

    def own(self) -> None:
        """Sell of what there are rights to here, one now and then, whoever is away."""
        stock, key = self._store.bounded_counter, self._chance.choice(KEYS)
        while stock(key).rights() and self._chance.random() < LASTING:
            self._sell(key, 1)
            self._pause(self._workload.cluster.options.pause_ms_max)

    def hasty(self) -> None:
        """Ask for the first rights to a key; without an answer, go before it can have come."""
        key = f"stock/{self.name}.{self._workload.left}"
        self._give(key, GIFTS[0])
        try:
            self._sell(key, 1, HASTY_S)
        except UnavailableError:
            self._workload.leave(self._node)
            raise

    def _sell(self, key: str, units: int, timeout_s: float = TIMEOUT_S) -> bool:
        """Whether it was acknowledged. What is not refused for certain stays in doubt."""
        till, weather = self._till, self._node.to_region
        is_away = weather.refuses + weather.loses_requests + weather.loses_replies > 0
        till.doubtful[key] += units
        try:
            self._store.bounded_counter(key).take(units, timeout=timeout_s)
        except (InsufficientRightsError, FencedError):
            till.doubtful[key] -= units
            self._reached["sale refused"] += 1
            return False
        except UnavailableError as error:
            if "notes." not in str(error):  # nor is it known whether the disk has it
                till.doubtful[key] -= units
            raise
        till.doubtful[key] -= units
        till.sold[key] += units
        self._reached["sale while the coordinator is away"] += is_away
        return True

    def give(self) -> None:
        """Give some more, and perhaps tell that twice."""
        self._give(self._chance.choice(KEYS), self._chance.choice(GIFTS))

    def _give(self, key: str, units: int) -> None:
        self._given += 1
        name = f"gift {self.name} {self._given}"
        self._till.gifts[name] = key, units
        for _ in range(self._chance.choice((1, 1, 2))):
            life = self._workload.books.life
            self._store.bounded_counter(key).give(units, timeout=TIMEOUT_S, operation_id=name)
            if life == self._workload.books.life:  # else another one may have forgotten it
                self._till.confirmed.add(name)

    def restock(self) -> None:
        """Give some more where nothing is left."""
        if not self._sell(self._chance.choice(KEYS), 1):
            self.give()

    def look(self) -> None:
        """Look how many there are at most: never fewer than there are."""
        key, till = self._chance.choice(KEYS), self._till
        least = till.given(key)[0]
        value = self._store.bounded_counter(key).get(timeout=TIMEOUT_S)
        least -= till.sold[key] + till.doubtful[key]
        most = till.given(key)[1]
        if not least <= value <= most and not self._workload.books.life:
            self._workload.books.broken.append(f"{key}: {value} are shown of {least} to {most}")

    def rest(self) -> None:
        """Sell nothing for a while."""
        self._scheduler.sleep(int(self._chance.random() * REST_S_MAX * NS_PER_S))

    def doze(self) -> None:
        """Sell one of its own, and the next about when the rights to it go back."""
        key = f"stock/{self.name}"
        self._give(key, GIFTS[0])
        while self._workload.left > 0 and self._sell(key, 1):
            self._workload.left -= 1
            self._scheduler.sleep(int((CALM_S + self._chance.random() * DOZE_S_MAX) * NS_PER_S))

    def _pause(self, most_ms: int) -> None:
        self._scheduler.sleep(int(self._chance.random() * most_ms * NS_PER_MS))
