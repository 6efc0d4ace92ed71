"""Every class of error has its exit code, one line of text and one JSON document."""

from __future__ import annotations

import json

import click
import pytest

from tierstore import errors
from tierstore.cli import failures

CODES = {
    "TierStoreError": 5,
    "PolicyError": 2,
    "InvalidKeyError": 2,
    "InvalidArgumentError": 2,
    "EncodingError": 2,
    "DecodingError": 5,
    "ValueTooLargeError": 2,
    "TypeMismatchError": 2,
    "ConsistencyMismatchError": 2,
    "NoMatchingRuleError": 2,
    "TransactionError": 5,
    "ConflictError": 5,
    "AlreadyCommittedError": 5,
    "LeaseHeldError": 5,
    "InsufficientRightsError": 5,
    "UnavailableError": 3,
    "DeadlineExceededError": 3,
    "OutcomeUnknownError": 4,
    "FencedError": 5,
    "LeaseLostError": 5,
    "StaleReplicaError": 3,
    "OverloadedError": 3,
    "CorruptionError": 5,
    "StoreClosedError": 5,
}


def raising(monkeypatch, error):
    """Let every verb that opens a store raise `error`."""

    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("tierstore.open", refuse)


def test_every_error_has_a_code():
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.TierStoreError)
    ]
    assert {c.__name__: failures.exit_code(c("x")) for c in classes} == CODES


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_errors_are_told_without_a_traceback(cli, monkeypatch, name, code):
    error = getattr(errors, name)("it broke: mend it")
    raising(monkeypatch, error)
    result = cli("get", "k")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("tierstore: it broke: mend it")
    assert result.stderr.count("\n") == 1
    result = cli("get", "k", "--json")
    assert result.exit_code == code
    assert result.stderr == ""
    told = json.loads(result.stdout)["error"]
    assert told["type"] == name
    assert told["message"].startswith("it broke: mend it")
    assert (told["outcome"], told["retry"]) == (error.outcome, error.retry)


def test_an_unknown_outcome_says_how_to_resolve_it(cli, monkeypatch):
    raising(monkeypatch, errors.OutcomeUnknownError("not confirmed", operation_id="o1-1-2-6b"))
    assert "tierstore outcome o1-1-2-6b" in cli("put", "k", "1").stderr
    told = json.loads(cli("put", "k", "1", "--json").stdout)["error"]
    assert told["operation_id"] == "o1-1-2-6b"


def test_the_faults_of_a_policy_are_listed(cli, monkeypatch):
    raising(monkeypatch, errors.PolicyError("two", faults=("a: one", "b: two")))
    assert json.loads(cli("ls", "--json").stdout)["error"]["faults"] == ["a: one", "b: two"]


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), RuntimeError("x"), OSError(28, "full")])
def test_other_exceptions_are_exit_code_5(cli, monkeypatch, error):
    raising(monkeypatch, error)
    result = cli("get", "k")
    assert result.exit_code == 5
    assert "Traceback" not in result.stderr
    monkeypatch.setenv(failures.DEBUG_VARIABLE, "1")
    assert "Traceback" in cli("get", "k").stderr


@pytest.mark.parametrize("words", [["get", "k"], ["get", "k", "--json"]])
def test_an_interrupt_is_exit_code_130(cli, monkeypatch, words):
    raising(monkeypatch, KeyboardInterrupt())
    result = cli(*words)
    assert result.exit_code == 130
    assert "interrupted" in result.stderr


def test_usage_errors_are_click_errors():
    assert failures.exit_code(click.UsageError("x")) == 2


def test_json_after_two_dashes_is_no_option(cli):
    result = cli("get", "--", "--json", "x")
    assert result.exit_code == 2
    assert result.stdout == ""
