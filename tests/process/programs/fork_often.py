"""Forks many times while other threads write and flush; each child writes, too.

    fork_often.py FOLDER FORKS

Exits with 0 if every child and every thread did all of its work.
"""

from __future__ import annotations

import logging  # noqa: F401 - as servers do; imported during a fork it prints warnings of its own
import os
import sys
import threading

import tierstore

folder, forks = sys.argv[1], int(sys.argv[2])
policy = {
    "replication": {"flush": "5ms", "pull": "5ms"},
    "timeouts": {"regional": "60s"},
    "rules": [
        {"match": "memory/**", "durability": "memory"},
        {"match": "regional/**", "durability": "regional"},
    ],
}
done = threading.Event()


written = dict.fromkeys(("memory", "journal", "regional"), 0)


def write(store, kind):
    while not done.is_set():
        n = written[kind] + 1
        store.put(f"{kind}/{n % 100}", n)
        written[kind] = n
        store.exists(f"never/{kind}/{n}")
        done.wait(0.0005)


def child(store, number):
    for kind in ("journal", "regional"):
        store.put(f"{kind}/child/{number}", number)
    assert store.get(f"journal/child/{number}") == number
    store.close()
    os._exit(0)


store = tierstore.open(policy, base_dir=folder)
threads = [threading.Thread(target=write, args=(store, kind)) for kind in written]
for thread in threads:
    thread.start()
for number in range(forks):
    pid = os.fork()
    if pid == 0:
        child(store, number)
    assert os.waitpid(pid, 0)[1] == 0
assert all(thread.is_alive() for thread in threads)
done.set()
for thread in threads:
    thread.join()
for kind, n in written.items():
    assert store.get(f"{kind}/{n % 100}") == n
store.close()
