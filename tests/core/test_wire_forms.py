"""Mutated wire forms of every type are refused, or are read and go on: without crash or hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wire_forms

from tierstore.testing.laws import SAMPLES

CASES = 60
"""Of each of six forms."""
CASES_OF_CAMPAIGN = int(os.environ.get("TIERSTORE_TEST_WIRE_FORMS", "100000")) // 6 + 1
SEED = 1127
TIMEOUT_S = 120
TIMEOUT_OF_CAMPAIGN_S = 3600
each_type = pytest.mark.parametrize("name", SAMPLES)


def run(name, cases, told, timeout_s):
    """How many cases of each form were read, and refused, in a process of their own."""
    command = [sys.executable, wire_forms.__file__, name, str(cases), str(SEED), str(told)]
    paths = os.pathsep.join(filter(None, [str(Path(wire_forms.__file__).parent), *sys.path]))
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=timeout_s, check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    last = told.read_text(encoding="ascii").strip()
    assert done.returncode == 0, f"code {done.returncode} at {last}\n{done.stderr[-4000:]}"
    assert "panicked" not in done.stderr
    return json.loads(done.stdout)


def check(name, cases, told, timeout_s):
    """All that has to be true of a run; what came of it."""
    ends = run(name, cases, told, timeout_s)
    outcomes = ends.pop("outcomes")
    assert len(ends) == 6
    for attempt, ended in ends.items():
        assert sum(ended.values()) == cases
        assert ended["refused"] > cases // 20, f"{attempt} refuses next to nothing"
    assert sum(ended.get("read", 0) for ended in ends.values()) > cases // 4
    assert outcomes["quarantined"] > cases // 4
    return ends | {"outcomes": outcomes}


@each_type
def test_mutated_forms_are_read_or_refused(name, tmp_path):
    check(name, CASES, tmp_path / "case", TIMEOUT_S)


@pytest.mark.campaign
@each_type
def test_a_hundred_thousand_of_them(name, tmp_path):
    print(name, check(name, CASES_OF_CAMPAIGN, tmp_path / "case", TIMEOUT_OF_CAMPAIGN_S))
