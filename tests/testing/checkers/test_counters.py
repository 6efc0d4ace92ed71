"""Counters and bounded counters against every way in which unanswered operations may have ended."""

from __future__ import annotations

import random
from itertools import product

import pytest

from tierstore.testing import checkers
from tierstore.testing.history import History


def unit_adds(do, count):
    history = History()
    for _ in range(count):
        do(history, "ann", "add", "k", 1)
    return history


def test_a_lost_increment_is_told_by_the_fewest_that_were_answered(do, assert_minimal):
    history = unit_adds(do, 7)
    do(history, "bob", "get", "k", result=4)
    verdict = checkers.counters(history)
    assert verdict.reason == "k: read 4, but the adds allow 7"
    assert len(verdict.witness) == 5 + 1
    assert_minimal(verdict, checkers.counters)


def test_an_increment_counted_twice_is_told_by_all_of_them(do):
    history = unit_adds(do, 2)
    do(history, "bob", "get", "k", result=3)
    verdict = checkers.counters(history)
    assert verdict.reason == "k: read 3, but the adds allow 2"
    assert len(verdict.witness) == 2 + 1


def test_the_sum_of_all_is_right(do):
    history = unit_adds(do, 7)
    do(history, "bob", "get", "k", result=7)
    assert checkers.counters(history, final={"k": 7}).is_valid


def test_what_is_under_way_or_unanswered_may_count(do):
    for read, is_valid in [(4, False), (5, True), (8, True), (10, True), (11, False)]:
        history = History()
        do(history, "ann", "add", "k", 7)
        history.invoke("bob", "add", "k", 3).info("timed out")
        slow = history.invoke("cyd", "add", "k", -2)
        history.invoke("dan", "add", "k", 50).fail("refused")
        do(history, "eve", "get", "k", result=read)
        slow.ok()
        do(history, "ann", "add", "k", 50)
        assert checkers.counters(history).is_valid == is_valid, read


def test_what_begins_during_a_read_may_count(do):
    for read, is_valid in [(-3, False), (-2, True), (0, True), (1, False)]:
        history = History()
        reading = history.invoke("ann", "get", "k")
        do(history, "bob", "add", "k", -2)
        reading.ok(read)
        assert checkers.counters(history).is_valid == is_valid, read


def test_the_end_is_exact_once_everything_is_answered(do, assert_minimal):
    history = unit_adds(do, 3)
    assert not checkers.counters(history, final={"k": 4}).is_valid
    verdict = checkers.counters(history, final={"k": 2})
    assert verdict.reason == "k: ended as 2, but the adds come to 3"
    assert_minimal(verdict, lambda some: checkers.counters(some, final={"k": 2}))
    history.invoke("bob", "add", "k", 1).info("timed out")
    assert checkers.counters(history, final={"k": 4}).is_valid
    assert not checkers.counters(history, final={"k": 5}).is_valid
    assert not checkers.counters(history, final={"other": 1}).is_valid


def test_an_amount_that_explains_is_not_left_out_of_the_witness(do):
    history = History()
    for amount in (10, -5, 1, 3):
        do(history, "ann", "add", "k", amount)
    do(history, "bob", "get", "k", result=8)
    verdict = checkers.counters(history)
    assert [o.argument for o in verdict.witness] == [10, -5, 1, 3, None]


def draw(rng, verbs):
    """Up to seven operations of three processes; a get answers at random."""
    history, open_ = History(), {}
    for _ in range(14):
        process = rng.choice("abc")
        if process not in open_:
            verb = rng.choice(verbs)
            argument = (
                None if verb == "get" else rng.choice([-2, 1, 3] if "get" in verbs else [1, 2])
            )
            open_[process] = history.invoke(process, verb, "k", argument), verb
        else:
            call, verb = open_.pop(process)
            end = rng.choice(["ok", "ok", "ok", "info", "fail"])
            if end == "ok":
                call.ok(rng.randint(-3, 5) if verb == "get" else None)
            else:
                getattr(call, end)("no")
    return history.operations()


def outcomes(operations):
    """Every choice of which unanswered operations took effect."""
    unanswered = [o for o in operations if o.outcome == "info"]
    answered = [o for o in operations if o.outcome == "ok"]
    for choice in product([True, False], repeat=len(unanswered)):
        yield answered + [o for o, is_done in zip(unanswered, choice, strict=True) if is_done]


def test_the_interval_is_as_narrow_as_can_be_at_the_end():
    found = set()
    for seed in range(500):
        rng = random.Random(seed)
        adds = [o for o in draw(rng, ["add", "get"]) if o.verb == "add"]
        sums = {sum(o.argument for o in done) for done in outcomes(adds)}
        for number in (min(sums), max(sums), min(sums) - 1, max(sums) + 1):
            is_valid = checkers.counters(adds, final={"k": number}).is_valid
            assert is_valid == (min(sums) <= number <= max(sums))
            found.add(is_valid)
    assert found == {True, False}


