"""Two regions whose writers, relays and servers are killed while they write. Imported by its path.

Each region has a folder with the journals of its writers; a policy names the other as its peer.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

from killed import RULES, WAIT_S, Writer, check_all, read_all

import tierstore

NAMES = ("eu", "us")


def make_policy(urls, name, links):
    """The policy of one of two regions, at these urls."""
    (peer,) = set(NAMES) - {name}
    return {
        "version": 1,
        "tiers": {"edge": {"journal": "journal"}, "regional": {"url": urls[name]}},
        "timeouts": {"regional": f"{WAIT_S:g}s"},
        "replication": {
            "flush": "20ms",
            "pull": "100ms",
            "links": links,
            "peers": {peer: {"url": urls[peer]}},
        },
        "rules": RULES,
    }


class Relay:
    """`tierstore link`, one process after another, each killed."""

    def __init__(self, policy, folder):
        (folder / "relay.yaml").write_text(json.dumps(policy))
        self.command = [sys.executable, "-m", "tierstore", "--policy", "relay.yaml", "link"]
        self.folder, self.lives = folder, 0
        self._is_over = threading.Event()

    def run(self, chance):
        """Live and die until told to end."""
        while not self._is_over.is_set():
            process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self._is_over.wait(0.5 + 2 * chance.random())
            process.kill()
            assert process.wait(WAIT_S) == -signal.SIGKILL
            self.lives += 1

    def end(self):
        self._is_over.set()


class Regions:
    """Two regions at these urls, and what is to be done to them."""

    def __init__(self, urls, folder, links="relay", seed=1):
        self.policies = {name: make_policy(urls, name, links) for name in NAMES}
        self.folders = {name: folder / name for name in NAMES}
        for path in self.folders.values():
            path.mkdir()
        self.links, self.chance = links, random.Random(seed)
        self.writers, self.relay = [], Relay(self.policies["eu"], self.folders["eu"])

    def write(self, *, writers, lives, harm=None, operations_min=0, life_s_max=1.0):
        """Let as many writers in each region live and be killed, the relay too; and `harm`.

        Each has as many lives, and further ones until so many operations are acknowledged in all.
        """
        self.writers = [
            Writer(self.policies[name], self.folders[name], f"{name}{number}")
            for name in NAMES
            for number in range(writers)
        ]

        def live(writer, chance):
            while writer.lives < lives or self.count_operations() < operations_min:
                writer.live(life_s_max * chance.random())

        chances = [random.Random(self.chance.random()) for _ in self.writers]
        threads = [
            threading.Thread(target=live, args=pair)
            for pair in zip(self.writers, chances, strict=True)
        ]
        relaying = threading.Thread(target=self.relay.run, args=(self.chance,))
        if self.links == "relay":
            relaying.start()
        for thread in threads:
            thread.start()
        while harm is not None and any(thread.is_alive() for thread in threads):
            harm()
        for thread in threads:
            thread.join()
        self.relay.end()
        if self.links == "relay":
            relaying.join()

    def count_operations(self):
        """How many increments, adds and discards have writers acknowledged that were killed."""
        return sum(writer.operations for writer in self.writers)

    def settle(self):
        """Drain what the dead left, and let the regions tell each other; the seconds of that."""
        for name in NAMES:
            with self._open(name) as store:
                assert store.maintain().ok
                store.flush()
        began_s = time.monotonic()
        subprocess.run(
            [*self.relay.command, "--once"], cwd=self.folders["eu"], check=True, timeout=WAIT_S,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.monotonic() - began_s

    def check(self):
        """All that was acknowledged is in both regions, once; how much that is."""
        shown = []
        for name in NAMES:
            with self._open(name) as store:
                shown.append(read_all(store, self.writers))
                assert store.check().ok
        assert shown[0] == shown[1]
        return check_all(shown[0], self.writers)

    def _open(self, name):
        return tierstore.open(self.policies[name], base_dir=self.folders[name])


def wait_for(is_true, timeout_s=WAIT_S):
    """Wait until `is_true`; False when the time is up."""
    ends_s = time.monotonic() + timeout_s
    while time.monotonic() < ends_s:
        with suppress(tierstore.TierStoreError):
            if is_true():
                return True
        time.sleep(0.05)
    return False
