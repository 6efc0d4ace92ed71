"""The bank checker: the total is constant, and nobody is overdrawn who may not be."""

from __future__ import annotations

import random

import pytest

from tierstore.testing import checkers
from tierstore.testing.history import History


def reads(*balances):
    history = History()
    for number, one in enumerate(balances):
        history.invoke(f"p{number}", "transfer", None, ("a", "b", 1)).ok()
        history.invoke(f"p{number}", "read").ok(one)
    return history


def test_transfers_keep_the_total():
    rng, balances, seen = random.Random(1), dict.fromkeys("abcd", 25), []
    for _ in range(200):
        source, target = rng.sample("abcd", 2)
        amount = rng.randint(0, balances[source])
        balances[source] -= amount
        balances[target] += amount
        seen.append(dict(balances))
    verdict = checkers.bank(reads(*seen), 100, accounts="abcd")
    assert verdict.is_valid, verdict
    assert verdict.figures == {"reads": 200}
    torn = seen[7] | {"a": seen[7]["a"] + 1}
    wrong = checkers.bank(reads(*seen, torn), 100)
    assert wrong.reason == "read 101 in all, not 100"
    assert [one.result for one in wrong.witness] == [torn]


@pytest.mark.parametrize(
    ("balances", "reason"),
    [
        ({"a": 5, "b": 4}, "read 9 in all, not 10"),
        ({"a": 11, "b": -1}, "overdrawn: b at -1"),
        ({"a": 10}, "read other accounts than there are: b"),
        ({"a": 5, "b": 5, "c": 0}, "read other accounts than there are: c"),
        (None, "read None, not the balance of each account"),
    ],
)
def test_what_is_wrong_is_told(balances, reason):
    verdict = checkers.bank(reads({"a": 5, "b": 5}, balances), 10, accounts="ab")
    assert (verdict.status, verdict.reason) == ("invalid", reason)
    assert [one.result for one in verdict.witness] == [balances]


def test_overdrafts_can_be_allowed():
    assert checkers.bank(reads({"a": 11, "b": -1}), 10, may_overdraw=True).is_valid


def test_reads_without_an_answer_do_not_count():
    history = History()
    history.invoke("a", "read").info("timed out")
    history.invoke("b", "read").fail("away")
    assert checkers.bank(history, 10).figures == {"reads": 0}
