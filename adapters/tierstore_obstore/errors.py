"""Errors of obstore, translated in one place.

It has one class for most of what can happen to a request, and tells the rest in its text: the
status and the body of an answer, or the kind of what broke, in a form that is meant for debugging.
What is not recognised there counts as in doubt. No message repeats that text, nor is it a cause:
urls and bodies stand in it.
"""

from __future__ import annotations

import re

from tierstore.region.refusals import refusal_of
from tierstore.region.requests import Failure

NO_RANGES = "NotPartial"
"""Not a code of a server: it answered with a whole object where a range was asked for."""
UNREACHABLE = Failure("Unreachable", "it cannot be reached", True, False)
SILENT = Failure("Silent", "it did not answer in time, or broke off", True, True)
_PANIC = Failure("Panic", "obstore failed: report it to its authors", False, True)
_UNKNOWN = Failure("Unknown", "obstore tells of an error that tierstore does not know", False, True)

_STATUS = re.compile(r"\bstatus: (\d{3}),\s+body:|Server returned non-2xx status code: (\d{3}) ")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_DELETE_FAILED = re.compile(r'DeleteFailed \{\s+path: "[^"]*",\s+code: "([A-Za-z0-9.]{1,64})"')
_BEFORE_SENDING = (
    (
        re.compile(
            r"token request|TokenRequest|://169\.254\.1(?:69|70)\.|://metadata\.google"
            r"|://sts\.|login\.microsoftonline|[Cc]redentials? (?:not|missing)|MissingCredential"
        ),
        Failure(
            "NoCredentials",
            "no credentials were found: name them in the url, or see how obstore looks for them",
            False,
            False,
        ),
    ),
    (
        re.compile(r"InvalidCertificate|UnknownIssuer|invalid peer certificate"),
        Failure(
            "Certificate",
            "its certificate is not trusted: check the endpoint, or SSL_CERT_FILE",
            False,
            False,
        ),
    ),
    (
        re.compile(r"reqwest::Error \{\s+kind: Builder,"),
        Failure(
            "NotSent",
            "obstore cannot send the request: check the url, and what the environment says of it",
            False,
            False,
        ),
    ),
    (re.compile(r"HttpError \{\s+kind: Connect,|legacy::Error\(\s+Connect,"), UNREACHABLE),
)
"""What tells, in the part of a text that is no answer, that a request never was sent."""
_BROKEN = re.compile(r"HttpError \{\s+kind: (?:Request|Timeout|Interrupted|Decode|Unknown),")


class RequestFailed(Exception):  # noqa: N818 - caught before anybody sees it
    """A request failed; `failure` is all that is known."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def failure_of(error: BaseException) -> Failure:
    """What an error of obstore says."""
    if type(error).__name__ == "PanicException":
        return _PANIC
    text = str(error)
    deleting = _DELETE_FAILED.search(text)
    if deleting is not None:
        code = deleting[1]
        return refusal_of(code, int(code) if code.isdigit() else 0)
    status = _STATUS.search(text)
    own_request = not _BEFORE_SENDING[0][0].search(_request_of(text))
    if status is not None and own_request:
        code_of_body = _CODE.search(text)
        return refusal_of(code_of_body[1] if code_of_body else "", int(status[1] or status[2]))
    for mark, failure in _BEFORE_SENDING:
        if mark.search(text):
            return failure
    if _BROKEN.search(text):
        return SILENT
    if NO_RANGES in text:
        return Failure(NO_RANGES, "it does not answer ranges of bytes", False, False)
    return _UNKNOWN


def _request_of(text: str) -> str:
    """The part of a text that tells which request failed, before any answer."""
    return text.partition(" - ")[0]
