"""Counts, and adds to sets, until it is killed: a line for each time that both were acknowledged.

Arguments: the policy as JSON, the folder, a name, the first number, how many numbers a set takes.
"""

import json
import sys
import time

import tierstore


def discard(seen, element):
    """Discard an element, which takes a look at the region if it is not known here."""
    while True:
        try:
            return seen.discard(element)
        except tierstore.UnavailableError:
            time.sleep(0.05)


policy, folder, name, first, per_set = sys.argv[1:]
with tierstore.open(json.loads(policy), base_dir=folder) as store:
    count = store.counter("count")
    number = int(first)
    while True:
        seen = store.members(f"seen/{number // int(per_set)}")
        count.add(1)
        seen.add(f"{name}/{number}")
        if number % 3 == 0:
            discard(seen, f"{name}/{number}")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1
