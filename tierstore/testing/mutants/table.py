"""The registry as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tierstore.testing.mutants.score import Caught

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tierstore.testing.mutants.mutant import Mutant
    from tierstore.testing.mutants.score import Verdict


def as_markdown(families: Mapping[str, Sequence[Mutant]]) -> str:
    """A table for each family: the mutant, what it does wrong, and what catches it."""
    parts: list[str] = []
    for title, mutants in families.items():
        parts += [f"## {title}", "", "| mutant | what it does | stands for | caught in | seeds |"]
        parts.append("|---|---|---|---|---|")
        parts += [_row(mutant) for mutant in mutants]
        parts.append("")
    return "\n".join(parts)


def _row(mutant: Mutant) -> str:
    scenario = mutant.scenarios[0].name
    return (
        f"| {mutant.name} | {mutant.what} | {mutant.stands_for} | {scenario} |"
        f" {mutant.caught_at + 1} |"
    )


def as_line(verdict: Verdict) -> str:
    """What became of one mutant: in which scenario, at which seed, after how many, and why."""
    name = verdict.mutant.name
    if not isinstance(verdict, Caught):
        return f"{name:42}MISSED in {verdict.tried} seeds"
    last = verdict.violation.strip().rpartition("\n")[2]
    where = f"{verdict.scenario.name}, seed {verdict.seed}"
    return f"{name:42}{where:32}{verdict.tried:4}  {last:.100}"


def as_sum(verdicts: Sequence[Verdict]) -> str:
    """How many were caught."""
    caught = sum(isinstance(verdict, Caught) for verdict in verdicts)
    return f"{caught} of {len(verdicts)} mutants caught"
