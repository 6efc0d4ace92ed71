"""Errors of the driver, translated in one place.

`TABLE` says what a code of S3 means to a caller
(https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html). A code that is not there is
judged by its HTTP status. Messages name the bucket, the code and the advice: what a server says in
words may quote what is secret.
"""

from __future__ import annotations

import re
from dataclasses import replace

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import HTTPError

from tierstore.region.requests import Failure

DRIVER_ERRORS = (BotoCoreError, ClientError, HTTPError, OSError)
TAKEN = "PreconditionFailed"
RACED = "ConditionalRequestConflict"
MISSING = "NoSuchKey"
BEYOND_END = "InvalidRange"
NO_UPLOAD = "NoSuchUpload"
NOT_MADE = "NotImplemented"
DENIED, TOO_MANY, FAULTS_FROM = 403, 429, 500  # of HTTP
DAMAGED = "checksum"
"""Not a code of S3: what came is not what the server says that it sent."""

TABLE: dict[str, str] = {
    "NoSuchBucket": "there is no such bucket: create it, or check the url",
    "AccessDenied": "access is denied: see the actions that its policy has to allow",
    "AllAccessDisabled": "access is denied: see the actions that its policy has to allow",
    "AccountProblem": "access is denied: the account has a problem that its owner has to settle",
    "InvalidAccessKeyId": "the access key is not known there: check the credentials",
    "SignatureDoesNotMatch": "the secret key is not the right one: check the credentials",
    "ExpiredToken": "the credentials have expired: renew them",
    "InvalidToken": "the session token is not the right one: check the credentials",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it",
    "PermanentRedirect": "the bucket is in another region: name that in the url",
    "AuthorizationHeaderMalformed": "the bucket is in another region: name that in the url",
    "KMS.DisabledException": "the key of its encryption is disabled: enable it",
    "KMS.NotFoundException": "there is no such key for its encryption: check kms_key in the url",
    "QuotaExceeded": "its quota is used up: free some room or raise it",
    "InvalidObjectState": "the object was archived: exclude the prefix from such lifecycle rules",
    "BadDigest": "it received other bytes than were sent",
    "SlowDown": "it asks to be asked less often",
}
_UNSENT = {
    "NoCredentialsError": "no credentials were found: see how boto3 looks for them",
    "PartialCredentialsError": "half of the credentials is missing: see how boto3 looks for them",
    "NoRegionError": "no region is known: name it in the url",
    "ProfileNotFound": "there is no such profile: check the url and the configuration of boto3",
    "SSLError": "its certificate is not trusted: check the endpoint, or AWS_CA_BUNDLE",
    "ProxyConnectionError": "the proxy cannot be reached: check HTTPS_PROXY",
}
"""By the class of the driver's error: what is wrong before anything is sent."""
_UNREACHABLE = "it cannot be reached"
_SILENT = "it did not answer in time, or broke off"
_BUSY = "it has a fault of its own, or is busy"
_REFUSED = "it refused the request"

_RETRIED = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded", "OperationAborted",
    "BadDigest", "503", RACED,
}  # fmt: skip
_NOT_DONE = {"SlowDown", "ServiceUnavailable", "503", "BadDigest", RACED}
"""Retried codes that say for sure that nothing happened."""
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_STATUS_CODES = {412: TAKEN, 416: BEYOND_END, 501: NOT_MADE}


def failure_of(error: BaseException) -> Failure:
    """What an error of the driver says."""
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") or 0
        code = str(error.response.get("Error", {}).get("Code", ""))
        return replace(refusal_of(code, int(status)), cause=error)
    if isinstance(error, FlexibleChecksumError):
        return Failure(DAMAGED, "what came fails its checksum", False, False, error)
    kind = type(error).__name__
    if kind in _UNSENT:  # first, since some of them are errors of connections, too
        return Failure(kind, _UNSENT[kind], False, False, error)
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return Failure("Unreachable", _UNREACHABLE, True, False, error)
    broken = (
        ConnectionClosedError, ReadTimeoutError, IncompleteReadError, ResponseStreamingError,
        HTTPClientError, HTTPError, OSError, EOFError,
    )  # fmt: skip
    if isinstance(error, broken):
        return Failure("Silent", _SILENT, True, True, error)
    return Failure(kind, "the driver could not send the request", False, False, error)


def refusal_of(code: str, status: int = 0) -> Failure:
    """What a code of S3 says, or where it has none of its own the HTTP status."""
    if not _CODE.fullmatch(code) or code == str(status):  # as in answers to HEAD, without a body
        code = _STATUS_CODES.get(status, str(status))
    is_fault = status >= FAULTS_FROM and code != NOT_MADE
    is_retried = is_fault or code in _RETRIED or status == TOO_MANY
    meaning = TABLE.get(code)
    if meaning is None:
        meaning = _BUSY if is_retried else TABLE["AccessDenied"] if status == DENIED else _REFUSED
    return Failure(code, meaning, is_retried, is_fault and code not in _NOT_DONE)
