"""The counting of applied batches, for the processes of the tests and for their own."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def counting(monkeypatch):
    """Notes what this process applies, too, and reads what all of them noted."""
    path = Path(__file__).parent / "programs" / "counting.py"
    spec = importlib.util.spec_from_file_location("counting", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.count(monkeypatch.setattr)
    return module
