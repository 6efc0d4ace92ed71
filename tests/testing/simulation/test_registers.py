"""What the checker of registers takes for known."""

from __future__ import annotations

import pytest

from tierstore.policy import load
from tierstore.testing.history import History
from tierstore.testing.simulation import Options, policy_of
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.knowledge import Facts
from tierstore.testing.simulation.observed import Observed
from tierstore.testing.simulation.registers import check
from tierstore.testing.simulation.scheduler import NS_PER_S

KEY = "a/0"


def facts_of(seen_by, *, is_apart, regions=None):
    """n0 writes, `seen_by` is shown it a second later, n2 sees nothing five seconds later."""
    now_s = [0]
    history = History(lambda: now_s[0] * NS_PER_S)
    for at_s, process, verb, argument, result in (
        (0, "n0.1/0", "put", ["1.0", None], None),
        (1, seen_by, "get", None, "1.0"),
        (6, "n2.1/0", "get", None, None),
    ):
        now_s[0] = at_s
        history.invoke(process, verb, KEY, argument).ok(result)
    families = families_of(load(policy_of(Options(families=("age",)))), 1)
    observed = Observed.of(history.operations(), {KEY: families[0]})
    told = {"is_apart": is_apart, "regions": regions or {}}
    return Facts(observed, 0, frozenset(), frozenset(), **told)


def test_what_another_node_was_shown_had_reached_the_region():
    [violation] = check(facts_of("n1.1/0", is_apart=True))
    assert "nothing explains its end" in violation


@pytest.mark.parametrize(("seen_by", "is_apart"), [("n0.1/0", True), ("n1.1/0", False)])
def test_what_may_have_come_from_a_journal_need_not_have(seen_by, is_apart):
    assert check(facts_of(seen_by, is_apart=is_apart)) == []


@pytest.mark.parametrize("region", ["A", "B"])
def test_what_another_region_has_is_known_once_it_was_seen_there(region):
    """n2, which sees nothing, is where it was written, or where it was seen."""
    regions = {"n0": "A", "n1": "B", "n2": region}
    [violation] = check(facts_of("n1.1/0", is_apart=True, regions=regions))
    assert "nothing explains its end" in violation


def test_what_was_seen_in_one_region_need_not_be_in_a_third():
    regions = {"n0": "A", "n1": "B", "n2": "C"}
    assert check(facts_of("n1.1/0", is_apart=True, regions=regions)) == []
