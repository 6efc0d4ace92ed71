"""One edge that sells of a stock with several threads, until so many takers have come.

    selling.py FOLDER EDGE TAKERS PAUSE_S URL

It goes on where a killed one of that name stopped. A taker is noted when it comes, and again when
it has its unit. While FOLDER/EDGE.cut exists the coordinator cannot be reached; then how many
rights there were when that began and when it ended is noted, too.
"""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from pathlib import Path

from tierstore.errors import InsufficientRightsError, StoreClosedError, UnavailableError
from tierstore.opening import wire
from tierstore.policy import load
from tierstore.region.apply import Limits
from tierstore.runtime import Runtime
from tierstore.testing.faults import FaultPlan, FaultyRegion
from tierstore.tiers.registry import load_region

FOLDER, EDGE, TAKERS, PAUSE_S = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
URL = sys.argv[5]
ADAPTER = load_region(URL.partition(":")[0])
THREADS = 6
POLICY = {
    "version": 1,
    "tiers": {"edge": {"url": "memory://", "journal": f"journal-{EDGE}"}},
    "timeouts": {"regional": "5s"},
    "rules": [{"match": "stock", "type": "bounded_counter"}],
}

plan, runtime = FaultPlan(), Runtime()
region = FaultyRegion(ADAPTER(URL, runtime=runtime, terms=Limits(), base_dir=str(FOLDER)), plan)
store = wire(load(POLICY, FOLDER), runtime, region=region)
stock = store.bounded_counter("stock")
came = os.open(FOLDER / f"{EDGE}.came", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sold = os.open(FOLDER / f"{EDGE}.sold", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
cut = FOLDER / f"{EDGE}.cut"
left = [TAKERS - os.fstat(came).st_size]
lock = threading.Lock()


def sell():
    chance = random.Random()
    while True:
        with lock:
            left[0] -= 1
            if left[0] < 0:
                return
        os.write(came, b".")
        try:
            stock.take()
        except (InsufficientRightsError, UnavailableError):
            pass
        else:
            os.write(sold, b".")
        time.sleep(chance.uniform(0.5, 1.5) * PAUSE_S)


def watch():
    at_first = None
    while not store._core.replica.state.closed:
        if cut.exists() is not plan.is_region_down:
            plan.is_region_down = cut.exists()
            if plan.is_region_down:
                at_first = stock.rights()
            else:
                with open(FOLDER / f"{EDGE}.outages", "a") as told:
                    told.write(f"{at_first} {stock.rights()}\n")
        time.sleep(0.005)


def watch_until_the_end():
    try:
        watch()
    except StoreClosedError:
        return


threading.Thread(target=watch_until_the_end, daemon=True).start()
print("open", flush=True)
threads = [threading.Thread(target=sell) for _ in range(THREADS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
plan.is_region_down = False
cut.unlink(missing_ok=True)
store.close(30.0)
