"""The command line in a folder of its own: in this process, and as a real one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tierstore.cli import main

POLICY = """\
version: 1
tiers:
  edge: {{url: "memory://", journal: {journal}}}
  regional: {{url: "sqlite:///{region}"}}
{rest}"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, without a policy in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TIERSTORE_POLICY", raising=False)
    monkeypatch.delenv("TIERSTORE_DEBUG", raising=False)
    return tmp_path


@pytest.fixture
def cli(folder):
    """`cli(*words, input=None)`: the result, with exit_code, stdout_bytes, stdout, stderr."""

    def run(*words, **options):
        return CliRunner().invoke(main, words, **options)

    return run


@pytest.fixture
def cli_json(cli):
    """`cli_json(*words)`: the exit code and the document on standard output."""

    def run(*words, **options):
        result = cli(*words, "--json", **options)
        return result.exit_code, json.loads(result.stdout)

    return run


@pytest.fixture
def command(folder):
    """`command(*words)`: the words that run the command line as a process in `folder`."""
    return lambda *words: [sys.executable, "-m", "tierstore", *words]


@pytest.fixture
def heeds_ctrl_c():
    """Processes started meanwhile heed SIGINT, though the suite may run with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def shell(command):
    """`shell(*words)`: the finished process."""

    def run(*words, **options):
        return subprocess.run(command(*words), capture_output=True, timeout=60, **options)

    return run


@pytest.fixture
def write_policy(folder):
    """`write_policy(name, region=, journal=, rest=)`: the path of a policy file."""

    def write(name="policy.yaml", *, region="region.db", journal="journal", rest=""):
        text = POLICY.format(region=region, journal=journal, rest=rest)
        (folder / name).write_text(text, encoding="utf-8")
        return name

    return write


@pytest.fixture
def unreachable(folder, write_policy):
    """A policy whose region is away until `restore()`: a file stands where its folder should."""
    (folder / "away").write_bytes(b"")
    policy = write_policy("away.yaml", region="away/region.db")

    def restore():
        Path("away").unlink()
        Path("away").mkdir()

    return policy, restore
