"""A plugin of pytest that tells another process, line by line, what became of each behaviour."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

_WORST = ("passed", "skipped", "failed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """What to check, and where to tell it."""
    group = parser.getgroup("tierstore")
    group.addoption("--tier-scheme", help="The URL scheme of the tier to check.")
    group.addoption("--tier-client", help="The client of a cold tier, if a policy names one.")
    group.addoption("--tier-journal", action="store_true", help="The edge has a journal.")
    group.addoption("--tier-behaviour", default="", help="Only those with this in their name.")
    group.addoption("--tell", type=int, metavar="FD", help="Tell results on this descriptor.")


def pytest_configure(config: pytest.Config) -> None:
    """Tell results if that was asked for."""
    if config.option.tell is not None:
        config.pluginmanager.register(Reporter(config.option.tell))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those that are asked for."""
    items[:] = [item for item in items if config.option.tier_behaviour in _name(item)]


class Reporter:
    """Tells how many tests there are, then each as it ends, as JSON objects on lines."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._told: dict[str, Any] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell what there is."""
        behaviours = {_name(item) for item in session.items}
        self._tell({"tests": len(session.items), "behaviours": len(behaviours)})

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin a test."""
        self._told = {"outcome": "passed"}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note the worst of its stages."""
        report = yield
        if _WORST.index(report.outcome) > _WORST.index(self._told["outcome"]):
            self._told = {"outcome": report.outcome, "text": _text(report)}
        self._told |= {"behaviour": _name(item), "test": item.name, "promise": _promise(item)}
        return report

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Tell a test."""
        self._tell(self._told)

    def _tell(self, line: dict[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(line).encode() + b"\n")


def _name(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", item.name))


def _promise(item: pytest.Item) -> str:
    doc = getattr(getattr(item, "obj", None), "__doc__", None) or ""
    return doc.strip().partition("\n")[0]


def _text(report: pytest.TestReport) -> str:
    """Why a test was skipped, or how it failed, on one line."""
    if report.skipped and isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(report.longrepr) if crash is None else str(crash.message)
    return text.strip().partition("\n")[0]
