"""Fixtures of Valkey servers and clusters.

Where there is none to start, what needs it is skipped, but fails with CI=true.
"""

from __future__ import annotations

import os

import pytest
from valkey_server import MissingError


def started(start, **settings):
    """What `start(**settings)` gives."""
    try:
        return start(**settings)
    except MissingError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no Valkey to test with: {missing}")


def running(start, scope="module", **settings):
    """A fixture of what `start(**settings)` gives; of one module alone that may harm it."""

    @pytest.fixture(scope=scope)
    def run():
        pytest.importorskip("redis")
        made = started(start, **settings)
        yield made
        made.close()

    return run


def starting(start):
    """A fixture that starts what a test asks for: `own_server(maxmemory="2mb")`."""

    @pytest.fixture
    def begin():
        pytest.importorskip("redis")
        made = []

        def one(**settings):
            made.append(started(start, **settings))
            return made[-1]

        yield one
        for each in made:
            each.close()

    return begin
