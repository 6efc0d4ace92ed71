"""How long a verb waits for the edge: what the policy says, or what its caller names."""

from __future__ import annotations

import pytest

from tierstore.opening import wire
from tierstore.policy import load
from tierstore.testing import ManualRuntime, MemoryRegion, MemoryShared


class Timed(MemoryShared):
    """Notes how long callers would wait."""

    def __init__(self, runtime):
        super().__init__(runtime)
        self.timeouts = []

    def read(self, keys, timeout_s):
        self.timeouts.append(timeout_s)
        return super().read(keys, timeout_s)


@pytest.mark.parametrize(("named", "expected"), [(None, 0.1), (30, 30), (0.05, 0.05)])
def test_a_read_waits_as_long_as_is_said(named, expected):
    runtime = ManualRuntime()
    edge = Timed(runtime)
    with wire(load({"version": 1}), runtime, region=MemoryRegion(runtime), edge=edge) as store:
        store.put("key", 1)
        edge.timeouts.clear()
        assert store.get("key", timeout=named) == 1
    assert edge.timeouts[:1] == [pytest.approx(expected)]
