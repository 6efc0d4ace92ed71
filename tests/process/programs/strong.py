"""One client of strong keys, which notes what it asks and what it is told until it is stopped.

    strong.py POLICY FOLDER NAME SEED

FOLDER/NAME.events has a line before each call and one after it; the clock is that of the machine,
so that the lines of several clients can be put in order. It ends when FOLDER/stop is there, or when
who started it is gone, and is not stopped by then. Holders
of leases stop themselves (SIGSTOP) now and then between what a transaction reads and its commit.
TIERSTORE_TEST_CARELESS names what commits do not check, which those who judge have to notice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import tierstore
from tierstore.coordinator.work import Work
from tierstore.errors import ConflictError, LeaseHeldError, OutcomeUnknownError, TierStoreError
from tierstore.region.commits import Commit
from tierstore.store.strong import Strong, write_of

ACCOUNTS = [f"account/{number}" for number in range(5)]
EPOCH_S = 1.5
"""Lists and registers are left for others after so long: short ones are judged quickly."""
LEASE_S = 0.3
STOPPED_SHARE = 0.05
NAMED_SHARE = 0.3


class Client:
    """Does one thing after another, each chosen at random."""

    def __init__(self, store, log, rng, name):
        self.store, self.log, self.rng, self.name = store, log, rng, name
        self.given = 0
        self.known = {}

    def step(self):
        deeds = [self.registers, self.lists, self.transfer, self.balances, self.lease]
        self.rng.choices(deeds, [4, 4, 2, 1, 1])[0]()

    def value(self):
        """One that nobody else writes."""
        self.given += 1
        return f"{self.name}-{self.given}"

    def key(self, kind, count):
        return f"{kind}/{int(time.monotonic() / EPOCH_S)}/{self.rng.randrange(count)}"

    def note(self, verb, key, argument, call, refused=None):
        """What `call()` returned, or None; `refused` is an error and the answer that it means."""
        self.log.write("invoke", verb, key, argument)
        try:
            result = call()
        except TierStoreError as error:
            if refused is not None and isinstance(error, refused[0]):
                self.log.write("ok", verb, key, refused[1])
                return None
            kind = "fail" if error.outcome == "none" else "info"
            self.log.write(kind, verb, key, None, f"{type(error).__name__}: {error}")
            return None
        self.log.write("ok", verb, key, result)
        return result

    # Registers

    def registers(self):
        key = self.key("register", 3)
        deed = self.rng.choices(["read", "cas", "write", "delete"], [2, 6, 1, 1])[0]
        if deed == "write":
            value = self.value()
            self.note("write", key, value, lambda: self.store.put(key, value))
        elif deed == "delete":
            self.note("delete", key, None, lambda: self.store.delete(key))
        else:
            self.note("read", key, None, lambda: self.look(key))
        if deed == "cas" and key in self.known:
            self.compare(key, *self.known.pop(key))

    def look(self, key):
        reading = self.store.read(key)
        self.known[key] = reading.value, reading.version
        return reading.value

    def compare(self, key, expected, version):
        value = self.value()

        def call():
            self.store.compare_and_set(key, value, expected=version)
            return True

        self.note("cas", key, [expected, value], call, (ConflictError, False))

    # Lists

    def lists(self):
        steps = [self.list_step() for _ in range(self.rng.randint(1, 4))]
        operation_id = self.value() if self.rng.random() < NAMED_SHARE else None

        def run():
            return self.store.transact(lambda tx: carry_out(tx, steps), operation_id=operation_id)

        def call():
            try:
                return run()
            except OutcomeUnknownError:
                if operation_id is None:
                    raise
                return run()

        self.note("txn", None, steps, call)

    def list_step(self):
        key = self.key("list", 4)
        return ["append", key, self.value()] if self.rng.random() < 0.5 else ["r", key, None]

    # Money

    def transfer(self):
        source, target = self.rng.sample(ACCOUNTS, 2)
        amount = self.rng.randint(1, 10)

        def move(tx):
            if (held := tx.get(source)) < amount:
                return False
            tx.put(source, held - amount)
            tx.put(target, tx.get(target) + amount)
            return True

        self.note("transfer", None, [source, target, amount], lambda: self.store.transact(move))

    def balances(self):
        def look(tx):
            return {key: tx.get(key) for key in ACCOUNTS}

        self.note("balances", None, None, lambda: self.store.transact(look))

    # Leases

    def lease(self):
        number = self.rng.randrange(2)
        lease = self.store.lease(f"job/{number}", ttl=LEASE_S, wait=0.05)

        def take():
            lease.take()
            return lease.token

        lease.claim()
        token = self.note("acquire", f"job/{number}", None, take, (LeaseHeldError, None))
        if token is None:
            return
        for _ in range(self.rng.randint(1, 4)):
            self.fenced(lease, f"fence/{number}", token)
        lease.give_back()

    def fenced(self, lease, key, token):
        stops = self.rng.random() < STOPPED_SHARE
        self.note("fenced", key, token, lambda: self.fence(lease, key, token, stops=stops))

    def fence(self, lease, key, token, *, stops):
        """Write under a lease; returns the token of the write before, None if that was not read.

        Who stops reads nothing, so that only the lease can keep what it writes afterwards away.
        """
        with self.store.transaction() as tx:
            tx.require(lease)
            before = None if stops else tx.get(key, 0)
            if stops:
                os.kill(os.getpid(), signal.SIGSTOP)
            tx.put(key, token)
        return before


def carry_out(tx, steps):
    """Append and read; returns the steps with what was read."""
    done = []
    for verb, key, value in steps:
        found = tx.get(key, [])
        if verb == "append":
            tx.put(key, [*found, value])
        done.append([verb, key, value if verb == "append" else found])
    return done


class Log:
    """Lines that are written at once, each later than the one before."""

    def __init__(self, path):
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._last_ns = 0

    def write(self, kind, verb, key, value=None, error=None):
        self._last_ns = max(time.monotonic_ns(), self._last_ns + 1)
        line = json.dumps([self._last_ns, kind, verb, key, value, error])
        os.write(self._file, line.encode() + b"\n")


def be_careless(what):
    """Let commits not check what was `seen`, leases that are `required`, versions `expected`."""
    if what == "expected":
        Strong.compare_and_set = set_anyway
        return
    commit = Work.commit

    def unchecked(work, operation_id):
        getattr(work, what).clear()
        return commit(work, operation_id)

    Work.commit = unchecked


def set_anyway(strong, put, _expected, deadline, operation_id=None):
    """A compare-and-set that does not compare."""
    commit = Commit((), (write_of(put),), strong.named(operation_id, deadline))
    return strong.carry_out(commit, deadline).version


def main(policy, folder, name, seed):
    folder = Path(folder)
    if what := os.environ.get("TIERSTORE_TEST_CARELESS"):
        be_careless(what)
    stop, parent = folder / "stop", os.getppid()
    with tierstore.open(json.loads(policy), base_dir=folder) as store:
        client = Client(store, Log(folder / f"{name}.events"), random.Random(seed), name)
        print("ready", flush=True)
        while not stop.exists() and os.getppid() == parent:
            client.step()


main(*sys.argv[1:])
