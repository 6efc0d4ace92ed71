"""A schedule explorer: what several actors do at once, in every order in which it can happen.

Production code runs in greenlets that are switched at tier calls only, so a race is a sequence of
names that can be counted, told and repeated:

>>> class Shelf:
...     count = 0
...     def read(self):
...         return self.count
...     def write(self, count):
...         self.count = count
>>> class Shop(World):
...     def __init__(self):
...         super().__init__()
...         self.stock = Shelf()
...         self.shelf = self.wrap(self.stock, "shelf")
>>> def add(shop):
...     shop.shelf.write(shop.shelf.read() + 1)
>>> def check(shop):
...     assert shop.stock.count == 2, f"{shop.stock.count} of 2"
>>> apart = {"ann": "her till", "bob": "his till"}
>>> try:
...     explore(Shop, {"ann": add, "bob": add}, check, processes=apart)
... except ScheduleError as error:
...     print(error.story)
   1  ann  shelf.read() → 0
   2  bob  shelf.read() → 0
   3  bob  shelf.write(1) → None
   4  ann  shelf.write(1) → None
"""

from __future__ import annotations

from tierstore.testing.explorer.crashing import Crashes, crashes
from tierstore.testing.explorer.exploring import Exploration, Fault, explore, replay
from tierstore.testing.explorer.runtime import ExploringRuntime
from tierstore.testing.explorer.search import DivergedError
from tierstore.testing.explorer.story import Schedule, ScheduleError
from tierstore.testing.explorer.turns import DeadlockError
from tierstore.testing.explorer.world import World

__all__ = [
    "Crashes",
    "DeadlockError",
    "DivergedError",
    "Exploration",
    "ExploringRuntime",
    "Fault",
    "Schedule",
    "ScheduleError",
    "World",
    "crashes",
    "explore",
    "replay",
]
