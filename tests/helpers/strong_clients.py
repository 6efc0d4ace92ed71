"""Processes that contend for strong keys and are killed, and what they noted, judged.

Imported by its path.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import tierstore
from tierstore.testing import checkers, models
from tierstore.testing.history import History
from tierstore.testing.history.events import Event

PROGRAM = Path(__file__).parents[1] / "process" / "programs" / "strong.py"
WAIT_S = 60.0
STOPPED_S = 0.6
"""How long a holder stays stopped: twice as long as its lease lasts."""
ACCOUNTS = {f"account/{number}": 20 for number in range(5)}
KINDS = ["register/**", "list/**", "account/*", "fence/*"]


def make_policy(url, journal, timeout="1s"):
    return {
        "version": 1,
        "tiers": {"edge": {"journal": f"journal-{journal}"}, "regional": {"url": url}},
        "timeouts": {"regional": timeout},
        "rules": [{"match": KINDS, "consistency": "strong"}],
    }


class Client:
    """One place, taken by one process after another."""

    def __init__(self, url, folder, number):
        self._url, self._folder, self._number = url, folder, number
        self.lives = self.stops = 0
        self._stopped_s = None
        self.start()

    def start(self):
        """A new life, with a name and so with notes of its own."""
        self.lives += 1
        name = f"c{self._number}.{self.lives}"
        policy = json.dumps(make_policy(self._url, f"c{self._number}"))
        words = [policy, self._folder, name, self.lives * 100 + self._number]
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, *map(str, words)], stdout=subprocess.PIPE
        )

    def wait_ready(self):
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self):
        """End it wherever it is, and start another one."""
        self.process.kill()
        self.process.stdout.close()
        assert self.process.wait(WAIT_S) == -signal.SIGKILL
        self._stopped_s = None
        self.start()

    def wake(self):
        """Let it go on if it has been stopped for long enough."""
        if not is_stopped(self.process.pid):
            return
        now_s = time.monotonic()
        if self._stopped_s is None:
            self._stopped_s = now_s
            self.stops += 1
        elif now_s > self._stopped_s + STOPPED_S:
            self._stopped_s = None
            self.process.send_signal(signal.SIGCONT)

    def finish(self):
        deadline_s = time.monotonic() + WAIT_S
        while self.process.poll() is None:
            self.wake()
            assert time.monotonic() < deadline_s, "a client does not end"
            time.sleep(0.01)
        self.process.stdout.close()
        assert self.process.returncode == 0

    def end(self):
        """However it stands."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(WAIT_S)


def is_stopped(pid):
    """Whether a process was stopped by a signal."""
    with suppress(FileNotFoundError, ProcessLookupError):
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        return state == "T"
    return False


def contend(url, folder, *, clients, seconds, harms=(), seed=1, direct_url=None):
    """Let clients contend and be killed for a while; the history, and how often what happened.

    `harms` are called at random, as clients are killed. `direct_url` is for those that look
    before and afterwards.
    """
    quiet = make_policy(direct_url or url, "onlooker", "30s")
    with tierstore.open(quiet, base_dir=folder) as store:
        store.put_many(ACCOUNTS)
        made = [Client(url, folder, number) for number in range(clients)]
        try:
            for client in made:
                client.wait_ready()
            counts = disturb(made, seconds, random.Random(seed), harms)
            (folder / "stop").touch()
            for client in made:
                client.finish()
        finally:
            for client in made:
                client.end()
        history = read_notes(folder)
        return look_at_all(store, history), counts


def disturb(clients, seconds, rng, harms):
    """Kill clients and do harm until the time is up; stopped clients go on by and by."""
    counts, until_s = Counter(), time.monotonic() + seconds
    next_s = time.monotonic() + 0.3
    while (now_s := time.monotonic()) < until_s:
        for client in clients:
            client.wake()
        if now_s > next_s:
            act = rng.choice([rng.choice(clients).kill, *harms])
            act()
            counts[act.__name__] += 1
            next_s = time.monotonic() + rng.uniform(0.2, 1.0)
        time.sleep(0.01)
    counts["stops"] = sum(client.stops for client in clients)
    return counts


# What they noted


def read_notes(folder):
    """One history of all clients, by the clock of the machine; calls cut short have no answer."""
    events = []
    for path in sorted(folder.glob("*.events")):
        # The last line may be half one: that call had not begun, or its answer is unknown.
        for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
            time_ns, kind, verb, key, value, error = json.loads(line)
            events.append(Event(0, time_ns, path.stem, kind, verb, key, value, error))
    # Of two at one moment the order is unknown, which is what an earlier invocation means.
    events.sort(key=lambda event: (event.time_ns, event.kind != "invoke"))
    return History.from_events(events)


def look_at_all(store, history):
    """The same history, with reads of everything when all was over."""
    keys = {operation.key for operation in history.operations()}
    for key in sorted(filter(None, keys)):
        if key.startswith("register/"):
            history.invoke("onlooker", "read", key).ok(store.get(key))
    for operation in history.operations():
        if operation.verb != "txn":
            continue
        keys |= {key for _, key, _ in operation.argument}
    for key in sorted(key for key in keys if key and key.startswith("list/")):
        reading = history.invoke("onlooker", "txn", None, [("r", key, None)])
        reading.ok([("r", key, store.get(key, []))])
    for key in sorted(key for key in keys if key and key.startswith("fence/")):
        last = store.get(key, 0)
        history.invoke("onlooker", "fenced", key, last).ok(last)
    history.invoke("onlooker", "balances").ok(store.get_many(ACCOUNTS))
    return history


# Judging


def judge(history):
    """Figures of a history that is right; AssertionError with the reason of one that is not."""
    operations = history.operations()
    registers = [one for one in operations if (one.key or "").startswith("register/")]
    leases = [one for one in operations if one.verb == "acquire"]
    fenced = [one for one in operations if one.verb == "fenced"]
    balances = [one for one in operations if one.verb == "balances"]
    total = sum(ACCOUNTS.values())
    for verdict in (
        checkers.list_append(operations),
        checkers.bank(balances, total, accounts=ACCOUNTS, verb="balances"),
        checkers.fencing(fenced + observed(fenced)),
        checkers.linearizable(leases, models.Lease(may_expire=True)),
        checkers.linearizable(registers, models.CasRegister()),
    ):
        verdict.assert_valid()
    return Counter(f"{one.verb} {one.outcome}" for one in operations)


def observed(fenced):
    """What was seen of tokens, as uses of them.

    A write by who was stopped overlaps all that happened meanwhile, so that only who reads after it
    can tell that a token went down.
    """
    return [replace(one, argument=one.result) for one in fenced if one.result is not None]


def errors(history):
    """How often each error was told."""
    told = (one.error for one in history.operations() if one.error is not None)
    return Counter(error.partition(":")[0] for error in told)
