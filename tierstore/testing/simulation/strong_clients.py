"""What clients do with strong keys, each deed another part of what is promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tierstore.errors import (
    AlreadyCommittedError,
    ConflictError,
    InvalidArgumentError,
    LeaseHeldError,
    LeaseLostError,
    OutcomeUnknownError,
    TierStoreError,
)
from tierstore.region.commits import parse_version
from tierstore.runtime.chance import Chance
from tierstore.testing.simulation.scheduler import NS_PER_MS, NS_PER_S
from tierstore.testing.simulation.strong_deeds import COLD_KEYS, WiderDeeds
from tierstore.testing.simulation.strong_elsewhere import BesideDeeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.store.transactions import Transaction
    from tierstore.testing.simulation.node import Node
    from tierstore.testing.simulation.strong_world import StrongWorkload

DEEDS = (
    "register", "register", "register", "cas", "aged", "transfer", "audit", "skew", "lease",
    "number", "named", "named", "reuse", "expire", "unknown",
)  # fmt: skip
REGISTERS = ("r/0", "r/1")
ACCOUNTS = ("b/0", "b/1", "b/2")
EACH = 100
TIMEOUT_S = 3.0
AGE_S = 0.5
MOMENT_S = 1e-6
"""What is lost in rounding."""
TTL_S = 0.3
LEASE_S = 1.0
ROUND = 8
"""How many deeds of skew are about the same pair of absent keys."""


class Client(WiderDeeds, BesideDeeds):
    """One task of one life of a node."""

    def __init__(self, workload: StrongWorkload, node: Node, number: int) -> None:
        self.name = f"{node.name}.{node.lives}.{number}"
        self._workload = workload
        self._told = workload.told
        self._hits, self._cluster = workload.hits, workload.cluster
        self._store: Any = node.store
        self._scheduler = workload.cluster.scheduler
        self._chance = Chance(workload.cluster.seed, "strong client", self.name)
        self._last: dict[int, int] = {}
        self._made = 0
        self._born = self._life = self._told.life

    def run(self) -> None:
        """Do one deed after the other, until none is left."""
        while self._workload.left > 0:
            self._workload.left -= 1
            self._pause(self._workload.cluster.options.pause_ms_max)
            self._life = self._told.life
            deed: Callable[[], None] = getattr(self, self._chance.choice(self._workload.deeds))
            try:
                deed()
            except TierStoreError:
                self._told.reached["strong deed failed"] += 1
            else:
                self._told.reached["strong deed after a restore"] += self._life > self._born

    def finish(self) -> None:
        """Look at everything once more, with nothing in the way."""
        for key in (*REGISTERS, *COLD_KEYS):
            self._read(key)
            self._store.get(key, timeout=TIMEOUT_S)  # which can be read, too
        self.look_at_lasting()
        self.audit()
        if self._cluster.beside is not None:
            self.count_hits()
        self._told.counted = self._store.get("n/0", 0, timeout=TIMEOUT_S)
        for name in sorted(self._told.attempted):
            is_done = self._store.outcome(name, timeout=TIMEOUT_S) == "applied"
            self._told.applied += is_done
            if name in self._told.confirmed and not is_done:
                self._told.broken.append(f"{name} was confirmed, and did not happen")

    # Registers

    def register(self) -> None:
        """Read, write or delete one of two keys."""
        key, kind = self._chance.choice(REGISTERS), self._chance.choice("rrwwd")
        if kind == "r":
            self._read(key)
        elif kind == "w":
            value = self._value()
            self._note("write", key, value, lambda: self._store.put(key, value, timeout=TIMEOUT_S))
        else:
            self._note("delete", key, None, lambda: self._store.delete(key, timeout=TIMEOUT_S))

    def cas(self) -> None:
        """Compare and set what was read."""
        key, value = self._chance.choice(REGISTERS), self._value()
        seen = self._store.read(key, timeout=TIMEOUT_S)
        before = seen.value if seen.found else None
        if seen.found:
            self._told.note_version(key, seen.version, before)
        lowest = self._told.highest.get(key, (0, 0))

        def swap() -> bool:
            try:
                text = self._store.compare_and_set(
                    key, value, expected=seen.version, timeout=TIMEOUT_S
                )
            except ConflictError:
                return False
            self._note_growth(key, text, value, lowest)
            return True

        self._note("cas", key, (before, value), swap)

    def _note_growth(self, key: str, text: str, value: int, lowest: tuple[int, int]) -> None:
        version = parse_version(text)
        order = (version.incarnation, version.number)
        self._told.note_version(key, text, value)
        if order <= lowest:
            self._told.broken.append(f"{key}: version {text} is not above {lowest}")
        self._told.highest[key] = max(order, self._told.highest.get(key, order))

    def aged(self) -> None:
        """Read what may be a copy, as old as its receipt says and no older than was asked for."""
        key = self._chance.choice(REGISTERS)
        process = f"{self.name} {self._made + 1}"

        def read() -> Any:
            seen = self._store.read(key, max_age=AGE_S, timeout=TIMEOUT_S)
            self._told.reached["strong copy was read"] += seen.tier == "edge"
            if seen.age_s > AGE_S + MOMENT_S:
                self._told.broken.append(f"{key}: a copy is {seen.age_s} s old, not {AGE_S}")
            was_so_ns = self._scheduler.now_ns - int((seen.age_s + MOMENT_S) * NS_PER_S)
            self._told.ages[process] = was_so_ns
            return seen.value if seen.found else None

        self._note("read", key, None, read)

    def _read(self, key: str) -> None:
        self._note("read", key, None, lambda: self._store.get(key, timeout=TIMEOUT_S))

    def _note(self, verb: str, key: str, argument: Any, call: Callable[[], Any]) -> None:
        self._made += 1
        name = f"{self.name} {self._made}"
        invocation = self._workload.history.invoke(name, verb, key, argument)
        try:
            result = call()
        except OutcomeUnknownError as error:
            invocation.info(str(error))
        except TierStoreError as error:
            invocation.fail(str(error))
        else:
            invocation.ok(result if verb in ("read", "cas") else None)

    # Transactions

    def transfer(self) -> None:
        """Move money between two accounts; open them first."""
        one, other = self._chance.sample(ACCOUNTS, 2)
        amount = self._chance.randint(1, 50)

        def move(tx: Transaction) -> None:
            if not tx.exists(ACCOUNTS[0]):
                for account in ACCOUNTS:
                    tx.put(account, EACH)
                return
            left = tx.get(one)
            if left >= amount:
                tx.put(one, left - amount)
                tx.put(other, tx.get(other) + amount)

        self._store.transact(move, timeout=TIMEOUT_S)

    def audit(self) -> None:
        """Add up all accounts, some of them read later than others."""
        with self._store.transaction(timeout=TIMEOUT_S) as tx:
            found = tx.get_many(ACCOUNTS[:1])
            self._pause(20)
            found |= tx.get_many(ACCOUNTS[1:])
        if found and sum(found.values()) != EACH * len(ACCOUNTS):
            self._told.broken.append(f"the accounts of one moment hold {found}")

    def skew(self) -> None:
        """Take one of two absent places, if the other is free: never may both be taken."""
        number = self._workload.left // ROUND
        own, other = self._chance.sample((f"w/{number}/a", f"w/{number}/b"), 2)
        with self._store.transaction(timeout=TIMEOUT_S) as tx:
            found = tx.get_many([own, other])
            if not found:
                tx.put(own, self.name)
        if len(found) == 2:
            self._told.broken.append(f"{own} and {other} were both taken")

    # Leases and sequences

    def lease(self) -> None:
        """Write under a lease, perhaps after it is over; the token must never go down."""
        highest = self._told.highest_token
        try:
            with self._store.lease("l", ttl=LEASE_S, wait=0.2, timeout=TIMEOUT_S) as lease:
                self._told.note_token(lease.token, highest)
                self._pause(self._chance.choice((50, 1500)))
                self._look_at(lease)
                self._write_under(lease)
        except LeaseHeldError:
            self._told.reached["lease held by another client"] += 1
        except LeaseLostError:
            self._told.reached["write refused as the lease was over"] += 1

    def _look_at(self, lease: Any) -> None:
        """What is not lost here is held there, under the same token; soon after a restore, too."""
        if lease.lost:
            return
        with self._scheduler.at_once():
            region = self._workload.cluster.inspect("region")
            row = region.peek(["lease/l"], TIMEOUT_S).rows.get("lease/l")
        held = None if row is None else row.record.stamp
        since_ns = self._scheduler.now_ns - self._told.restored_ns
        is_certain = self._is_of_one_life or since_ns > LEASE_S * NS_PER_S
        if held != lease.token and is_certain:
            self._told.broken.append(f"a client counts on lease {lease.token}, {held} is held")

    def _write_under(self, lease: Any) -> None:
        with self._store.transaction(timeout=TIMEOUT_S) as tx:
            tx.require(lease)
            before = tx.get("f", 0)
            self._pause(self._chance.choice((0, 0, 2500)))
            tx.put("f", lease.token)
        self._told.reached["write under a lease"] += 1
        if before > lease.token:
            self._told.broken.append(f"token {lease.token} was accepted after {before}")

    def number(self) -> None:
        """Take a number, which is above the last one that this client got."""
        if self._life > self._born:
            self._store.exists("r/0", timeout=TIMEOUT_S)  # so that it has heard of this life
        number = self._store.sequence("s").next(timeout=TIMEOUT_S)
        if not self._is_of_one_life:
            return
        self._told.note_number("s", number)
        if number <= self._last.get(self._life, 0):
            self._told.broken.append(f"{number} came after {self._last[self._life]}")
        self._last[self._life] = number

    # Operations with a name

    def named(self) -> None:
        """Count one more, under a name that others may use as well."""
        name = f"count {self._workload.left // 3}"
        self._told.attempted.add(name)
        is_known = name in self._told.confirmed
        result = self._store.transact(_count, timeout=TIMEOUT_S, operation_id=name)
        self._told.reached["named operation repeated by another"] += is_known
        if self._is_of_one_life:
            self._told.note_result(name, result)

    def reuse(self) -> None:
        """Use the name of an operation that happened for another one: that is refused."""
        key, name = f"u/{self.name}", f"set {self.name} {self._workload.left}"
        self._store.compare_and_set(
            key, 1, expected=self._store.read(key, timeout=TIMEOUT_S).version,
            timeout=TIMEOUT_S, operation_id=name,
        )  # fmt: skip
        try:
            self._store.put(key, 2, timeout=TIMEOUT_S, operation_id=name)
        except InvalidArgumentError:
            self._told.reached["name of another operation refused"] += 1
        except AlreadyCommittedError:
            pass
        else:
            self._accuse(f"{name}: another request under this name was accepted")

    def expire(self) -> None:
        """Let a value expire: nobody may compare and set it afterwards."""
        key = f"t/{self.name}"
        self._store.put(key, self._value(), ttl=TTL_S, timeout=TIMEOUT_S)
        seen = self._store.read(key, timeout=TIMEOUT_S)
        if not seen.found:
            return
        self._scheduler.sleep(int((TTL_S + 0.001) * NS_PER_S))
        try:
            self._store.compare_and_set(key, 0, expected=seen.version, timeout=TIMEOUT_S)
        except ConflictError:
            self._told.reached["check of an expired value refused"] += 1
        else:
            self._told.broken.append(f"{key}: a value that had expired was compared and set")

    def unknown(self) -> None:
        """Ask what became of a write that was not confirmed; if abandoned, it never happens."""
        value = self._value()
        key = f"a/{self.name}/{value}"  # of its own: what came before may be late
        try:
            self._store.put(key, value, timeout=0.05)
        except OutcomeUnknownError as error:
            outcome = self._store.outcome(error.operation_id, timeout=TIMEOUT_S)
            self._told.reached[f"unknown commit was {outcome}"] += 1
            self._scheduler.sleep(6 * NS_PER_S)  # until what is late has come
            is_there = self._store.get(key, timeout=TIMEOUT_S) == value
            if is_there != (outcome == "applied"):
                self._accuse(f"{key}: {outcome}, and its value is there: {is_there}")

    @property
    def _is_of_one_life(self) -> bool:
        """Whether the region lives still the life in which the present deed was begun."""
        return self._told.life == self._life

    def _accuse(self, text: str) -> None:
        """Note what is wrong, unless it is of what a restore may have taken away."""
        if self._is_of_one_life:
            self._told.broken.append(text)

    def _value(self) -> int:
        self._workload.told.reached["value made"] += 1
        return self._workload.told.reached["value made"]

    def _pause(self, most_ms: int) -> None:
        self._scheduler.sleep(int(self._chance.random() * most_ms * NS_PER_MS))


def _count(tx: Transaction) -> int:
    count: int = tx.get("n/0", 0) + 1
    tx.put("n/0", count)
    return count
