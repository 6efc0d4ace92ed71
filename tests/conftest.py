"""What every test shares.

Conventions: a fixture carries the name of what it yields (`store`, `region`, `runtime`), never of
how it is made; it closes what it opened. Files live under `tmp_path`. Time passes only on a manual
runtime. A property compares with a plain `dict`.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from s3_server import running_server

# Deadlines and `too_slow` judge the machine, not the code.
_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("dev", max_examples=50, **_COMMON)
settings.register_profile("ci", derandomize=True, database=None, **_COMMON)
settings.register_profile("campaign", max_examples=5_000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def s3_server():
    """An S3 server for all tests of the session."""
    with running_server() as server:
        yield server
