"""What tests of checkers share."""

from __future__ import annotations

import pytest


@pytest.fixture
def do():
    """Records an operation that is over before the next one begins."""

    def record(history, process, verb, key, argument=None, result=None):
        history.invoke(process, verb, key, argument).ok(result)

    return record


@pytest.fixture
def assert_minimal():
    """Fails unless the witness is wrong by itself, and right without any one of its operations."""

    def check(verdict, judge):
        assert verdict.status == "invalid", verdict
        assert judge(verdict.witness).status == "invalid"
        for operation in verdict.witness:
            rest = [other for other in verdict.witness if other is not operation]
            assert judge(rest).is_valid, operation

    return check
