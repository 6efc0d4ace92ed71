"""`python -m tierstore.testing mutants`: whether every mutant is caught."""

from __future__ import annotations

import argparse
import sys

from tierstore.testing.mutants import MUTANTS, Missed, score
from tierstore.testing.mutants.score import SEEDS_MAX
from tierstore.testing.mutants.table import as_text


def run(arguments: list[str]) -> int:
    """Print a table; the exit code: 0 if all were caught, 1 if not, 2 for a name of none."""
    asked = _parser().parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if asked.name in (None, mutant.name)]
    if not chosen:
        sys.stderr.write(f"there is no mutant {asked.name!r}; docs/mutants.md lists them\n")
        return 2
    verdicts = score(chosen, asked.seeds)
    sys.stdout.write(as_text(verdicts) + "\n")
    return int(any(isinstance(verdict, Missed) for verdict in verdicts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tierstore.testing mutants",
        description="Plant known mistakes, one at a time, and see whether each is noticed.",
    )
    parser.add_argument("--name", help="only the mutant of this name")
    parser.add_argument(
        "--seeds", type=int, default=SEEDS_MAX, help=f"how many to try at most ({SEEDS_MAX})"
    )
    return parser
