"""The suites over the tier that options of `reporting` name: what `checking` lets pytest run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tierstore.testing.conformance import (
    CannotError,
    EdgeConformance,
    EdgeHarness,
    ObjectConformance,
    ObjectHarness,
    RegionConformance,
    RegionHarness,
    SharedConformance,
    SharedHarness,
)
from tierstore.testing.conformance.harnesses import find_harness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any, TypeVar

    from tierstore.testing.conformance.harness import Harness

    H = TypeVar("H", bound=Harness)


class TestEdge(EdgeConformance):
    """The edge of a policy."""

    @pytest.fixture
    def harness(self, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[EdgeHarness]:
        """Made anew for each test, with or without a journal."""
        has_journal = pytestconfig.option.tier_journal
        made = make(EdgeHarness, pytestconfig, tmp_path, has_journal=has_journal)
        with made.entered() as harness:
            yield harness


class TestSharedEdge(SharedConformance):
    """The edge of a policy, if workers share it."""

    @pytest.fixture
    def harness(self, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[SharedHarness]:
        """Made anew for each test."""
        with make(SharedHarness, pytestconfig, tmp_path).entered() as harness:
            yield harness


class TestRegional(RegionConformance):
    """The regional tier of a policy."""

    @pytest.fixture
    def harness(self, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[RegionHarness]:
        """Made anew for each test."""
        with make(RegionHarness, pytestconfig, tmp_path).entered() as harness:
            yield harness


class TestCold(ObjectConformance):
    """The cold tier of a policy."""

    @pytest.fixture
    def harness(self, pytestconfig: pytest.Config, tmp_path: Path) -> Iterator[ObjectHarness]:
        """Made anew for each test."""
        with make(ObjectHarness, pytestconfig, tmp_path).entered() as harness:
            yield harness


def make(kind: type[H], config: pytest.Config, folder: Path, **options: Any) -> H:
    """A harness for the scheme that is asked for; skips the test where it cannot be made."""
    found = find_harness(kind, config.option.tier_scheme, config.option.tier_client)
    assert found is not None, f"no harness is known for {config.option.tier_scheme}:"
    make_harness: Any = found
    try:
        harness: H = make_harness(folder, **options)
    except CannotError as error:
        pytest.skip(str(error))
    return harness
