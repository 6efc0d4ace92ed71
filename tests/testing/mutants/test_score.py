"""What is told of mutants: by the command, and in the documentation."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
from click.testing import CliRunner

from tierstore.testing import mutants
from tierstore.testing.__main__ import main
from tierstore.testing.mutants import FAMILIES, MUTANTS, Missed, score
from tierstore.testing.mutants.mutant import Law, Mutant
from tierstore.testing.mutants.table import as_markdown


def draws_a_four(chance):
    if chance.randint(1, 6) == 4:
        yield "a four was drawn"


def raises(chance):
    raise LookupError("broken")


NEVER = Law("never", lambda chance: [])
HARMLESS = Mutant("harmless", "Nothing.", "nothing", nullcontext, (NEVER,), 0)


def test_every_scenario_is_tried_to_the_last_seed():
    found = score([replace(HARMLESS, scenarios=(NEVER, NEVER))], 7)
    assert [(type(verdict), verdict.tried) for verdict in found] == [(Missed, 14)]


def test_the_first_seed_that_catches_is_told():
    mutant = replace(HARMLESS, scenarios=(NEVER, Law("dice", draws_a_four)))
    (caught,) = score([mutant], 50)
    assert (caught.scenario.name, caught.violation) == ("dice", "a four was drawn")
    assert caught.tried == 50 + caught.seed + 1


def test_a_law_that_raises_is_broken():
    (caught,) = score([replace(HARMLESS, scenarios=(Law("raising", raises),))], 1)
    assert "LookupError: broken" in caught.violation


def run(*words):
    """The exit code of the command, and what it printed."""
    result = CliRunner().invoke(main, ["mutants", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_the_command_tells_what_catches_a_mutant():
    code, told = run("--name", "retired merged", "--name", "stamp used twice", "--seeds", "3")
    assert code == 0
    assert "retired replicas, seed 0" in told
    assert told.endswith("2 of 2 mutants caught\n")


def test_the_command_fails_if_one_is_missed(monkeypatch):
    monkeypatch.setattr(mutants, "MUTANTS", (HARMLESS,))
    code, told = run("--seeds", "2")
    assert code == 1
    assert "MISSED in 2 seeds" in told


def test_the_command_refuses_a_name_of_none():
    code, told = run("--name", "unheard of")
    assert code == 2
    assert "there is no mutant 'unheard of'" in told


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_is_told_of_a_mutant_is_a_sentence(mutant):
    assert mutant.what.endswith(".")
    assert "|" not in mutant.what + mutant.stands_for + mutant.name


def test_the_documentation_has_every_mutant(request):
    page = (request.config.rootpath / "docs/mutants.md").read_text(encoding="utf-8")
    assert page.endswith(as_markdown(FAMILIES)), "write docs/mutants.md anew: see its first lines"
