"""Errors of the driver, translated in one place. What the codes of S3 mean stands in `refusals`."""

from __future__ import annotations

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

from tierstore.region.refusals import refusal_of
from tierstore.region.requests import Failure

DRIVER_ERRORS = (BotoCoreError, ClientError, HTTPError, OSError)
NO_UPLOAD = "NoSuchUpload"
DAMAGED = "checksum"
"""Not a code of S3: what came is not what the server says that it sent."""
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
