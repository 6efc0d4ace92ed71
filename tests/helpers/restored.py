"""A region in memory, backed up and restored, and plain dictionaries of what it has to hold."""

from __future__ import annotations

from copy import deepcopy

CONTENT = ("_position", "_floor", "_replicas", "_held", "_aside", "rows", "_peers", "_info")


def back_up(region):
    """All that a backup of the region's database has."""
    return {name: deepcopy(getattr(region, name)) for name in CONTENT}


def restore(region, backup):
    """Let the region be as it was then."""
    for name, content in deepcopy(backup).items():
        setattr(region, name, content)


class Model:
    """What was acknowledged: sums, the last put of each key, elements."""

    def __init__(self):
        self.sums, self.values, self.elements = {}, {}, {}

    def add(self, store, key, count):
        store.counter(key).add(count)
        self.sums[key] = self.sums.get(key, 0) + count

    def put(self, store, key, value):
        store.put(key, value)
        self.values[key] = value

    def include(self, store, key, element):
        store.members(key).add(element)
        self.elements.setdefault(key, set()).add(element)

    def check(self, store):
        """The region has all of it, as a store without copies reads it."""
        assert {key: store.counter(key).get() for key in self.sums} == self.sums
        assert {key: store.get(key) for key in self.values} == self.values
        assert {key: set(store.members(key).all()) for key in self.elements} == self.elements
