"""What the models allow, told as stories of one operation after the other."""

from __future__ import annotations

import pytest

from tierstore.testing import checkers, models
from tierstore.testing.history import History, Operation


def judge(model, story):
    """The verdict on operations that follow each other: verb, argument, result."""
    history = History()
    for number, (verb, argument, result) in enumerate(story):
        history.invoke(f"p{number}", verb, "k", argument).ok(result)
    return checkers.linearizable(history, model)


def is_valid(model, *story):
    return judge(model, story).is_valid


def test_a_register_reads_what_was_written_last():
    assert is_valid(models.Register(7), ("read", None, 7), ("write", 8, None), ("read", None, 8))
    assert not is_valid(models.Register(7), ("write", 8, None), ("read", None, 7))


def test_a_compare_and_set_sets_what_it_expects_and_creates_from_nothing():
    create, change = ("cas", (None, 1), True), ("cas", (1, 2), True)
    assert is_valid(models.CasRegister(), create, change, ("read", None, 2))
    assert not is_valid(models.CasRegister(), change)
    assert not is_valid(models.CasRegister(), create, create)
    assert is_valid(models.CasRegister(), create, ("cas", (None, 9), False), ("read", None, 1))
    assert not is_valid(models.CasRegister(), create, ("cas", (1, 2), False))


def test_a_delete_may_tell_whether_there_was_a_value():
    write = ("write", 1, None)
    assert is_valid(models.CasRegister(), write, ("delete", None, True), ("delete", None, False))
    assert not is_valid(models.CasRegister(), ("delete", None, True))
    assert not is_valid(models.CasRegister(), write, ("delete", None, False))
    assert is_valid(models.CasRegister(), write, ("delete", None, None), ("read", None, None))


def test_a_set_tells_what_changed_if_asked():
    add = ("add", "x", None)
    assert is_valid(models.Set(), ("add", "x", True), ("add", "x", False), ("all", None, ["x"]))
    assert is_valid(models.Set(), add, add, ("contains", "x", True), ("discard", "x", True))
    assert not is_valid(models.Set(), add, ("add", "x", True))
    assert not is_valid(models.Set(), add, ("discard", "x", False))
    assert not is_valid(models.Set(), add, ("discard", "x", None), ("contains", "x", True))


def test_all_items_of_a_set_come_once_in_any_order():
    adds = [("add", "x", None), ("add", "y", None)]
    assert is_valid(models.Set(), *adds, ("all", None, ["y", "x"]))
    assert not is_valid(models.Set(), *adds, ("all", None, ["x"]))
    assert not is_valid(models.Set(), *adds, ("all", None, ["x", "y", "x"]))


def test_a_counter_counts():
    assert is_valid(models.Counter(2), ("add", -3, -1), ("add", 5, None), ("get", None, 4))
    assert not is_valid(models.Counter(), ("add", 1, None), ("add", 1, 1))


def test_a_lease_is_held_by_one_until_it_is_released():
    story = [("acquire", None, 4), ("acquire", None, None), ("renew", 4, True)]
    assert is_valid(models.Lease(), *story, ("release", 4, True), ("acquire", None, 5))
    assert not is_valid(models.Lease(), *story, ("acquire", None, 5))
    assert not is_valid(models.Lease(), ("acquire", None, None))
    assert not is_valid(models.Lease(), *story, ("renew", 4, False))
    assert not is_valid(models.Lease(), *story, ("renew", 3, True))


def test_tokens_of_a_lease_ascend():
    story = [("acquire", None, 4), ("release", 4, True)]
    assert is_valid(models.Lease(), *story, ("acquire", None, 9), ("release", 4, False))
    assert not is_valid(models.Lease(), *story, ("acquire", None, 4))
    assert not is_valid(models.Lease(), *story, ("release", 4, True))


