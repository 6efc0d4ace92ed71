"""Lost writes, resurrection and fencing: planted violations and twins that just avoid them."""

from __future__ import annotations

import pytest

from tierstore.testing import checkers
from tierstore.testing.history import History


def test_a_lost_write_is_told(do, assert_minimal):
    history = History()
    do(history, "ann", "write", "k", 1)
    do(history, "bob", "write", "k", 2)
    verdict = checkers.no_lost_write(history, {"k": 1})
    assert [o.argument for o in verdict.witness] == [2]
    assert verdict.reason == (
        "k: a write (acknowledged) is lost: the key ended as 1, as ann left it before"
    )
    assert_minimal(verdict, lambda some: checkers.no_lost_write(some, {"k": 1}))
    assert checkers.no_lost_write(history, {"k": 2}).is_valid


def test_a_key_that_is_gone_lost_its_write(do):
    history = History()
    do(history, "ann", "write", "k", 1)
    assert "was deleted, which no write explains" in checkers.no_lost_write(history, {}).reason
    do(history, "ann", "delete", "k")
    assert checkers.no_lost_write(history, {}).is_valid
    assert not checkers.no_lost_write(history, {"k": 1}).is_valid


def test_a_value_that_nobody_wrote_is_no_excuse(do):
    history = History()
    do(history, "ann", "write", "k", 1)
    assert not checkers.no_lost_write(history, {"k": "?"}).is_valid
    assert checkers.no_lost_write([], {"k": "?"}).is_valid  # it may have been there before


def test_a_write_that_overlaps_may_win():
    history = History()
    first, second = history.invoke("ann", "write", "k", 1), history.invoke("bob", "write", "k", 2)
    second.ok()
    first.ok()
    assert checkers.no_lost_write(history, {"k": 1}).is_valid
    assert checkers.no_lost_write(history, {"k": 2}).is_valid


def test_a_write_without_an_answer_may_win_and_a_failed_one_may_not(do):
    history = History()
    history.invoke("ann", "write", "k", 1).info("timed out")
    history.invoke("ann", "write", "k", 2).fail("refused")
    do(history, "bob", "write", "k", 3)
    assert checkers.no_lost_write(history, {"k": 1}).is_valid
    assert not checkers.no_lost_write(history, {"k": 2}).is_valid


def test_only_the_durability_that_should_survive_is_judged(do):
    history = History()
    do(history, "ann", "write", "regional/k", 1)
    do(history, "ann", "write", "memory/k", 1)

    def durability_of(operation):
        return None if operation.key.startswith("memory/") else "regional"

    assert checkers.no_lost_write(history, {"regional/k": 1}, durability_of).is_valid
    verdict = checkers.no_lost_write(history, {"memory/k": 1}, durability_of)
    assert verdict.reason.startswith("regional/k: a write (regional) is lost")


def test_a_write_that_may_be_lost_may_also_stay(do):
    history = History()
    do(history, "ann", "write", "k", 1)
    do(history, "ann", "write", "k", 2)
    durable = {1: "regional", 2: None}
    for value, is_valid in [(1, True), (2, True), (3, False)]:
        verdict = checkers.no_lost_write(history, {"k": value}, lambda o: durable[o.argument])
        assert verdict.is_valid == is_valid


def test_a_compare_and_set_is_a_write_if_it_set(do):
    history = History()
    do(history, "ann", "cas", "k", (None, 1), True)
    do(history, "ann", "cas", "k", (2, 3), False)
    assert checkers.no_lost_write(history, {"k": 1}).is_valid
    assert not checkers.no_lost_write(history, {"k": 3}).is_valid


def test_a_value_does_not_come_back_after_ones_own_delete(do, assert_minimal):
    history = History()
    do(history, "ann", "write", "k", 1)
    do(history, "bob", "delete", "k")
    do(history, "cyd", "read", "k", result=1)  # has not heard of it yet
    assert checkers.no_resurrection(history).is_valid
    do(history, "bob", "read", "k", result=1)
    verdict = checkers.no_resurrection(history)
    assert [o.verb for o in verdict.witness] == ["write", "delete", "read"]
    assert verdict.reason == "k: 1 came back after bob knew of its deletion"
    assert_minimal(verdict, checkers.no_resurrection)


