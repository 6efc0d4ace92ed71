"""A suite, run by pytest in a process of its own: what became of each behaviour, as data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tierstore.testing.conformance.edge.harness import EdgeHarness
from tierstore.testing.conformance.harnesses import URL_VARIABLE, find_harness
from tierstore.testing.conformance.object.harness import ObjectHarness
from tierstore.testing.conformance.region.harness import RegionHarness
from tierstore.testing.conformance.shared.harness import SharedHarness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tierstore.policy.model import TierName
    from tierstore.testing.conformance.harness import Harness

    Progress = Callable[[str, int, int], None]

_PLUGIN = "tierstore.testing.conformance.reporting"
_SUBJECT = "tierstore.testing.conformance.subject"
_KINDS: Mapping[TierName, Mapping[str, type[Harness]]] = {
    "edge": {"TestEdge": EdgeHarness, "TestSharedEdge": SharedHarness},
    "regional": {"TestRegional": RegionHarness},
    "cold": {"TestCold": ObjectHarness},
}
"""The suites for each tier, and what they need: the first one that a scheme has counts."""
_OPTIONS = ("-p", "no:cacheprovider", "-p", _PLUGIN, "-W", "ignore", "-c", os.devnull,
            "-o", "tmp_path_retention_policy=none", "--import-mode=importlib")  # fmt: skip
_FOREIGN = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")
_NONE_SELECTED = 5
_USUAL_ENDS = (0, 1, _NONE_SELECTED)
"""Exit codes of pytest: all passed, some failed, none was selected."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A tier to check, as a policy declares it."""

    tier: TierName
    scheme: str
    has_journal: bool = False
    """Of an edge."""
    url: str = field(default="", repr=False)
    """Where its server is, if it has one; it may hold a secret."""
    client: str | None = None
    """Of a cold tier, if the policy names one."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A behaviour that a tier has not."""

    behaviour: str
    test: str
    """Its name, with the parameters it had."""
    promise: str
    text: str


@dataclass(slots=True)
class Conformance:
    """What a suite found."""

    subject: Subject
    behaviours: int = 0
    passed: int = 0
    """Tests, of which a behaviour may have several."""
    skipped: Counter[str] = field(default_factory=Counter)
    """How many tests, by the reason."""
    broken: list[Broken] = field(default_factory=list)
    unchecked: str | None = None
    """Why it was not checked, or not to the end; None if it was."""

    def add(self, told: Mapping[str, Any]) -> None:
        """Count one test."""
        if told["outcome"] == "passed":
            self.passed += 1
        elif told["outcome"] == "skipped":
            self.skipped[told["text"]] += 1
        else:
            named = (told[name] for name in ("behaviour", "test", "promise", "text"))
            self.broken.append(Broken(*named))


def check(
    subject: Subject,
    folder: str | os.PathLike[str],
    *,
    behaviour: str | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Conformance:
    """Run the suite for `subject` on scratch tiers below `folder`, which are left there.

    `behaviour` selects those whose name contains it. Nothing of the configuration of pytest that
    lies around counts. `progress` is called with the tier, and how many of how many tests are done.
    """
    found = Conformance(subject, unchecked=_why_not(subject))
    if found.unchecked is not None:
        return found
    where = Path(folder) / subject.tier
    where.mkdir()
    tests = 0
    with _Suite(subject, where, behaviour) as suite:
        for told in suite.lines():
            if "tests" in told:
                tests, found.behaviours = told["tests"], told["behaviours"]
            else:
                found.add(told)
            done = found.passed + found.skipped.total() + len(found.broken)
            progress(subject.tier, done, tests)
    found.unchecked = suite.complaint()
    if found.skipped and not found.passed and not found.broken:
        found.unchecked = found.skipped.most_common(1)[0][0]
    return found


def _why_not(subject: Subject) -> str | None:
    try:
        known = _suite_name(subject)
    except ImportError as error:
        return f"the harness for {subject.scheme}: cannot be imported: {error}"
    return None if known else f"no harness is known for {subject.scheme}:"


def _suite_name(subject: Subject) -> str | None:
    """Of the class of tests; None if no harness is known. Raises ImportError as `find_harness`."""
    kinds = _KINDS[subject.tier].items()
    scheme, client = subject.scheme, subject.client
    return next((name for name, kind in kinds if find_harness(kind, scheme, client)), None)


class _Suite:
    """A process that runs a suite. It ends with this one's interest in it."""

    def __init__(self, subject: Subject, folder: Path, behaviour: str | None) -> None:
        self._log = folder / "log.txt"
        self._reader, writer = os.pipe()
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603  # this interpreter, our words
                    [*_command(subject, folder, behaviour), f"--tell={writer}"],
                    cwd=folder,
                    env=_environment(subject),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=[writer],
                )
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)

    def __enter__(self) -> _Suite:
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is not None:
            self._process.kill()
        self._process.wait()

    def lines(self) -> Iterator[dict[str, Any]]:
        """What the process tells, until it has told everything."""
        with os.fdopen(self._reader, encoding="utf-8") as reader:
            for line in reader:
                yield json.loads(line)

    def complaint(self) -> str | None:
        """Why it did not get to its end; None if it did."""
        if self._process.returncode in _USUAL_ENDS:
            return None
        last = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = f": {last[-1]}" if last else ""
        return f"its suite ended with code {self._process.returncode}{said}"


def _command(subject: Subject, folder: Path, behaviour: str | None) -> list[str]:
    name = _suite_name(subject)
    command = [sys.executable, "-m", "pytest", "--pyargs", f"{_SUBJECT}::{name}", *_OPTIONS]
    command += [f"--rootdir={folder}", f"--basetemp={folder / 'tiers'}"]
    command += [f"--tier-scheme={subject.scheme}"]
    command += [f"--tier-client={subject.client}"] if subject.client else []
    command += ["--tier-journal"] if subject.has_journal else []
    return [*command, f"--tier-behaviour={behaviour or ''}"]


def _environment(subject: Subject) -> dict[str, str]:
    """This process's, with its import path, and without plugins of pytest but ours."""
    ours = {name: text for name, text in os.environ.items() if name not in _FOREIGN}
    return {
        **ours,
        URL_VARIABLE: subject.url,
        "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
