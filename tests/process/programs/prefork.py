"""Four workers, forked from a process that has the store open, write until they are told to stop.

    prefork.py FOLDER

Prints `pid worker-number` of each, then a line `worker-number n` for each acknowledged n. The
line `stop` on standard input ends the workers that still live, in order. Exits with 0 if the
parent's own store works afterwards.
"""

from __future__ import annotations

import logging  # noqa: F401 - as servers do; imported during a fork it prints warnings of its own
import os
import signal
import sys

import counting

import tierstore

WORKERS = 4
KEYS_MAX = 300


def work(store, worker, own_policy):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    own = tierstore.open(own_policy, base_dir=sys.argv[1])
    n = 0
    while n < KEYS_MAX and signal.SIGTERM not in signal.sigpending():
        n += 1
        store.put(f"inherited/{worker}/{n}", n)
        own.put(f"own/{worker}/{n}", n)
        os.write(1, b"%d %d\n" % (worker, n))
    signal.sigwait([signal.SIGTERM])
    own.close()
    store.close()


def main():
    counting.count()
    policy = {"replication": {"flush": "100ms"}, "timeouts": {"regional": "60s"}}
    store = tierstore.open(policy, base_dir=sys.argv[1])
    store.put("parent", "before")
    pids = []
    for worker in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            work(store, worker, policy)
            return
        pids.append(pid)
        os.write(1, b"pid %d %d\n" % (pid, worker))
    store.put("parent", "after")
    sys.stdin.readline()
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    codes = [os.waitpid(pid, 0)[1] for pid in pids]
    assert sorted(codes) == [0, 0, 0, signal.SIGKILL], codes
    assert store.get("parent") == "after"
    store.close()


main()
