"""Folders for tiers that sync much."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def folder():
    """A folder, in memory where the system has that."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tierstore", dir=memory) as path:
        yield Path(path)
