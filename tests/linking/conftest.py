"""Two regions in memory."""

from __future__ import annotations

import pytest
from linked import World


@pytest.fixture
def world():
    return World()