def test_a_value_does_not_come_back_after_it_was_seen_to_be_gone(do, assert_minimal):
    history = History()
    do(history, "bob", "read", "k", result=None)
    do(history, "bob", "read", "k", result=1)
    do(history, "bob", "read", "k", result=2)
    do(history, "bob", "read", "k", result=None)
    do(history, "bob", "read", "k", result=1)  # an older one that was not known to be deleted
    assert checkers.no_resurrection(history).is_valid
    do(history, "bob", "read", "k", result=2)
    verdict = checkers.no_resurrection(history)
    assert [o.result for o in verdict.witness] == [2, None, 2]
    assert_minimal(verdict, checkers.no_resurrection)


def test_a_value_that_was_read_does_not_come_back_after_ones_own_delete(do, assert_minimal):
    history = History()
    history.invoke("ann", "write", "k", 1).info("timed out")
    do(history, "bob", "read", "k", result=1)
    do(history, "bob", "delete", "k")
    do(history, "bob", "read", "k", result=1)
    verdict = checkers.no_resurrection(history)
    assert [o.verb for o in verdict.witness] == ["read", "delete", "read"]
    assert_minimal(verdict, checkers.no_resurrection)


def test_a_write_that_overlaps_the_delete_or_has_no_answer_may_show_up_later(do):
    history = History()
    history.invoke("ann", "write", "k", 1).info("timed out")
    writing = history.invoke("cyd", "write", "k", 2)
    do(history, "bob", "delete", "k")
    writing.ok()
    do(history, "bob", "read", "k", result=2)
    do(history, "bob", "read", "k", result=1)
    assert checkers.no_resurrection(history, {"k": 1}).is_valid
    assert checkers.no_resurrection(history, {"k": 2}).is_valid


def test_a_delete_that_was_not_answered_deletes_nothing(do):
    history = History()
    do(history, "ann", "write", "k", 1)
    history.invoke("ann", "delete", "k").info("timed out")
    history.invoke("ann", "delete", "k").fail("refused")
    do(history, "ann", "read", "k", result=1)
    assert checkers.no_resurrection(history, {"k": 1}).is_valid


def test_nothing_ends_as_what_was_deleted(do, assert_minimal):
    history = History()
    do(history, "bob", "delete", "k")
    do(history, "ann", "write", "k", 1)
    do(history, "bob", "delete", "k")
    do(history, "ann", "write", "k", 2)

    def judge(some):
        return checkers.no_resurrection(some, {"k": 1})

    assert [o.verb for o in judge(history).witness] == ["write", "delete"]
    assert_minimal(judge(history), judge)
    assert checkers.no_resurrection(history, {"k": 2}).is_valid
    assert checkers.no_resurrection(history, {}).is_valid


def test_values_must_tell_which_write_they_come_from(do):
    history = History()
    do(history, "ann", "write", "k", 1)
    do(history, "ann", "write", "other", 1)
    assert checkers.no_resurrection(history).is_valid
    do(history, "bob", "cas", "k", (1, 1), True)
    with pytest.raises(ValueError, match="k: 1 is written twice, by bob cas"):
        checkers.no_resurrection(history)


def test_an_older_token_after_a_newer_one_is_told(do, assert_minimal):
    history = History()
    for token in (1, 3, 3, 2, 4):
        do(history, f"holder {token}", "write", "k", token)
    do(history, "holder 1", "write", "other", 1)
    verdict = checkers.fencing(history)
    assert verdict.reason == "k: token 2 was accepted after token 3"
    assert [o.argument for o in verdict.witness] == [3, 2]
    assert_minimal(verdict, checkers.fencing)


def test_a_token_that_was_refused_or_not_answered_or_overlaps_is_no_step_back(do):
    history = History()
    slow = history.invoke("slow", "write", "k", 1)
    do(history, "new", "write", "k", 3)
    slow.ok()
    do(history, "old", "write", "k", 2, result=False)
    history.invoke("old", "write", "k", 2).fail("fenced")
    history.invoke("old", "write", "k", 2).info("timed out")
    assert checkers.fencing(history).is_valid
    do(history, "old", "write", "k", 2)
    assert [o.argument for o in checkers.fencing(history).witness] == [3, 2]


def test_tokens_come_from_wherever_the_caller_says(do):
    history = History()
    do(history, "a", "write", "k", {"value": "x", "token": 2})
    do(history, "a", "write", "k", {"value": "y", "token": 1})
    do(history, "a", "read", "k")
    assert checkers.fencing(history).figures == {"accepted": 0}
    verdict = checkers.fencing(history, lambda o: o.argument and o.argument["token"])
    assert [o.argument["value"] for o in verdict.witness] == ["x", "y"]
