"""Sessions: each guarantee has a history that breaks it alone, and one that keeps it by a hair."""

from __future__ import annotations

import random

import pytest

from tierstore.testing import checkers
from tierstore.testing.history import History

# What a process does on one key, after versions 1 to 9 were written: verb and version.
BROKEN = {
    "read your writes": [("write", 5), ("read", 4)],
    "monotonic reads": [("read", 5), ("read", 4)],
    "monotonic writes": [("write", 5), ("write", 4)],
    "writes follow reads": [("read", 5), ("write", 4)],
}


def record(acts, key="k", process="ann"):
    history = History()
    for verb, version in acts:
        is_write = verb == "write"
        call = history.invoke(process, verb, key, version if is_write else None)
        call.ok(None if is_write else version)
    return history


@pytest.mark.parametrize("guarantee", checkers.GUARANTEES)
def test_each_guarantee_is_told_by_the_pair_that_breaks_it(guarantee, assert_minimal):
    history = record(BROKEN[guarantee])
    verdict = checkers.sessions(history)
    assert verdict.reason.startswith(f"{guarantee}: session ann went back on k")
    assert verdict.witness == tuple(history.operations())
    assert_minimal(verdict, checkers.sessions)


@pytest.mark.parametrize("guarantee", checkers.GUARANTEES)
def test_a_guarantee_that_is_not_asked_for_is_not_judged(guarantee):
    others = [other for other in checkers.GUARANTEES if other != guarantee]
    history = record(BROKEN[guarantee])
    assert checkers.sessions(history, guarantees=others).is_valid
    assert not checkers.sessions(history, guarantees=[guarantee]).is_valid


@pytest.mark.parametrize("guarantee", checkers.GUARANTEES)
def test_going_forward_keeps_each_guarantee(guarantee):
    (first, _), (second, _) = BROKEN[guarantee]
    assert checkers.sessions(record([(first, 4), (second, 5)])).is_valid
    same = checkers.sessions(record([(first, 5), (second, 5)]))
    assert same.is_valid == (second == "read")  # two writes never have one version


def test_what_another_process_or_another_key_saw_does_not_bind():
    history = record([("read", 5)])
    history.invoke("bob", "read", "k").ok(4)
    history.invoke("ann", "read", "other").ok(4)
    assert checkers.sessions(history).is_valid
    assert not checkers.sessions(history, session_of=lambda operation: "one device").is_valid


def test_reading_nothing_after_a_write_breaks_read_your_writes():
    verdict = checkers.sessions(record([("write", 1), ("read", None)]))
    assert verdict.reason.startswith("read your writes")
    assert checkers.sessions(record([("read", None), ("write", 1)])).is_valid


def test_what_was_not_answered_binds_nobody():
    history = History()
    history.invoke("ann", "write", "k", 5).info("timed out")
    history.invoke("ann", "write", "k", 6).fail("refused")
    history.invoke("ann", "read", "k").ok(4)
    assert checkers.sessions(history).is_valid


def test_versions_come_from_wherever_the_caller_says():
    history = History()
    history.invoke("ann", "get", "k").ok({"text": "b", "stamp": [2, 7]})
    history.invoke("ann", "get", "k").ok({"text": "a", "stamp": [2, 6]})
    history.invoke("ann", "get", "k").ok({"text": "?", "stamp": None})
    verdict = checkers.sessions(history, version_of=lambda o: o.result["stamp"])
    assert [o.result["text"] for o in verdict.witness] == ["b", "a"]


def test_the_newest_version_seen_counts_not_the_last():
    acts = [("read", 3), ("read", 9), ("read", 5)]
    only = ["monotonic reads"]
    verdict = checkers.sessions(record([*acts]), guarantees=only)
    assert [o.result for o in verdict.witness] == [9, 5]
    late = checkers.sessions(record([("write", 9), ("write", 2), ("read", 5)]))
    assert [o.argument for o in late.witness] == [9, 2]
    mixed = record([("write", 9), ("write", 2), ("read", 5)])
    verdict = checkers.sessions(mixed, guarantees=["read your writes"])
    assert [o.argument for o in verdict.witness] == [9, None]


def test_an_unknown_guarantee_is_refused():
    with pytest.raises(ValueError, match=r"guarantees are read your writes, .*not \['causal'\]"):
        checkers.sessions(History(), guarantees=["causal"])


def test_the_verdict_is_that_of_comparing_every_pair():
    for seed in range(300):
        rng = random.Random(seed)
        acts = [(rng.choice(["read", "write"]), n + rng.choice([0, 0, 0, -1])) for n in range(6)]
        expected = all(
            later[1] > earlier[1] or (later[1] == earlier[1] and later[0] == "read")
            for place, later in enumerate(acts)
            for earlier in acts[:place]
        )
        assert checkers.sessions(record(acts)).is_valid == expected, acts
