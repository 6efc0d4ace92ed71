"""For tests of programs that use tierstore: stores in memory, virtual time, faults, schedules.

>>> from tierstore.testing import ManualRuntime, memory_store
>>> runtime = ManualRuntime()
>>> store = memory_store({"rules": [{"match": "session/*", "ttl": "1h"}]}, runtime=runtime)
>>> store.put("session/7", "Ada")
>>> runtime.advance(3601)
>>> store.exists("session/7")
False
>>> store.close()
"""

from __future__ import annotations

from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.explorer import (
    Crashes,
    DeadlockError,
    DivergedError,
    Exploration,
    ExploringRuntime,
    Fault,
    Schedule,
    ScheduleError,
    World,
    crashes,
    explore,
    replay,
)
from tierstore.testing.faults import Crash, FaultPlan, FaultyJournalDirectory, FaultyRegion
from tierstore.testing.faulty_shared import FaultyShared
from tierstore.testing.memory_objects import FaultyObjects, MemoryObjects
from tierstore.testing.memory_region import MemoryRegion
from tierstore.testing.memory_shared import MemoryShared
from tierstore.testing.stores import memory_store

__all__ = [
    "Crash",
    "Crashes",
    "DeadlockError",
    "DivergedError",
    "Exploration",
    "ExploringRuntime",
    "Fault",
    "FaultPlan",
    "FaultyJournalDirectory",
    "FaultyObjects",
    "FaultyRegion",
    "FaultyShared",
    "ManualRuntime",
    "MemoryObjects",
    "MemoryRegion",
    "MemoryShared",
    "Schedule",
    "ScheduleError",
    "World",
    "crashes",
    "explore",
    "memory_store",
    "replay",
]
