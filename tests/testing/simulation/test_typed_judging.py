"""The judge of counters and sets: histories that must not be, and twins that just may."""

from __future__ import annotations

from collections import Counter

import pytest

from tierstore.policy import load
from tierstore.testing.history import History
from tierstore.testing.simulation import typed
from tierstore.testing.simulation.deeds import Typed, taken_apart
from tierstore.testing.simulation.families import families_of
from tierstore.testing.simulation.knowledge import Facts
from tierstore.testing.simulation.observed import Observed
from tierstore.testing.simulation.settled import _exact

NS_PER_MS = 1_000_000
RULES = {
    "journal": {},
    "regional": {"durability": "regional"},
    "memory": {"durability": "memory"},
    "ttl": {"ttl": "3s"},
    "renewed": {"ttl": "3s", "ttl_renew": "write"},
    "age": {"read": {"max_age": "2s"}},
}
A, B = "n0.1/0", "n1.1/0"


class Told:
    """A history of one key, told step by step; `at_ms` is when the next step begins and ends."""

    def __init__(self, rule="journal", type="set"):
        self.at_ms = 0
        self.history = History(lambda: self.at_ms * NS_PER_MS)
        rules = [{"match": "k/*", "type": type, **RULES[rule]}]
        self.families = families_of(load({"version": 1, "rules": rules}), 1)
        self.reached = Counter()

    def do(self, client, verb, argument=None, result=None, *, outcome="ok", at_ms=None):
        """One operation of `client`, such as "n0.1/0", which takes no time."""
        self.at_ms = self.at_ms + 10 if at_ms is None else at_ms
        asked = self.history.invoke(client, verb, "k/0", argument)
        if outcome == "ok":
            asked.ok(result)
        else:
            asked.fail("refused") if outcome == "fail" else asked.info("timed out")
        return self

    def add(self, client, *elements, **told):
        return self.do(client, "add", list(elements), **told)

    def count(self, client, amount, **told):
        return self.do(client, "add", amount, **told)

    def discard(self, client, *elements, **told):
        return self.do(client, "discard", list(elements), **told)

    def all(self, client, *elements, **told):
        return self.do(client, "all", result=list(elements), **told)

    def facts(self, lives=("n0.1", "n1.1"), **facts):
        """What is known; `lives` are those that went on to the end."""
        families = {key: family for family in self.families for key in family.keys}
        observed = Observed.of(self.history.operations(), families)
        core = frozenset(life.partition(".")[0] for life in lives)
        return Facts(observed, 0, frozenset(lives), core, {"n0": [], "n1": []}, **facts)

    def violations(self, **facts):
        deeds = Typed.of(self.history.operations(), self.families)
        return typed.check(self.facts(**facts), deeds, self.reached)


def assert_told(told, words, **facts):
    assert any(words in text for text in told.violations(**facts)), told.violations(**facts)


def assert_well(told, **facts):
    assert told.violations(**facts) == []


@pytest.mark.parametrize("amounts", [[1, 4, 16], [1, -4, 16], [-1, -4, -16]])
def test_a_sum_tells_what_it_is_made_of(amounts):
    assert taken_apart(amounts[0] + amounts[2], amounts)[0] == dict(
        zip(amounts, (1, 0, 1), strict=True)
    )
    assert taken_apart(sum(amounts) + amounts[1], amounts)[0][amounts[1]] == 2
    assert taken_apart(sum(amounts) + 64, amounts)[1] == 64


def test_an_increment_counted_twice_is_told():
    told = Told(type="counter").count(A, 1).count(A, 4)
    assert_well(told.do(A, "sum", result=5))
    assert_told(told.do(A, "sum", result=6), "has counted 1 2 times")
    assert_told(told.do(A, "sum", result=21), "is off by 16")


def test_an_own_increment_that_is_missing_is_told_and_one_of_another_may_be():
    told = Told(type="counter").count(A, 1).count(B, 4)
    assert_well(told.do(A, "sum", result=1))
    assert_well(told.do(A, "sum", result=5))
    assert_told(told.do(A, "sum", result=1), "lacks 4")  # it had been seen
    assert_told(told.do(B, "sum", result=1), "lacks 4")


def test_what_a_crash_may_have_taken_need_not_be_there_and_the_rest_must():
    for rule, is_lost in (("memory", True), ("journal", False), ("regional", False)):
        told = Told(rule, "counter").count("n0.1/0", 1).do("n0.2/0", "final", result=None)
        violations = told.violations(lives=("n0.2", "n1.1"))
        assert bool(violations) is not is_lost


def test_what_was_flushed_before_a_delete_does_not_come_back():
    told = Told("regional", "counter").count(A, 1).do(B, "delete")
    assert_well(told.do(A, "sum", result=1))
    assert_told(told.do(B, "sum", result=1), "(delete by n1.1")


def test_what_had_not_arrived_when_another_deleted_may_stay():
    told = Told(type="counter").count(A, 1).do(B, "delete")
    assert_well(told.do(B, "sum", result=1).do(A, "sum", result=0))


def test_a_delete_that_was_over_explains_no_end():
    told = Told("regional", "counter").do(B, "delete").count(A, 1)
    assert_told(told.do(A, "sum", result=0), "lacks 1")


