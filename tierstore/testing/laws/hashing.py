"""That nothing depends on the order of sets and dictionaries, which is another in each process."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from tierstore.record import encode, hash_payload
from tierstore.runtime.chance import Chance
from tierstore.testing.laws.living import live
from tierstore.testing.laws.steps import draw_script

if TYPE_CHECKING:
    from tierstore.testing.laws.under_test import TypeUnderTest

SEEDS = (0, 1, 4242)
PROGRAM = "import sys; from tierstore.testing.laws import hashing; hashing.main(*sys.argv[1:])"
TIMEOUT_S = 120


def digest(under_test: TypeUnderTest, cases: int) -> str:
    """A digest of every state that regions have in so many lives."""
    chance, parts = Chance(under_test.name, "hashing"), b""
    for _ in range(cases):
        life = live(under_test, draw_script(under_test, chance, 20))
        parts += b"".join(map(encode, life.records()))
    return hash_payload(parts).hex()


def results_do_not_depend_on_hashes(reference: str, cases: int = 100) -> None:
    """States are the same in processes that hash otherwise.

    `reference` is where a child process finds the type under test: `"module:NAME"`. Raises
    AssertionError if they differ, CalledProcessError if a child fails.
    """
    digests = {seed: _digest_of_child(reference, cases, seed) for seed in SEEDS}
    assert len(set(digests.values())) == 1, f"by PYTHONHASHSEED, states are {digests}"


def main(reference: str, cases: str) -> None:
    """Print the digest: what a child process does."""
    module, _, name = reference.partition(":")
    sys.stdout.write(digest(getattr(import_module(module), name), int(cases)))


def _digest_of_child(reference: str, cases: int, seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", PROGRAM, reference, str(cases)],
        env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    return done.stdout
