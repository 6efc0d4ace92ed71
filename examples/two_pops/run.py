"""Two points of presence, one region: what a shop sees of its tiers, told with figures.

    python examples/two_pops/run.py [--brief]

Everything runs on this machine, on loopback, from wheels, and is gone afterwards.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import servers
from shop import RefusedError, Shop, Worker

READS, FEW_READS = 500, 100
CARTS = 50
INVOICES = 20
COMES_TRUE_WITHIN_S = 30.0
LAMP = {"name": "lamp", "price": 40}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brief", action="store_true", help="do not wait for the slow parts")
    options = parser.parse_args()
    if absent := servers.missing():
        print(f"missing: {', '.join(absent)}. pip install 'tierstore[test]'", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, stop)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="two-pops-") as folder, Shop(Path(folder)) as shop:
        tell(f"4 servers and 4 workers are up after {time.monotonic() - began_s:.1f} s")
        sell(shop)
        read_hot(shop, FEW_READS if options.brief else READS)
        write_here_read_there(shop)
        change_workers(shop)
        lose_a_worker(shop, is_brief=options.brief)
        go_cold_and_back(shop)
        lose_the_region(shop)
    tell(f"\nAll of it held, and is stopped again: {time.monotonic() - began_s:.1f} s in all")
    return 0


def sell(shop: Shop) -> None:
    """What was there before."""
    worker = shop.pops[0].workers[0]
    worker.put("product/7", LAMP)
    for number in range(INVOICES):
        worker.put(f"invoice/{number}", {"number": number, "lines": ["lamp"] * 20})
    worker.flush()


def read_hot(shop: Shop, count: int) -> None:
    tell("\nA product page is read by everybody")
    for pop in shop.pops:
        tiers: Counter[str] = Counter()
        took_us = []
        for number in range(count):
            reading = pop.workers[number % 2].get("product/7")
            assert reading["value"] == LAMP
            tiers[reading["tier"]] += 1
            took_us.append(reading["took_us"])
        by_tier = ", ".join(f"{times} by {tier}" for tier, times in tiers.most_common())
        tell(f"  {pop.name:7} {count} reads: {by_tier}; median {statistics.median(took_us):.0f} µs")
        assert tiers["edge"] >= count * 0.9


def write_here_read_there(shop: Shop) -> None:
    tell("\nIts price is changed in lisbon")
    lisbon, oslo = (pop.workers for pop in shop.pops)
    began_s = time.monotonic()
    cheaper = LAMP | {"price": 35}
    lisbon[0].put("product/7", cheaper)
    written_s = time.monotonic() - began_s
    tell(f"  the write is acknowledged after {written_s * 1e3:.1f} ms")
    took_s = until(shows(lisbon[1], "product/7", cheaper))
    tell(f"  the other worker in lisbon shows it {took_s * 1e3:.1f} ms later")
    took_s = max(until(shows(worker, "product/7", cheaper)) for worker in oslo)
    tell(f"  both workers in oslo show it {took_s * 1e3:.0f} ms later")


def change_workers(shop: Shop) -> None:
    tell("\nA customer's requests come to any worker; no session sticks to one")
    one, other = shop.pops[1].workers
    took_ms = []
    for number in range(CARTS):
        for writer, reader, key in ((one, other, "cart/ada"), (other, one, "profile/ada")):
            writer.put(key, number)
            took_ms.append(1e3 * until(shows(reader, key, number)))
    tell(f"  {len(took_ms)} writes at one worker in oslo are shown by the other within")
    tell(f"  {statistics.median(took_ms):.1f} ms (median), {max(took_ms):.1f} ms (all)")


def lose_a_worker(shop: Shop, *, is_brief: bool) -> None:
    tell("\nA worker in oslo is killed, with writes that the region has not seen")
    one, other = shop.pops[1].workers
    far = shop.pops[0].workers[0]
    for number in range(CARTS):
        one.put(f"cart/{number}", number)
    one.kill()
    carts = [f"cart/{number}" for number in range(CARTS)]
    assert all(other.get(cart)["value"] == int(cart[5:]) for cart in carts)
    tell(f"  the other worker in oslo shows all {CARTS} of them at once")
    if is_brief:
        other.flush()  # what it does anyway, at least every ten seconds
    took_s = until(shows(far, carts[-1], CARTS - 1))
    assert all(far.get(cart)["value"] == int(cart[5:]) for cart in carts)
    tell(f"  it brings them to the region; lisbon shows all {CARTS} {took_s:.1f} s later")


def go_cold_and_back(shop: Shop) -> None:
    tell("\nInvoices that nobody asks for")
    worker = shop.pops[0].workers[0]
    invoices = [f"invoice/{number}" for number in range(INVOICES)]
    until(lambda: all(worker.home(invoice) == "cold" for invoice in invoices))
    tell(f"  all {INVOICES} went to S3 meanwhile")
    reader = shop.pops[1].workers[1]
    readings = [reader.get(invoice) for invoice in invoices]
    assert [reading["value"]["number"] for reading in readings] == list(range(INVOICES))
    took_us = [reading["took_us"] for reading in readings if reading["tier"] == "cold"]
    tell(f"  {len(took_us)} come from there: median {statistics.median(took_us) / 1e3:.1f} ms")
    took_s = until(lambda: bool(reader.get(invoices[0])) and worker.home(invoices[0]) == "regional")
    tell(f"  one that is asked for again and again is back in the region after {took_s:.1f} s")


def lose_the_region(shop: Shop) -> None:
    tell("\nThe region's database is stopped")
    here, far = shop.pops[0].workers[0], shop.pops[1].workers[1]
    shop.region.stop()
    took_s = until(lambda: here.get("product/7")["stale"])
    reading = here.get("product/7")
    assert reading["value"]["price"] == 35
    tell(f"  after {took_s:.1f} s pages are older than max_age, and read as stale, by the edge")
    here.put("cart/eve", ["lamp"])
    tell("  a cart is written as ever, " + refusal(here, "invoice/99", {"number": 99}))
    shop.region.spawn()
    shop.region.wait()
    took_s = until(shows(far, "cart/eve", ["lamp"]))
    tell(f"  it is started again: oslo shows the cart {took_s:.1f} s later")
    until(lambda: not here.get("product/7")["stale"])
    tell("  and pages are fresh again")


def refusal(worker: Worker, key: str, value: object) -> str:
    """What comes of a write that the region has to confirm."""
    try:
        worker.put(key, value)
    except RefusedError as error:
        return f"an invoice is not: {error.args[0]}"
    raise AssertionError("nobody was there to confirm it")


def shows(worker: Worker, key: str, value: object) -> Callable[[], bool]:
    """Asks whether a worker reads this value."""
    return lambda: bool(worker.get(key)["value"] == value)


def until(holds: Callable[[], bool]) -> float:
    """How many seconds it took until `holds` was true; it may fail meanwhile."""
    began_s = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - began_s
        except RefusedError:
            pass
        assert time.monotonic() - began_s < COMES_TRUE_WITHIN_S, "it does not come true"
        time.sleep(0.01)


def stop(*_: object) -> None:
    """End as after Ctrl-C, and let nothing disturb that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(1)


def tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