def test_a_lease_that_may_expire_may_be_taken_over():
    may = models.Lease(may_expire=True)
    assert is_valid(may, ("acquire", None, 1), ("acquire", None, 2), ("renew", 1, False))
    assert is_valid(may, ("acquire", None, 1), ("renew", 1, False), ("acquire", None, 2))
    assert not is_valid(may, ("acquire", None, 1), ("acquire", None, 2), ("renew", 1, True))
    # Who was told that it had ended is not told later that it had not.
    assert not is_valid(may, ("acquire", None, 1), ("renew", 1, False), ("renew", 1, True))


def with_lost_grant(*story, may_expire=False):
    history = History()
    history.invoke("ann", "acquire", "k").info("timed out")
    for verb, argument, result in story:
        history.invoke("bob", verb, "k", argument).ok(result)
    return checkers.linearizable(history, models.Lease(may_expire)).is_valid


def test_a_grant_whose_answer_was_lost_may_hold_the_lease():
    assert with_lost_grant(("acquire", None, None))
    assert with_lost_grant(("acquire", None, 1))
    assert not with_lost_grant(("acquire", None, 1), ("acquire", None, None), ("renew", 1, False))
    assert with_lost_grant(("renew", 7, True), ("release", 7, True), ("acquire", None, 8))
    assert not with_lost_grant(("renew", 7, True), ("release", 7, True), ("acquire", None, 7))
    assert with_lost_grant(("release", 7, False), ("acquire", None, None))
    assert not with_lost_grant(("acquire", None, None), ("acquire", None, 1))
    assert with_lost_grant(("acquire", None, None), ("acquire", None, 1), may_expire=True)


def test_what_was_not_answered_may_also_have_released_the_lease():
    history = History()
    history.invoke("ann", "acquire", "k").ok(1)
    history.invoke("ann", "release", "k", 1).info("timed out")
    history.invoke("bob", "acquire", "k").ok(None)
    history.invoke("bob", "acquire", "k").ok(2)
    assert checkers.linearizable(history, models.Lease()).is_valid
    history.invoke("cyd", "acquire", "k").ok(3)
    assert not checkers.linearizable(history, models.Lease()).is_valid


@pytest.mark.parametrize(
    "model",
    [models.Register(), models.CasRegister(), models.Set(), models.Counter(), models.Lease()],
)
def test_verbs_that_a_model_lacks_are_refused(model):
    with pytest.raises(ValueError, match=f"{type(model).__name__} has the verbs .* p0 frobnicate"):
        judge(model, [("frobnicate", None, None)])


STATES = [None, 0, 1, frozenset(), frozenset({1})]


@pytest.mark.parametrize(
    ("model", "verb", "argument", "results"),
    [
        (models.Register(), "read", None, STATES),
        (models.CasRegister(), "read", None, STATES),
        (models.CasRegister(), "cas", (1, 2), [False]),
        (models.Set(), "contains", 1, [True, False]),
        (models.Set(), "all", None, [(), (1,)]),
        (models.Counter(), "get", None, [0, 1]),
    ],
)
def test_what_a_model_calls_a_read_leaves_every_state_as_it_is(model, verb, argument, results):
    states = [state for state in STATES if type(state) is type(model.initial)] or STATES
    for result in results:
        operation = Operation("a", verb, "k", argument, "ok", result, None, 0, 1)
        assert model.is_read(operation)
        assert all(set(model.step(state, operation)) <= {state} for state in states)


@pytest.mark.parametrize(
    ("model", "verb", "result"),
    [
        (models.Register(), "write", None),
        (models.CasRegister(), "cas", True),
        (models.CasRegister(), "cas", None),
        (models.CasRegister(), "delete", False),
        (models.Set(), "add", False),
        (models.Counter(), "add", 0),
        (models.Lease(), "acquire", None),
    ],
)
def test_what_may_change_the_state_is_no_read(model, verb, result):
    assert not model.is_read(Operation("a", verb, "k", (1, 2), "ok", result, None, 0, 1))
