"""Errors of the driver become errors of tierstore that say what to do."""

from __future__ import annotations

import builtins
import sys

import pytest
from botocore import exceptions as driver

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.region.refusals import TABLE, refusal_of
from tierstore.region.requests import Requests
from tierstore.runtime import Runtime
from tierstore.tiers.registry import load_objects
from tierstore_s3.errors import DRIVER_ERRORS, failure_of

SECRET = "http://inner:9/c4n4ry"


def driver_errors():
    """One of every class that the driver has, each telling a secret."""
    kinds = [driver.BotoCoreError, *all_below(driver.BotoCoreError)]
    told = ("endpoint_url", "error", "error_msg", "msg", "request", "proxy_url", "profile",
            "actual_bytes", "expected_bytes", "report", "provider", "cred_var")  # fmt: skip
    for kind in kinds:
        try:
            yield kind(**dict.fromkeys(told, SECRET))
        except (KeyError, TypeError):
            continue  # it wants still others


def all_below(kind):
    for below in kind.__subclasses__():
        yield below
        yield from all_below(below)


@pytest.mark.parametrize("error", list(driver_errors()), ids=lambda error: type(error).__name__)
def test_no_message_repeats_what_the_driver_says(error):
    failure = failure_of(error)
    requests = Requests("the cold tier", Runtime(), DRIVER_ERRORS, failure_of)
    for is_in_doubt in (False, True):
        told = requests.translated(failure, is_in_doubt=is_in_doubt)
        assert SECRET not in str(told)
        assert isinstance(told, OutcomeUnknownError if is_in_doubt else UnavailableError)


@pytest.mark.parametrize(
    ("kind", "code", "is_retried", "is_in_doubt"),
    [
        (driver.EndpointConnectionError, "Unreachable", True, False),
        (driver.ConnectTimeoutError, "Unreachable", True, False),
        (driver.ConnectionClosedError, "Silent", True, True),
        (driver.ReadTimeoutError, "Silent", True, True),
        (driver.SSLError, "SSLError", False, False),
        (driver.NoRegionError, "NoRegionError", False, False),
        (driver.NoCredentialsError, "NoCredentialsError", False, False),
    ],
)
def test_what_was_not_sent_is_not_in_doubt(kind, code, is_retried, is_in_doubt):
    failure = failure_of(kind(endpoint_url=SECRET, error=SECRET))
    assert (failure.code, failure.is_retried) == (code, is_retried)
    assert failure.is_in_doubt is is_in_doubt


@pytest.mark.parametrize(
    ("status", "code", "is_retried", "is_in_doubt"),
    [
        (503, "SlowDown", True, False),
        (503, "ServiceUnavailable", True, False),
        (500, "InternalError", True, True),
        (502, "", True, True),
        (504, "504", True, True),
        (501, "NotImplemented", False, False),
        (429, "", True, False),
        (409, "ConditionalRequestConflict", True, False),
        (400, "RequestTimeout", True, False),
        (403, "Forbidden", False, False),
        (404, "NoSuchBucket", False, False),
        (412, "412", False, False),
    ],
)
def test_codes_say_whether_to_ask_again(status, code, is_retried, is_in_doubt):
    failure = refusal_of(code, status)
    assert (failure.is_retried, failure.is_in_doubt) == (is_retried, is_in_doubt)


def test_every_code_has_an_advice():
    for code, meaning in TABLE.items():
        assert refusal_of(code, 400).meaning == meaning
    assert "actions that its policy has to allow" in refusal_of("Forbidden", 403).meaning


def test_a_code_that_is_no_word_is_not_shown():
    assert refusal_of(f"<{SECRET}>", 418).code == "418"


def test_a_missing_driver_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without_boto3(name, *args, **kwargs):
        if name.partition(".")[0] in ("boto3", "botocore"):
            raise ImportError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.startswith("tierstore_s3")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without_boto3)
    with pytest.raises(UnavailableError, match=r"pip install 'tierstore\[s3\]'"):
        load_objects("s3")
