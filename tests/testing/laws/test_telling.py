"""What is told of a law that is broken, and of campaigns."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from tierstore.crdt import counter
from tierstore.testing.__main__ import main
from tierstore.testing.laws import COUNTER, SET, Do, Script, Send, Touch, Wait, check, explore
from tierstore.testing.laws.checking import broken_law, shrink
from tierstore.testing.laws.joining import regions_agree
from tierstore.testing.laws.samples import adding, inserting
from tierstore.testing.mutants import patched


def lossy(right):
    """Of two counters the first stays."""
    return lambda left, other: left


def test_the_shortest_life_is_told():
    with patched(counter, "join", lossy), pytest.raises(AssertionError) as broken:
        check(COUNTER, cases=200)
    law, *steps = str(broken.value).splitlines()
    assert law.startswith("counter: join is a join: join(a, b) is not join(b, a): of {}, {101: ")
    assert len(steps) == 1
    assert ": add " in steps[0]


def test_small_scopes_find_it_too():
    with patched(counter, "join", lossy), pytest.raises(AssertionError, match="replica 1: add"):
        explore(COUNTER, 2)


def test_a_life_is_shrunk_to_what_breaks_the_law():
    steps = (Do(0, adding(1)), Wait(1), Send(0), Do(1, adding(2)), Send(1))
    with patched(counter, "join", lossy):
        shortest = shrink(COUNTER, Script(steps), (regions_agree,))
        assert broken_law(COUNTER, shortest, (regions_agree,)) is not None
    assert shortest.steps == (steps[0], steps[3])


def test_a_life_is_told_in_lines():
    script = Script((Do(0, inserting("x"), 5), Send(0), Touch(1, None), Wait(2)))
    assert str(script).splitlines() == [
        "replica 0: add 'x', for 5 ms",
        "replica 0: send",
        "replica 1: touch, for ever",
        "2 ms pass",
    ]


def test_what_cannot_even_live_breaks_a_law():
    def raises(right):
        def join(left, other):
            raise LookupError("broken")

        return join

    with patched(counter, "join", raises), pytest.raises(AssertionError, match="LookupError"):
        check(COUNTER, cases=50)


def run(*words):
    """The exit code of the command, and what it printed."""
    result = CliRunner().invoke(main, ["laws", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_the_command_tells_how_much_was_checked():
    code, told = run("--type", SET.name, "--cases", "20", "--long", "50", "--seed", "7")
    assert code == 0
    assert "set: 20 cases, " in told
    assert "set, one life: 1 cases, 50 operations, " in told


def test_the_command_fails_if_a_law_is_broken():
    with patched(counter, "join", lossy):
        code, told = run("--cases", "200")
    assert code == 1
    assert "counter: join is a join: join(a, b) is not join(b, a)" in told


def test_the_command_refuses_a_type_of_none():
    code, told = run("--type", "unheard-of")
    assert code == 2
    assert "there is no type 'unheard-of': register, counter, set, document" in told
