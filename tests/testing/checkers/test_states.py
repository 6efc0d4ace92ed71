"""What replicas, tiers and processes hold in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tierstore.testing import checkers
from tierstore.testing.checkers import Copy, StoredObject


def test_equal_states_have_converged():
    states = {"a": {"x": 1}, "b": {"x": 1}}
    assert checkers.converged(states).is_valid
    assert checkers.converged(states, {"x": 1}).is_valid


def test_states_that_differ_are_told_key_by_key():
    verdict = checkers.converged({"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 2}, "c": {"y": 3}})
    assert verdict.reason == "c differs from a"
    assert verdict.evidence == ("x: a has 1, c has nothing", "y: a has 2, c has 3")
    assert "  y: a has 2, c has 3\n" in str(verdict)


def test_a_key_with_no_value_differs_from_no_key():
    verdict = checkers.converged({"a": {"x": None}, "b": {}})
    assert verdict.evidence == ("x: a has None, b has nothing",)


def test_replicas_that_lost_the_same_write_have_not_converged():
    verdict = checkers.converged({"a": {"x": 1}, "b": {"x": 1}}, {"x": 1, "y": 2})
    assert verdict.reason == "a, b differ from expected"
    assert verdict.evidence == ("y: expected has 2, a has nothing",)
    assert not checkers.converged({"a": b"1"}, None).is_valid


def test_digests_are_told_as_they_are():
    verdict = checkers.converged({"a": b"\x01", "b": b"\x02"})
    assert verdict.evidence == (r"a has b'\x01'", r"b has b'\x02'")


def test_few_of_many_differences_are_told():
    verdict = checkers.converged({"a": dict.fromkeys(range(99), 1), "b": {}})
    assert len(verdict.evidence) == 11
    assert verdict.evidence[-1] == "and 89 more keys"


def test_no_replica_is_no_convergence():
    with pytest.raises(ValueError, match="at least one"):
        checkers.converged({})


HOT = Copy("k", "edge", is_authoritative=False, expires_at_ms=9_000)
ROW = Copy("k", "cold", is_authoritative=True, expires_at_ms=9_000, object_name="o1")
OBJECT = StoredObject("o1", written_at_ms=1_000)


def place(rows, objects=(OBJECT,), *, now_ms=8_000, retain_ms=5_000):
    return checkers.placement(rows, objects, now_ms, retain_ms)


def test_everything_in_its_place_is_valid():
    verdict = place([ROW, HOT])
    assert verdict.is_valid
    assert verdict.figures == {"keys": 1, "copies": 2, "objects": 1}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([replace(ROW, is_authoritative=False)], "k has 0 authoritative copies"),
        (
            [ROW, replace(HOT, is_authoritative=True)],
            "k has 2 authoritative copies, in cold and edge",
        ),
        (
            [ROW, replace(HOT, expires_at_ms=None)],
            "the copies of k expire at different times: 9000 in cold, None in edge",
        ),
    ],
)
def test_wrong_copies_are_told(rows, told):
    assert place(rows).evidence == (told,)


def test_a_row_whose_object_is_gone_is_told():
    assert place([ROW], []).evidence == ("k refers to object o1, which does not exist",)


def test_an_object_of_no_key_is_kept_for_a_while_and_not_longer():
    young, old = StoredObject("o2", 3_000), StoredObject("o3", 2_999)
    assert place([ROW], [OBJECT, young]).is_valid
    verdict = place([ROW], [OBJECT, young, old])
    assert verdict.evidence == ("object o3 of 2999 ms belongs to no key",)


def test_all_that_is_wrong_is_told_at_once():
    verdict = place([replace(ROW, is_authoritative=False, object_name="o9")])
    assert len(verdict.evidence) == 3
    assert verdict.reason == "3 copies or objects are not where they belong"


def test_memory_above_the_limit_is_told():
    assert checkers.bounded_memory([10, 20, 20], 20).is_valid
    verdict = checkers.bounded_memory([10, 21, 30], 20)
    assert verdict.reason == "sample 2 is 21 bytes, 1 too many"


def test_memory_that_was_not_measured_is_unknown():
    assert checkers.bounded_memory([], 20).status == "unknown"
    assert not checkers.bounded_memory([], 20).is_valid
