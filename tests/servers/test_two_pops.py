"""The example of two points of presence tells what it should, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "examples" / "two_pops" / "run.py"
ENDS_WITHIN_S = 120
TOLD = [
    "reads: ", "oslo show it", "are shown by the other", "lisbon shows all 50", "come from there",
    "back in the region", "read as stale", "an invoice is not", "All of it held",
]  # fmt: skip


def run(folder, *options):
    """The script, with a folder of its own for what is temporary."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "adapters")])
    environ = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": path}
    command = [sys.executable, "-W", "error", str(RUN), *options]
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False, timeout=ENDS_WITHIN_S
    )


@pytest.fixture
def folder():
    """Where others get at it, too, as at /tmp: PostgreSQL refuses to be root."""
    with tempfile.TemporaryDirectory() as path:
        os.chmod(path, 0o755)
        yield Path(path)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--brief"], marks=pytest.mark.further),
        pytest.param([], marks=pytest.mark.campaign),
    ],
    ids=["brief", "full"],
)
def test_it_holds_and_leaves_nothing(folder, options):
    done = run(folder, *options)
    if done.returncode == 2 and os.environ.get("CI") != "true":
        pytest.skip(done.stderr.strip())
    assert (done.returncode, done.stderr) == (0, "")
    assert [words for words in TOLD if words not in done.stdout] == []
    assert list(folder.iterdir()) == []


def test_what_is_missing_is_named(folder):
    code = f"import sys; sys.path.insert(0, {str(RUN.parent)!r}); import run, servers;"
    code += " servers.PACKAGES = ('not_installed',); sys.exit(run.main())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 2
    assert "missing: not_installed" in done.stderr
    assert "pip install 'tierstore[test]'" in done.stderr
