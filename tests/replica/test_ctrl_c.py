"""Ctrl-C between any two steps of a verb: the store goes on, and has lost nothing."""

from __future__ import annotations

import pytest
from ctrl_c import interrupt

from tierstore.values import encode

RULES = {
    "rules": [
        {"match": "n/*", "type": "counter"},
        {"match": "s/*", "type": "set"},
        {"match": "d/*", "type": "document"},
        {"match": "reg/*", "durability": "regional"},
    ],
    "replication": {"flush": "1h", "pull": "1h"},
}
STRIKES_MAX = 3000


def batch(store, number):
    with store.batch():
        store.counter("n/1").add(1)
        store.members("s/1").add(number)


def edit(store, number):
    with store.document("d/1").edit() as doc:
        doc["at"] = number


VERBS = {
    "a counter": (lambda store, _: store.counter("n/1").add(1), 2),
    "a set": (lambda store, number: store.members("s/1").add(number), 2),
    "a document": (edit, 60),
    "a batch": (batch, 2),
    "a regional put": (lambda store, number: store.put("reg/1", number), 1),
    "a flush": (lambda store, number: (store.counter("n/1").add(1), store.flush()), 1),
    "a pull": (lambda store, _: store._core.replica.pull(), 3),
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", VERBS)
def test_ctrl_c_anywhere_in(new_node, name):
    node = new_node(**RULES)
    verb, stride = VERBS[name]
    store = node.store
    store.flush()
    least = most = store.counter("n/1").get()
    for number in range(0, STRIKES_MAX, stride):
        struck = interrupt(lambda: verb(store, number), number) != "ended"  # noqa: B023
        store.put(key := f"after/{number % 7}", number)
        store.counter("n/1").add(1)
        least, most = least + 1, most + 2
        if number % 10 == 0 or not struck:
            store.flush()
            assert least <= store.counter("n/1").get() <= most
            assert node.region.value(key) == encode(number)
        if not struck:
            break
    assert not struck, "more steps than are tried"
    node.crash()
    node.open()
    node.store.flush()

    assert least <= node.store.counter("n/1").get() <= most
    assert node.store.get(key) == number
    node.region.check_once()
