"""A disk that is full, for the journal or for the region: typed, named, nothing else lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import tierstore

pytest.importorskip("resource", reason="only POSIX limits the size of files")

PROGRAM = Path(__file__).parent / "programs" / "full_disk.py"
TIMEOUT_S = 60.0
OTHER = {
    "tiers": {"edge": {"url": "memory://", "journal": "another"}},
    "timeouts": {"regional": f"{TIMEOUT_S:g}s"},
}


@pytest.mark.parametrize(("durability", "full"), [("journal", b"journal"), ("regional", b"region")])
def test_a_full_disk_loses_nothing_that_was_acknowledged(tmp_path, durability, full):
    done = subprocess.run(
        [sys.executable, PROGRAM, tmp_path, durability],
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert full + b" full" in done.stderr
    count = int(done.stdout)
    with tierstore.open(OTHER, base_dir=tmp_path) as store:
        found = {entry.key for entry in store.scan()}
    acknowledged = {f"k/{n}" for n in range(count)} | {"first", "last"}
    assert acknowledged <= found <= acknowledged | {f"k/{count}", "k/refused"}