def test_no_read_is_refused_that_some_moments_explain():
    # Each operation takes effect at some event; a read fits if some choice of moments gives it.
    found = []
    for seed in range(400):
        rng = random.Random(seed)
        operations = draw(rng, ["add", "add", "get"])
        verdict = checkers.counters(operations)
        found.append(verdict.is_valid)
        reads = [o for o in operations if o.verb == "get" and o.outcome == "ok"]
        adds = [o for o in operations if o.verb == "add" and o.outcome != "fail"]
        assert verdict.is_valid == all(read.result in range_of(read, adds) for read in reads), seed
        if not verdict.is_valid:
            assert checkers.counters(verdict.witness).status == "invalid"
    assert 40 < sum(found) < 360


def range_of(read, adds):
    """All numbers between the least and the most that some moments give."""
    before = [o for o in adds if o.completed is not None and o.completed < read.invoked]
    maybe = [o for o in adds if o.invoked < read.completed and o not in before]
    sums = [
        sum(o.argument for o in before)
        + sum(o.argument for o, is_in in zip(maybe, c, strict=True) if is_in)
        for c in product([True, False], repeat=len(maybe))
    ]
    return range(min(sums), max(sums) + 1)


def test_taking_more_than_was_given_is_told_by_just_enough_takes(do, assert_minimal):
    def judge(some):
        return checkers.no_oversell(some, {"k": 3})

    history = History()
    for process in "abcdef":
        do(history, process, "take", "k", 1)
    verdict = judge(history)
    assert verdict.reason == "k: 4 had been taken when there were at most 3"
    assert len(verdict.witness) == 4
    assert_minimal(verdict, judge)
    assert judge(history.operations()[:3]).is_valid


def test_a_refused_take_takes_nothing(do):
    history = History()
    do(history, "a", "take", "k", 3)
    do(history, "b", "take", "k", 1, result=False)
    history.invoke("c", "take", "k", 1).fail("refused")
    history.invoke("d", "take", "k", 1).info("timed out")
    assert checkers.no_oversell(history, {"k": 3}).is_valid


def test_what_is_given_back_can_be_taken_from_the_moment_it_may_have_arrived(do):
    def judge(some):
        return checkers.no_oversell(some, {"k": 1})

    history = History()
    do(history, "a", "take", "k", 1)
    taking = history.invoke("b", "take", "k", 1)
    giving = history.invoke("a", "give", "k", 1)
    taking.ok()
    giving.ok()
    assert judge(history).is_valid
    do(history, "c", "take", "k", 1)
    do(history, "d", "give", "k", 5)
    verdict = judge(history)
    assert [o.process for o in verdict.witness] == ["a", "b", "a", "c"]


def test_the_minimum_is_kept(do):
    history = History()
    do(history, "a", "take", "k", 3)
    assert checkers.no_oversell(history, {"k": 3}).is_valid
    assert not checkers.no_oversell(history, {"k": 3}, minimum=1).is_valid


def test_what_is_left_is_accounted_for(do):
    def judge(some, left):
        return checkers.no_oversell(some, {"k": 9}, final={"k": left})

    history = History()
    do(history, "a", "take", "k", 3)
    do(history, "b", "give", "k", 1)
    assert [judge(history, left).is_valid for left in (6, 7, 8)] == [False, True, False]
    history.invoke("c", "take", "k", 2).info("timed out")
    history.invoke("d", "give", "k", 1).info("timed out")
    valid = [judge(history, left).is_valid for left in range(4, 10)]
    assert valid == [False, True, True, True, True, False]
    verdict = judge(history, 9)
    assert verdict.reason == "k: 9 were left, but the operations leave between 5 and 8"
    assert verdict.witness[0].process == "a"


def test_every_key_that_is_taken_from_must_have_been_given(do):
    history = History()
    do(history, "a", "take", "k", 3)
    with pytest.raises(ValueError, match=r"what there was at the start of \['k'\]"):
        checkers.no_oversell(history, {})
    do(history, "b", "add", "k", 1)
    with pytest.raises(ValueError, match="knows the verbs take and give, unlike b add k 1"):
        checkers.no_oversell(history, {"k": 1})


def test_reads_may_lag_behind_others_where_replication_is_eventual_and_not_behind_themselves():
    history = History()
    history.invoke("ann", "add", "n", 1).ok()
    history.invoke("bob", "add", "n", 4).ok()
    history.invoke("ann", "get", "n").ok(1)
    assert not checkers.counters(history).is_valid
    assert checkers.counters(history, final={"n": 5}, is_eventual=True).is_valid
    assert not checkers.counters(history, final={"n": 1}, is_eventual=True).is_valid
    history.invoke("bob", "get", "n").ok(1)
    verdict = checkers.counters(history, is_eventual=True)
    assert verdict.reason == "n: read 1, but the adds allow between 4 and 5"
    assert [operation.process for operation in verdict.witness] == ["bob", "bob"]
