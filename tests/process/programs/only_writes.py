"""Writes five keys, reads nothing, and waits until background steps have flushed all it had.

    only_writes.py FOLDER PREFIX FLUSH

Prints `written`, then `flushed`.
"""

from __future__ import annotations

import os
import sys
import time

import tierstore

folder, prefix, flush = sys.argv[1:]
store = tierstore.open({"replication": {"flush": flush}}, base_dir=folder)
for n in range(5):
    store.put(f"{prefix}/{n}", n)
os.write(1, b"written\n")
while store.stats()["outbox"]["unflushed"]:
    time.sleep(0.01)
os.write(1, b"flushed\n")
sys.stdin.read()
