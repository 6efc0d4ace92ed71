"""The suites can fail: each broken adapter is caught by the behaviours that it names."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tierstore.testing.conformance import (
    EdgeConformance,
    ObjectConformance,
    RegionConformance,
    SharedConformance,
)

BROKEN = Path(__file__).parent / "broken"
BEHAVIOURS_MIN = 60
SUITES = {
    "regions": RegionConformance,
    "peers": RegionConformance,
    "lives": RegionConformance,
    "waiting": RegionConformance,
    "coordinators": RegionConformance,
    "contending": RegionConformance,
    "compacting": RegionConformance,
    "objects": ObjectConformance,
    "edges": EdgeConformance,
    "shared": SharedConformance,
    "shared_writes": SharedConformance,
    "shared_queues": SharedConformance,
    "shared_typed": SharedConformance,
}

RUNS = (
    ("regions", "peers", "lives", "waiting"),
    ("coordinators", "contending", "compacting"),
    ("objects", "edges"),
    ("shared", "shared_writes", "shared_queues", "shared_typed"),
)
"""What one process runs, as most of the time goes by until it has begun."""


def load(name):
    spec = importlib.util.spec_from_file_location(f"broken_{name}", BROKEN / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {key: kind for key, kind in vars(module).items() if key.startswith("Test")}


ADAPTERS = {file: load(file) for file in SUITES}


def behaviours(suite):
    """The tests of a suite by name."""
    return {name: getattr(suite, name) for name in dir(suite) if name.startswith("test_")}


def failures(files, folder):
    """The behaviours that failed, by file and class of the broken adapter: as users run them."""
    report = folder / "report.xml"
    tests = [
        f"{BROKEN / file}.py::{name}::{behaviour}"
        for file in files
        for name, kind in ADAPTERS[file].items()
        for behaviour in kind.caught_by
    ]
    plain = "-q -p no:cacheprovider -p no:asyncio -p no:hypothesispytest --tb=native -W ignore"
    options = [*plain.split(), "-c", os.devnull, f"--rootdir={BROKEN}"]
    subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--junit-xml={report}", *tests],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    found = {f"{file}.{name}": set() for file in files for name in ADAPTERS[file]}
    for case in ElementTree.parse(report).iter("testcase"):
        if case.find("failure") is not None:
            name = case.get("classname")
            found[name] |= {case.get("name"), case.get("name").partition("[")[0]}
    return found


@pytest.mark.parametrize("files", RUNS, ids=lambda files: files[0])
def test_each_broken_adapter_is_caught(files, tmp_path):
    """By every behaviour that it names."""
    failed = failures(files, tmp_path)
    missed = {
        f"{file}.{name}": behaviours
        for file in files
        for name, kind in ADAPTERS[file].items()
        if (behaviours := set(kind.caught_by) - failed[f"{file}.{name}"]) or not kind.caught_by
    }
    assert failed
    assert missed == {}


def test_every_broken_adapter_is_run_once():
    assert sorted(file for files in RUNS for file in files) == sorted(SUITES)
    assert {path.stem for path in BROKEN.glob("*.py")} == {*SUITES, "conftest"}


@pytest.mark.parametrize("file", SUITES)
def test_every_behaviour_says_what_it_promises(file):
    tests = behaviours(SUITES[file])
    assert len(tests) >= BEHAVIOURS_MIN
    assert [name for name, test in tests.items() if not (test.__doc__ or "").strip()] == []
    print(f"{file}: {len(tests)} behaviours")


@pytest.mark.parametrize("file", SUITES)
def test_no_behaviour_hides_another_of_its_name(file):
    names = [
        name for part in SUITES[file].__mro__ for name in vars(part) if name.startswith("test_")
    ]
    assert len(names) == len(set(names))
