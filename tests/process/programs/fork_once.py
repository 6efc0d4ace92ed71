"""Forks with a store open and prints, as JSON, what parent and child then are and have.

    fork_once.py FOLDER

Nothing is flushed unless asked for, so what is unflushed stays so.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import tierstore

folder = Path(sys.argv[1])
policy = {
    "replication": {"flush": "1h", "pull": "1h"},
    "timeouts": {"regional": "60s"},
    "coordinator": {"url": "sqlite:///central.db"},
    "rules": [{"match": "strong/*", "consistency": "strong"}],
}


def open_files():
    if not os.path.isdir("/proc/self/fd"):
        return []
    links = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    return sorted(Path(link).name for link in links if link.startswith(str(folder)))


def facts(store):
    stats = store.stats()
    journal = stats["journal"]["path"]
    return {
        "replica": store.read("seen").replica,
        "journal": journal and Path(journal).name,
        "unflushed": stats["outbox"]["unflushed"],
    }


def add_one(tx):
    tx.put("strong/n", tx.get("strong/n") + 1)


store = tierstore.open(policy, base_dir=folder)
store.put("seen", 0)
store.flush()
store.put("parent", 1)
store.put("strong/n", 0)
before = facts(store)
read_end, write_end = os.pipe()
pid = os.fork()
if pid == 0:
    inherited = open_files()
    at_first = facts(store)
    store.transact(add_one)
    store.put("child", 2)
    child = facts(store) | {"inherited": inherited, "unflushed at first": at_first["unflushed"]}
    store.close()
    os.write(write_end, json.dumps(child).encode())
    os._exit(0)
os.close(write_end)
with open(read_end) as pipe:
    child = json.load(pipe)
os.waitpid(pid, 0)
store.transact(add_one)
after = facts(store) | {"strong": store.get("strong/n")}
store.close()
print(json.dumps({"before": before, "child": child, "after": after}))
