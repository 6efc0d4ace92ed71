"""An edge server that evicts what it acknowledged: what counts as `memory` may go, nothing else."""

from __future__ import annotations

import pytest
import valkey_server as valkey
from ledger import Ledger
from valkey_fixtures import running

import tierstore
from tierstore.errors import PolicyError

ROUNDS = 6
WRITES = 200  # in each round, of as many keys, so that all of them are written again and again
KEYS = [f"memory/{number}" for number in range(300)]
ORDERS = [f"regional/{number}" for number in range(20)]
PADDING = "x" * 3_000  # more in all than there is room for
RULES = [
    {"match": "memory/*", "durability": "memory"},
    {"match": "regional/*", "durability": "regional"},
]
server = running(valkey.Server, maxmemory="2mb", maxmemory_policy="allkeys-lru", appendonly="no")
"""With hardly any room: it makes some by evicting."""


@pytest.fixture
def open_store(server, tmp_path):
    """Opens a worker of the empty edge, or with `url` a store of its own, on the same region."""
    raw = valkey.connect_url(server.url)
    raw.flushall()
    raw.close()
    opened = []

    def open_one(url=server.url, rules=(*RULES, {"match": "**", "durability": "memory"})):
        policy = {
            "tiers": {
                "edge": {"url": url, "journal": f"journal-{len(opened)}"},
                "regional": {"url": f"sqlite:///{tmp_path}/region.db"},
            },
            "timeouts": {"edge": "5s", "regional": "10s"},
            "replication": {"flush": "20ms", "pull": "100ms"},
            "rules": [*rules],
        }
        opened.append(tierstore.open(policy, base_dir=tmp_path))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def evicted(server):
    raw = valkey.connect_url(server.url)
    count = raw.info("stats")["evicted_keys"]
    raw.close()
    return count


def test_only_what_counts_as_memory_is_lost_and_no_read_is_wrong(server, open_store):
    ledger, orders = Ledger(PADDING), {}
    one, other, region = open_store(), open_store(), open_store("memory://")
    for turn in range(ROUNDS):
        before = dict(ledger.floors)
        for number in range(WRITES):
            key = KEYS[(turn * WRITES + 7 * number) % len(KEYS)]
            ledger.write(one if number % 2 else other, key)
            ledger.read(one if number % 2 else other, key)
            ledger.read(other, KEYS[number], before)
        for order in ORDERS:
            one.put(order, turn)
            orders[order] = turn
        assert one.get_many(ORDERS) == orders
        ledger.learn(region, KEYS)
    one.flush(timeout=30)
    ledger.learn(region, KEYS)
    for key in KEYS:
        ledger.read(one, key)
    assert ledger.wrong == []
    assert region.get_many(ORDERS, max_age=0) == orders
    assert evicted(server) > 0
    print(evicted(server), ledger.lost(region, KEYS), ledger.reads, dict(ledger.failures))


def test_what_was_flushed_is_there(server, open_store):
    one, region = open_store(), open_store("memory://")
    kept = {f"memory/kept-{number}": number for number in range(100)}
    one.put_many(kept)
    one.flush(timeout=30)
    assert region.get_many(list(kept), max_age=0) == kept
    before = evicted(server)
    for key in KEYS * 2:
        one.put(key, PADDING)
    assert evicted(server) > before
    assert one.get_many(list(kept)) == kept


def test_a_rule_that_asks_for_more_is_refused(open_store):
    store = open_store(rules=[{"match": "order/**", "name": "orders"}, *RULES])
    with pytest.raises(PolicyError) as caught:
        store.put("order/1", 1)
    for part in ("orders", "journal", "valkey", "allkeys-lru", "which evicts writes"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("floor", "found", "is_wrong"),
    [(0, None, False), (0, [2, ""], False), (2, [1, ""], True), (2, None, False),
     (3, None, False), (3, [2, ""], True), (4, None, True), (0, [5, ""], True), (0, [3, ""], True)],
)  # fmt: skip
def test_the_ledger_notices_what_goes_back_and_what_nobody_wrote(floor, found, is_wrong):
    """Of four writes, the third of which is a delete."""
    ledger = Ledger()
    ledger.tried["k"], ledger.floors["k"] = 4, floor
    ledger._judge("k", found, floor)
    assert bool(ledger.wrong) is is_wrong
