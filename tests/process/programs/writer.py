"""Writes keys under one rule until it is killed, and prints each number once it is acknowledged.

    writer.py FOLDER DURABILITY NAME THREADS

Each thread t writes for itself, and prints `t n`. Key `DURABILITY/NAME-t/<n>` gets the value n,
once; `last/DURABILITY/NAME-t` gets every n. Every tenth n deletes the key that was written five
before it.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading

import counting

import tierstore

folder, durability, name, threads = sys.argv[1:]
far = {"durability": "regional", "place": {"never": ["edge"]}}
policy = {
    "replication": {"flush": "10ms"},
    "timeouts": {"regional": "60s"},
    "rules": [
        {"match": ["regional/**", "last/regional/**"], "durability": "regional"},
        {"match": ["far/**", "last/far/**"], **far},
    ],
}


def write(thread):
    prefix = f"{durability}/{name}-{thread}"
    for n in itertools.count(1):
        store.put(f"{prefix}/{n}", n)
        store.put(f"last/{prefix}", n)
        if n % 10 == 0:
            store.delete(f"{prefix}/{n - 5}")
        os.write(1, b"%d %d\n" % (thread, n))


counting.count()
store = tierstore.open(policy, base_dir=folder)
for thread in range(1, int(threads)):
    threading.Thread(target=write, args=(thread,)).start()
write(0)
