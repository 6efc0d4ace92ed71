"""Errors of obstore become errors of tierstore that say what to do, and repeat nothing."""

from __future__ import annotations

import socket

import obstore
import pytest
from obstore.store import S3Store

from tierstore.errors import OutcomeUnknownError, UnavailableError
from tierstore.region.objects import ByteRange
from tierstore.testing.conformance.telling import told
from tierstore_obstore.errors import SILENT, UNREACHABLE, failure_of

CANARY = "c4n4ry"
TIMEOUT_S = 5.0
ALWAYS = 1000


@pytest.fixture
def store(stub):
    return S3Store(
        "stub",
        endpoint=stub.endpoint_url,
        access_key_id="k",
        secret_access_key="s",
        client_options={"allow_http": True, "timeout": "300ms"},
        retry_config={"max_retries": 0},
    )


def failure(request):
    with pytest.raises((obstore.exceptions.BaseError, FileNotFoundError)) as caught:
        request()
    return failure_of(caught.value)


def put(store):
    return obstore.put(store, "a", b"x", use_multipart=False, mode="create")


@pytest.mark.parametrize(
    ("status", "code", "expected", "is_retried", "is_in_doubt"),
    [
        (503, "SlowDown", "SlowDown", True, False),
        (503, "ServerBusy", "ServerBusy", True, False),
        (500, "InternalError", "InternalError", True, True),
        (502, "", "502", True, True),
        (501, "NotImplemented", "NotImplemented", False, False),
        (429, "", "429", True, False),
        (409, "ConditionalRequestConflict", "ConditionalRequestConflict", True, False),
        (409, "BlobAlreadyExists", "PreconditionFailed", False, False),
        (412, "ConditionNotMet", "PreconditionFailed", False, False),
        (412, "", "PreconditionFailed", False, False),
        (416, "", "InvalidRange", False, False),
        (404, "BlobNotFound", "NoSuchKey", False, False),
        (404, "NoSuchBucket", "NoSuchBucket", False, False),
        (404, "", "404", False, False),
        (403, "", "403", False, False),
        (401, "AuthenticationFailed", "AuthenticationFailed", False, False),
        (400, f"<{CANARY}>", "400", False, False),
    ],
)
def test_the_code_of_an_answer_is_found(
    stub, store, status, code, expected, is_retried, is_in_doubt
):
    """Whatever class obstore made of it."""
    stub.fail("PUT", status, code)
    found = failure(lambda: put(store))
    assert (found.code, found.is_retried, found.is_in_doubt) == (expected, is_retried, is_in_doubt)
    assert CANARY not in found.meaning + found.code


@pytest.mark.parametrize("then", ["hang up", "do and hang up", "say nothing"])
def test_a_put_without_an_answer_is_in_doubt(stub, store, then):
    stub.fail("PUT", then=then)
    assert failure(lambda: put(store)) == SILENT


def test_a_body_that_breaks_off_is_told(stub, store):
    put(store)
    stub.fail("GET", then="cut")
    assert failure(lambda: obstore.get(store, "a").bytes()) == SILENT


def test_nobody_there_is_not_in_doubt():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    for host in (f"127.0.0.1:{port}", "no.such.host.invalid"):
        store = S3Store(
            "b", endpoint=f"http://{host}", access_key_id="k", secret_access_key="s",
            client_options={"allow_http": True}, retry_config={"max_retries": 0},
        )  # fmt: skip
        assert failure(lambda store=store: put(store)) == UNREACHABLE


def test_an_address_that_obstore_does_not_take_is_told():
    """As one without TLS that only the environment names."""
    store = S3Store("b", endpoint="http://127.0.0.1:1", access_key_id="k", secret_access_key="s")
    found = failure(lambda: put(store))
    assert (found.code, found.is_retried, found.is_in_doubt) == ("NotSent", False, False)


def test_deletes_that_were_refused_tell_their_code(stub, store):
    stub.fail("POST", then="refuse each")
    assert failure(lambda: obstore.delete(store, ["a", "b"])).code == "AccessDenied"


@pytest.mark.parametrize(
    ("text", "code", "is_in_doubt"),
    [
        ("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1ms - "
         "Server returned non-2xx status code: 403 Forbidden: x", "NoCredentials", False),
        ("Generic GCS error: Error performing token request: Error performing GET http://h/t in "
         "2ms - Server returned non-2xx status code: 500 x", "NoCredentials", False),
        ("HttpError {\n kind: Connect,\n source: InvalidCertificate(UnknownIssuer)", "Certificate",
         False),
        ("HttpError {\n kind: Timeout,\n source: legacy::Error(\n Connect,\n", "Unreachable",
         False),
        ("HttpError {\n kind: Timeout,\n source: TimedOut", "Silent", True),
        ("HttpError {\n kind: Novel,", "Unknown", True),
        ("something that nobody has seen", "Unknown", True),
        ("", "Unknown", True),
    ],
)  # fmt: skip
def test_what_is_not_recognised_is_in_doubt(text, code, is_in_doubt):
    found = failure_of(obstore.exceptions.GenericError(text))
    assert (found.code, found.is_in_doubt) == (code, is_in_doubt)


def test_a_panic_of_obstore_ends_no_thread(open_objects, stub, mint, monkeypatch):
    panic = type("PanicException", (BaseException,), {})

    def get(*args, **how):
        raise panic(CANARY)

    objects = open_objects(stub.url())
    monkeypatch.setattr(obstore, "get", get)
    with pytest.raises(UnavailableError, match="Panic") as caught:
        next(objects.stream(mint(), TIMEOUT_S))
    assert CANARY not in str(told(caught.value))


def test_no_error_has_obstores_as_its_cause(open_objects, stub, mint):
    """Its texts repeat urls, which may hold a signature, and what servers say."""
    objects = open_objects(stub.url())
    objects.put(mint(), [b"x"], TIMEOUT_S)
    stub.fail("GET", 403, "AccessDenied", times=ALWAYS)
    stub.fail("PUT", 500, "InternalError", times=ALWAYS)
    calls = {
        UnavailableError: lambda: objects.read(mint(), [ByteRange(0, 1)], TIMEOUT_S),
        OutcomeUnknownError: lambda: objects.put(mint(), [b"x"], TIMEOUT_S),
    }
    for kind, call in calls.items():
        with pytest.raises(kind) as caught:
            call()
        texts = told(caught.value)
        assert not [text for text in texts if CANARY in text or str(stub.port) in text]
