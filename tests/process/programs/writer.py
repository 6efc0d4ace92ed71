"""Writes keys under one rule until it is killed, and prints each number once it is acknowledged.

    writer.py FOLDER DURABILITY NAME

Key `DURABILITY/NAME/<n>` gets the value n, once; `last/DURABILITY/NAME` gets every n. Every tenth
n deletes the key that was written five before it.
"""

from __future__ import annotations

import itertools
import os
import sys

import tierstore

folder, durability, name = sys.argv[1:]
policy = {
    "replication": {"flush": "10ms"},
    "timeouts": {"regional": "60s"},
    "rules": [
        {"match": "regional/**", "durability": "regional"},
        {"match": "last/regional/**", "durability": "regional"},
    ],
}

store = tierstore.open(policy, base_dir=folder)
for n in itertools.count(1):
    store.put(f"{durability}/{name}/{n}", n)
    store.put(f"last/{durability}/{name}", n)
    if n % 10 == 0:
        store.delete(f"{durability}/{name}/{n - 5}")
    os.write(1, b"%d\n" % n)
