"""A failing script is shrunk to a short one that fails in the same way."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.testing.simulation import draw_script, play, shrinking
from tierstore.testing.simulation.campaign import run_campaign
from tierstore.testing.simulation.shrinking import ddmin, shrink, with_steps
from tierstore.testing.simulation.signature import signature, signature_of
from tierstore.testing.simulation.simpler import WORLDS, timed, with_fewer_clients, with_fewer_nodes

EVENTS_MAX = 25
LOOK = "get of j/0 by n0.1 at 12.500 to 12.500 ms → '7.0' shows (put '7.0' by n1.2 at 1.0 to ? ms)"


def found(small):
    """The first failure of a world in which something is broken."""
    campaign = run_campaign(small, seeds=60)
    assert campaign.failures, "a planted bug must be found within a few seeds"
    return campaign.failures[0]


def shrunk_from(small, failure):
    script = small.script(failure.seed)
    return shrink(script, failure.violations, runs_max=300)


@pytest.mark.usefixtures("broken_join")
def test_keeping_the_older_of_two_states_is_found_and_shrunk(small):
    failure = found(small)
    shrunk = shrunk_from(small, failure)
    assert shrunk.events <= EVENTS_MAX
    assert shrunk.signature == signature(failure.violations)
    first, again = play(shrunk.script, is_told=True), play(shrunk.script)
    assert signature(first.violations) == shrunk.signature
    assert (first.digest, first.violations) == (again.digest, again.violations)


@pytest.mark.usefixtures("broken_join")
def test_the_same_script_is_found_every_time_and_the_bound_is_kept(small):
    failure = found(small)
    script = small.script(failure.seed)
    shrunk = [shrink(script, failure.violations, runs_max=15) for _ in range(2)]
    assert shrunk[0] == shrunk[1]
    assert (shrunk[0].runs, shrunk[0].is_complete) == (15, False)


def test_nothing_is_played_once_the_time_is_over(small):
    script = small.script(1)
    shrunk = shrink(script, ["something"], is_over=lambda: True)
    assert (shrunk.script, shrunk.runs, shrunk.is_complete) == (script, 0, False)


def test_a_script_that_does_not_fail_is_not_shrunk(small):
    with pytest.raises(ValueError, match="only a script that fails"):
        shrink(small.script(1), [])


def test_another_way_to_fail_is_no_success(small, monkeypatch):
    """Whatever is left out of the script, it fails, but no longer as it did."""
    script = small.script(1)

    def play_badly(tried):
        return SimpleNamespace(violations=["as before" if tried == script else "quite otherwise"])

    monkeypatch.setattr(shrinking, "play", play_badly)
    shrunk = shrink(script, ["as before"])
    assert (shrunk.script, shrunk.is_complete) == (script, True)


@given(needed=st.sets(st.integers(0, 39), max_size=5), size=st.integers(0, 40))
def test_ddmin_leaves_what_is_needed_and_nothing_else(needed, size):
    items = tuple(range(size))
    wanted = needed & set(items)
    assert set(ddmin(items, lambda part: wanted <= set(part))) == wanted


def test_ddmin_tries_few_parts():
    tried = []
    ddmin(tuple(range(512)), lambda part: bool(tried.append(part)) or {7, 400} <= set(part))
    assert len(tried) < 60


def test_steps_that_stay_keep_their_time(small):
    script = small.script(5)
    kept = script.steps[::3]
    left = with_steps(script, kept).steps
    assert [step.number for step in left] == [step.number for step in kept]

    def begins_ms(steps, number):
        step = next(step for step in steps if step.number == number)
        return sum(s.pause_ms for s in steps if s.client == step.client and s.number <= number)

    for step in kept:
        assert begins_ms(left, step.number) == pytest.approx(begins_ms(script.steps, step.number))


@given(seed=st.integers(0, 300))
def test_plainer_worlds_are_worlds(seed):
    from tierstore.testing.simulation.options import draw_options, prefix_of

    script = draw_script(seed, draw_options(seed, 20))
    for candidates in WORLDS:
        for plainer in candidates(script):
            options = plainer.options
            used = {key for step in plainer.steps for key in step.keys}
            assert 1 <= options.machines <= options.nodes
            assert {key[:2] for key in used} <= set(map(prefix_of, options.families))
            assert all(fault.node < options.nodes for fault in plainer.faults)


def test_a_node_takes_its_clients_and_faults_with_it(small):
    script = next(s for s in map(small.script, range(40)) if s.options.nodes == 3 and s.faults)
    for gone, fewer in enumerate(with_fewer_nodes(script)):
        stayed = [step.number for step in script.steps if step.client % 3 != gone]
        assert [step.number for step in fewer.steps] == stayed
        assert fewer.options.nodes == 2
        places = [(c - (c > gone)) for step in script.steps if (c := step.client % 3) != gone]
        assert [step.client % 2 for step in fewer.steps] == places


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LOOK, LOOK.replace("j/0", "m/4").replace("n0.1", "n2.9").replace("'7.0'", "'9.1xxxx")),
        (LOOK, LOOK.replace("get of", "scan of").replace("12.500", "1.000")),
        ("n1 still has 2 writes", "n0 still has 17 writes"),
    ],
)
def test_values_names_and_times_make_no_other_kind(one, other):
    assert signature_of(one) == signature_of(other)


def test_kinds_differ():
    assert signature_of(LOOK) != signature_of(LOOK.replace("shows", "shows what had expired:"))


def test_errors_are_of_one_kind_if_they_come_from_one_place():
    def broken(error, line, function):
        return (
            f"something broke that must not:\nTraceback (most recent call last):\n"
            f'  File "/x/y.py", line {line}, in {function}\n    z()\n{error}: text {line}\n'
        )

    assert signature_of(broken("KeyError", 1, "f")) == signature_of(broken("KeyError", 2, "f"))
    assert signature_of(broken("KeyError", 1, "f")) != signature_of(broken("OSError", 1, "f"))
    assert signature_of(broken("KeyError", 1, "f")) != signature_of(broken("KeyError", 1, "g"))


def test_one_client_for_several_begins_each_step_when_it_did(small):
    script = small.script(5)
    merged = next(iter(with_fewer_clients(script)))
    before = {step.number: at_ms for at_ms, step in timed(script.steps)}
    after = {step.number: at_ms for at_ms, step in timed(merged.steps)}
    assert after == pytest.approx(before)
    assert {step.client for step in merged.steps} <= set(range(script.options.nodes))
