"""Writes until no file may grow any more, goes on when it may, and prints how many it wrote.

full_disk.py FOLDER DURABILITY
"""

from __future__ import annotations

import contextlib
import resource
import signal
import sys

import tierstore
from tierstore.errors import OutcomeUnknownError, UnavailableError

GROWTH_BYTES_MAX = 500_000

folder, durability = sys.argv[1:]
policy = {
    "replication": {"flush": "1h", "pull": "1h"},
    "timeouts": {"regional": "60s"},
    "rules": [{"match": "**", "durability": durability}],
}
value = b"v" * 1000


def limit(size_bytes):
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))


def fill(store):
    """How many puts were acknowledged before one was not."""
    for n in range(10_000):
        try:
            store.put(f"k/{n}", value)
        except (UnavailableError, OutcomeUnknownError) as error:
            print("journal" if "worker-" in str(error) else "region", "full", file=sys.stderr)
            return n
    raise AssertionError("the limit does not hold")


signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = tierstore.open(policy, base_dir=folder)
store.put("first", value)
store.flush()
limit(GROWTH_BYTES_MAX)
count = fill(store)
assert count > 10, count
with contextlib.suppress(UnavailableError, OutcomeUnknownError):
    store.put("k/refused", value)
assert store.get_many(f"k/{n}" for n in range(count)) == {f"k/{n}": value for n in range(count)}
assert store.get("first") == value
limit(resource.RLIM_INFINITY)
store.put("last", value)
store.flush()
store.close()
print(count)
