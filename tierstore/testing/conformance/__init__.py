"""Conformance suites for adapters: inherit one, give a harness, and pytest runs it.

A suite goes around the adapter to check it: what was written is looked for by the driver alone.
docs/writing-an-adapter.md is a tutorial. Needs pytest: `pip install 'tierstore[testing]'`.

```python
import pytest
from tierstore.testing.conformance import ObjectConformance
from tierstore.testing.conformance.models import MemoryObjectsHarness

class TestMyObjects(ObjectConformance):
    @pytest.fixture
    def harness(self):
        return MemoryObjectsHarness()
```
"""

from __future__ import annotations

import pytest

# Before they are imported, so that a failed assertion shows what it compared.
pytest.register_assert_rewrite(
    "tierstore.testing.conformance.edge",
    "tierstore.testing.conformance.object",
    "tierstore.testing.conformance.region",
    "tierstore.testing.conformance.shared",
    "tierstore.testing.conformance.together",
    "tierstore.testing.conformance.wrecking",
)

from tierstore.testing.conformance.edge import EdgeConformance  # noqa: E402
from tierstore.testing.conformance.edge.harness import EdgeHarness  # noqa: E402
from tierstore.testing.conformance.harness import CannotError  # noqa: E402
from tierstore.testing.conformance.object import ObjectConformance  # noqa: E402
from tierstore.testing.conformance.object.harness import ObjectHarness  # noqa: E402
from tierstore.testing.conformance.region import RegionConformance  # noqa: E402
from tierstore.testing.conformance.region.harness import RegionHarness  # noqa: E402
from tierstore.testing.conformance.shared import SharedConformance  # noqa: E402
from tierstore.testing.conformance.shared.harness import SharedHarness  # noqa: E402

__all__ = [
    "CannotError",
    "EdgeConformance",
    "EdgeHarness",
    "ObjectConformance",
    "ObjectHarness",
    "RegionConformance",
    "RegionHarness",
    "SharedConformance",
    "SharedHarness",
]
