"""What every test shares.

Conventions: a fixture carries the name of what it yields (`store`, `region`, `runtime`), never of
how it is made; it closes what it opened. Files live under `tmp_path`. Time passes only on a manual
runtime. A property compares with a plain `dict`.
"""

from __future__ import annotations

import importlib.util
import os

import postgres
import pytest
from hypothesis import HealthCheck, settings
from s3_server import running_server

# Deadlines and `too_slow` judge the machine, not the code.
_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", derandomize=True, database=None, **_COMMON)
settings.register_profile("campaign", max_examples=5_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


class WithoutDriver(pytest.Module):
    """A module of tests that cannot be imported, because it needs a driver that is missing."""

    def collect(self):
        pytest.skip("no driver: pip install boto3 obstore", allow_module_level=True)


NEEDS = {
    "s3": ["boto3"],
    "test_s3_objects.py": ["boto3"],
    "obstore": ["boto3", "obstore"],
    "test_obstore_s3_objects.py": ["boto3", "obstore"],
    "test_obstore_elsewhere.py": ["obstore"],
}
"""Drivers that modules of tests import, by their folder or their own name."""


def pytest_pycollect_makemodule(module_path, parent):
    """Skip what needs a driver where it is missing, and let it fail where `CI` is set."""
    needed = NEEDS.get(module_path.parent.name, []) + NEEDS.get(module_path.name, [])
    is_missing = any(importlib.util.find_spec(name) is None for name in needed)
    if is_missing and os.environ.get("CI") != "true":
        return WithoutDriver.from_parent(parent, path=module_path)
    return None


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server for all tests of the session."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server():
    """A PostgreSQL server for the session, with `connect_url` of the driver alone.

    Where there is none tests are skipped, but with CI=true they fail.
    """
    try:
        server = postgres.find_server()
    except postgres.MissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL to test with: {missing}")
    server.connect_url = postgres.connect_url
    yield server
    server.close()