@pytest.mark.parametrize(
    ("outcome", "words"), [("fail", "whose add had failed"), ("none", "was not added")]
)
def test_what_is_shown_was_added_and_had_not_failed(outcome, words):
    told = Told()
    if outcome == "fail":
        told.add(A, "x", outcome="fail")
    assert_told(told.all(A, "x"), words)


def test_an_add_after_a_discard_stays():
    told = Told().add(A, "x").discard(B, "x").add(A, "x")
    assert_told(told.all(A), "lacks 'x'")


def test_an_add_that_a_discard_may_have_seen_may_end():
    assert_well(Told().add(A, "x").discard(B, "x").all(A))
    assert_well(Told().add(A, "x").discard(B, "x").all(A, "x"))


def test_own_words_show():
    assert_told(Told().add(A, "x").discard(A, "x").all(A, "x"), "(discard 'x' by n0.1")
    assert_told(Told().add(A, "x").do(A, "contains", ["x"], False), "lacks 'x'")
    assert_well(Told().add(A, "x").do(A, "contains", ["y"], False))


def test_what_was_seen_and_discarded_does_not_come_back():
    told = Told().add(A, "x").all(B, "x").discard(B, "x")
    assert_well(told.all(A, "x"))
    assert_told(told.all(B, "x"), "(discard 'x' by n1.1")


def test_what_had_gone_does_not_come_back():
    told = Told("regional").add(A, "x").all(B, "x").discard(A, "x").all(B)
    assert_told(told.all(B, "x"), "nothing was left in all of k/0 by n1.1")


def test_a_bound_on_age_makes_adds_and_discards_known_everywhere():
    told = Told("age").add(A, "x").do(A, "flush").all(B, at_ms=1000)
    assert_well(told)
    assert_told(told.all(B, at_ms=5000), "lacks 'x'")
    told = Told("age").add(A, "x").discard(A, "x").do(A, "flush")
    assert_told(told.all(B, "x", at_ms=5000), "(discard 'x' by n0.1")


def test_of_many_adds_one_is_left_until_something_ends_it():
    told = Told().add(A, "x").add(B, "x").all("n2.1/0", "x")
    assert_told(told.all("n2.1/0"), "nothing explains its end since")
    assert_well(Told().add(A, "x").add(B, "x").all("n2.1/0", "x").discard(A, "x").all("n2.1/0"))


def test_a_lifetime_ends_and_not_before():
    told = Told("ttl", "counter").count(A, 1).do(A, "flush")
    assert_told(told.do(A, "sum", result=0, at_ms=2900), "lacks 1")
    told = Told("ttl", "counter").count(A, 1).do(A, "flush")
    assert_well(told.do(A, "sum", result=0, at_ms=3100))
    assert_told(told.do(A, "sum", result=1, at_ms=3100), "nothing is left since")


def test_what_waits_for_the_region_may_join_a_later_generation():
    assert_well(Told("ttl", "counter").count(A, 1).do(A, "sum", result=1, at_ms=9000))


def test_a_change_renews_a_lifetime_where_the_rule_says_so():
    for rule, is_told in (("ttl", False), ("renewed", True)):
        told = Told(rule, "counter").count(A, 1).count(A, 4, at_ms=2000).do(A, "flush")
        assert bool(told.do(A, "sum", result=0, at_ms=3500).violations()) is is_told


def test_a_key_twice_in_a_scan_is_told():
    told = Told().do(A, "scan", result=[["k/0", []], ["k/0", []]])
    assert_told(told, "shows a key more than once")


def test_exact_sums_are_demanded_where_nothing_ends():
    told = Told("memory", "counter").count("n0.1/0", 1).count(B, 4).do(B, "final", result=4)
    for lives, totals in ((("n0.2", "n1.1"), (4, 5)), (("n0.1", "n1.1"), (5,))):
        for total in (0, 1, 4, 5, 9):
            history = told.history.operations()
            judge = typed.TypedJudge(told.facts(lives), Typed.of(history, told.families), "k/0")
            assert (not list(_exact(judge, "k/0", total, history))) is (total in totals)


def test_who_was_forgotten_may_show_what_it_had_sent_twice():
    """Until it hears of that; nobody else may, and not before."""
    told = Told("memory", "counter").count(A, 4).do(A, "sum", result=8, at_ms=30_000)
    by_other = Told("memory", "counter").count(A, 4).do(B, "sum", result=8, at_ms=30_000)
    for each, after_s, is_odd in (
        (told, None, True), (told, 40, True), (told, 20, False), (by_other, 20, True),
    ):  # fmt: skip
        after_ns = after_s and after_s * 1000 * NS_PER_MS
        deeds = Typed.of(each.history.operations(), each.families, after_ns)
        assert bool(deeds.oddities) is is_odd


def test_adds_that_outlive_what_they_raced_with_are_counted():
    told = Told().add(A, "x").discard(B, "x").do(B, "final", result=["x"])
    assert told.violations() == []
    assert told.reached["add outlived a concurrent discard"] == 1


@pytest.mark.parametrize("outcome", ["ok", "info"])
def test_a_discard_of_what_was_hidden_by_an_unanswered_one_confirms_nothing(outcome):
    told = Told("regional").add(A, "x").all(B, "x").discard(B, "x", outcome=outcome)
    told.discard(B, "x").do("n2.1/0", "fresh", result=["x"], at_ms=9000)
    assert bool(told.violations()) is (outcome == "ok")
