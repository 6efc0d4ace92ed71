"""The judge of registers: histories that must not be, and twins that just may."""

from __future__ import annotations

import pytest

from tierstore.policy import load
from tierstore.testing.history import History
from tierstore.testing.simulation import registers
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.knowledge import Facts
from tierstore.testing.simulation.observed import Observed

NS_PER_MS = 1_000_000
RULES = {
    "journal": {},
    "regional": {"durability": "regional"},
    "memory": {"durability": "memory"},
    "ttl": {"ttl": "3s"},
    "age": {"read": {"max_age": "2s"}},
}


class Told:
    """A history of one key, told step by step; `at_ms` is when the next step begins and ends."""

    def __init__(self, rule="journal"):
        self.at_ms = 0
        self.history = History(lambda: self.at_ms * NS_PER_MS)
        policy = load({"version": 1, "rules": [{"match": "k/*", **RULES[rule]}]})
        self.families = families_of(policy, 1)

    def do(self, client, verb, argument=None, result=None, *, outcome="ok", at_ms=None):
        """One operation of `client`, such as "n0.1/0", which takes no time."""
        self.at_ms = self.at_ms + 10 if at_ms is None else at_ms
        asked = self.history.invoke(client, verb, "k/0", argument)
        if outcome == "ok":
            asked.ok(result)
        elif outcome == "fail":
            asked.fail("refused")
        elif outcome == "info":
            asked.info("timed out")
        return self

    def put(self, client, value, ttl_ms=None, **told):
        return self.do(client, "put", [value, ttl_ms], **told)

    def violations(self, lives=("n0.1", "n1.1"), **facts):
        """What the judge finds; `lives` are those that went on to the end."""
        families = {key: family for family in self.families for key in family.keys}
        observed = Observed.of(self.history.operations(), families)
        core = frozenset(life.partition(".")[0] for life in lives)
        return registers.check(
            Facts(observed, 0, frozenset(lives), core, {"n0": [], "n1": []}, **facts)
        )


A, B = "n0.1/0", "n1.1/0"


def assert_told(told, words, **facts):
    assert any(words in text for text in told.violations(**facts)), told.violations(**facts)


def assert_well(told, **facts):
    assert told.violations(**facts) == []


def test_a_write_that_its_own_process_no_longer_sees_is_told():
    told = Told().put(A, "1").put(A, "2").do(A, "get", result="1")
    assert_told(told, "had surely replaced")
    assert_well(Told().put(A, "1").put(A, "2").do(A, "get", result="2"))


def test_another_process_may_not_have_heard_of_a_write_unless_it_saw_it():
    assert_well(Told().put(A, "1").put(A, "2").do(B, "get", result="1"))
    seen = Told().put(A, "1").put(A, "2").do(B, "get", result="2").do(B, "get", result="1")
    assert_told(seen, "had surely replaced")


def test_a_bound_on_age_makes_writes_known_everywhere():
    def told(late_ms):
        return (
            Told("age").put(A, "1").put(A, "2").do(A, "flush")
            .do(B, "get", result="1", at_ms=30 + late_ms)
        )  # fmt: skip

    assert_told(told(2010), "had surely replaced")
    assert_well(told(1990))


@pytest.mark.parametrize(
    ("outcome", "words"), [("fail", "had failed"), ("info", None), ("never", "never written")]
)
def test_what_is_shown_was_written_and_had_not_failed(outcome, words):
    told = Told()
    if outcome != "never":
        told.put(A, "1", outcome=outcome)
    told.do(B, "get", result="1")
    assert_well(told) if words is None else assert_told(told, words)


def test_a_value_from_the_future_is_told():
    told = Told().do(B, "get", result="1").put(A, "1")
    assert_told(told, "written only later")


def test_absence_needs_a_delete_or_an_expiry():
    told = Told().put(A, "1").do(A, "get")
    assert_told(told, "nothing explains its end")
    assert_well(Told().put(A, "1").do(B, "delete", outcome="info").do(A, "get"))
    assert_well(Told("ttl").put(A, "1").do(A, "get", at_ms=3010))
    assert_told(Told("ttl").put(A, "1").do(A, "get", at_ms=2500), "nothing explains its end")


def test_a_delete_that_had_been_replaced_explains_nothing():
    told = Told().do(A, "delete").put(A, "1").do(A, "get")
    assert_told(told, "nothing explains its end")


def test_a_touch_moves_the_end_of_what_was_there_only():
    touch = {"argument": 500, "result": True}
    assert_well(Told().put(A, "1").do(B, "touch", **touch).do(A, "get", at_ms=600))
    before = Told().put(A, "0").do(B, "touch", **touch).put(A, "1").do(A, "get", at_ms=600)
    assert_told(before, "nothing explains its end")
    vain = Told().put(A, "1").do(B, "touch", 500, result=False).do(A, "get", at_ms=600)
    assert_told(vain, "nothing explains its end")


def test_what_has_expired_is_not_shown_unless_a_touch_kept_it():
    assert_told(Told("ttl").put(A, "1").do(A, "get", result="1", at_ms=3500), "had expired")
    touch = {"argument": 10_000, "result": True}
    assert_well(
        Told("ttl").put(A, "1").do(B, "touch", **touch).do(A, "get", result="1", at_ms=3500)
    )
    before = (
        Told("ttl").put(A, "0").do(B, "touch", **touch).put(A, "1")
        .do(A, "get", result="1", at_ms=3500)
    )  # fmt: skip
    assert_told(before, "had expired")


def test_replicas_that_differ_at_the_end_are_told():
    told = Told().put(A, "1", outcome="info").put(B, "2", outcome="info")
    told.do(A, "final", result="1").do(B, "final", result="2")
    assert_told(told, "replicas differ")


def test_an_acknowledged_write_is_missed_if_its_durability_promised_it():
    def told(rule):
        return Told(rule).put(A, "1").do("n1.1/final", "final")

    lost = {"lives": ("n1.1",)}  # the node that wrote it is away for good
    assert_told(told("regional"), "nothing explains its end", **lost)
    assert_well(told("journal"), **lost)
    assert_told(told("journal"), "nothing explains its end")
    assert_well(told("memory"), lives=("n0.2", "n1.1"))
    assert_told(told("journal"), "nothing explains its end", lives=("n0.2", "n1.1"))
