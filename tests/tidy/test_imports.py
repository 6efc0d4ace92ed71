"""What a handler needs before its first read loads nothing but tierstore and cheap stdlib."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Slow to import, measured in docs/benchmarks.md, and not needed before the first read.
LATE = {
    "asyncio",
    "dataclasses",
    "importlib.metadata",
    "inspect",
    "logging",
    "sqlite3",
    "typing",
}
POLICY = """\
version: 1
tiers:
  edge: {url: "memory://", journal: none}
rules:
  - {match: "**", durability: memory}
"""
EDGE_PATH = """\
import sys
before = set(sys.modules)
import tierstore
store = tierstore.open("policy.json")
store.put("greeting", "hello")
assert store.get("greeting") == "hello"
loaded = sorted(set(sys.modules) - before)
store.close()
import json
print(json.dumps(loaded))
"""


def python(code, directory, *arguments):
    """What `code` prints in a fresh interpreter that runs in `directory`."""
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def foreign(modules):
    ours = sys.stdlib_module_names | {"tierstore"}
    return [name for name in modules if name.split(".")[0] not in ours]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """The modules that the edge path loads, from `import tierstore` to a resident read."""
    directory = tmp_path_factory.mktemp("edge")
    (directory / "policy.yaml").write_text(POLICY, encoding="utf-8")
    cli = "from tierstore.cli import main; main()"
    python(cli, directory, "policy", "compile", "policy.yaml", "-o", "policy.json")
    return json.loads(python(EDGE_PATH, directory))


def test_importing_tierstore_loads_nothing_foreign(tmp_path):
    code = "import sys; before = set(sys.modules); import tierstore, json; {}".format(
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    assert foreign(json.loads(python(code, tmp_path))) == []


def test_the_edge_path_loads_nothing_foreign(loaded):
    assert foreign(loaded) == []


def test_the_edge_path_loads_nothing_slow(loaded):
    assert sorted(LATE & set(loaded)) == []
