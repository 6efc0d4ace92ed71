"""What the codes of object stores mean to a caller: of S3, of Google's store and of Azure's.

A code that is not in `TABLE` is judged by its HTTP status. What a server says in words may quote
what is secret, so it is not repeated.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html,
https://cloud.google.com/storage/docs/xml-api/reference-status,
https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

import re

from tierstore.region.requests import Failure

TAKEN = "PreconditionFailed"
RACED = "ConditionalRequestConflict"
MISSING = "NoSuchKey"
BEYOND_END = "InvalidRange"
NOT_MADE = "NotImplemented"
NOT_FOUND, DENIED, TOO_MANY, FAULTS_FROM = 404, 403, 429, 500  # of HTTP

_SEE_ACTIONS = "access is denied: see the actions that its policy has to allow"
_NO_BUCKET = "there is no such bucket: create it, or check the url"
_ELSEWHERE = "the bucket is in another region: name that in the url"
_WRONG_KEY = "the secret key is not the right one: check the credentials"

TABLE: dict[str, str] = {
    "NoSuchBucket": _NO_BUCKET,
    "ContainerNotFound": _NO_BUCKET,
    "ContainerBeingDeleted": _NO_BUCKET,
    "AccessDenied": _SEE_ACTIONS,
    "AllAccessDisabled": _SEE_ACTIONS,
    "AuthorizationFailure": _SEE_ACTIONS,
    "AuthorizationPermissionMismatch": _SEE_ACTIONS,
    "InsufficientAccountPermissions": _SEE_ACTIONS,
    "AccountProblem": "access is denied: the account has a problem that its owner has to settle",
    "AccountIsDisabled": "access is denied: the account has a problem that its owner has to settle",
    "InvalidAccessKeyId": "the access key is not known there: check the credentials",
    "SignatureDoesNotMatch": _WRONG_KEY,
    "AuthenticationFailed": _WRONG_KEY,
    "ExpiredToken": "the credentials have expired: renew them",
    "InvalidToken": "the session token is not the right one: check the credentials",
    "RequestTimeTooSkewed": "this machine's clock is wrong: set it",
    "PermanentRedirect": _ELSEWHERE,
    "AuthorizationHeaderMalformed": _ELSEWHERE,
    "KMS.DisabledException": "the key of its encryption is disabled: enable it",
    "KMS.NotFoundException": "there is no such key for its encryption: check kms_key in the url",
    "QuotaExceeded": "its quota is used up: free some room or raise it",
    "InvalidObjectState": "the object was archived: exclude the prefix from such lifecycle rules",
    "BlobArchived": "the object was archived: exclude the prefix from such lifecycle rules",
    "BadDigest": "it received other bytes than were sent",
    "SlowDown": "it asks to be asked less often",
    "ServerBusy": "it asks to be asked less often",
}
_BUSY = "it has a fault of its own, or is busy"
_REFUSED = "it refused the request"
_SAME = {"BlobAlreadyExists": TAKEN, "ConditionNotMet": TAKEN, "BlobNotFound": MISSING}
"""Azure's codes for what S3 has one for."""
_RETRIED = {
    "SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "Throttling",
    "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded", "OperationAborted",
    "BadDigest", "ServerBusy", "503", RACED,
}  # fmt: skip
_NOT_DONE = {"SlowDown", "ServiceUnavailable", "ServerBusy", "503", "BadDigest", RACED}
"""Retried codes that say for sure that nothing happened."""
_CODE = re.compile(r"[A-Za-z0-9.]{1,64}")
_STATUS_CODES = {412: TAKEN, 416: BEYOND_END, 501: NOT_MADE}


def refusal_of(code: str, status: int = 0) -> Failure:
    """What a code says, or where the server gave none of its own the HTTP status."""
    if not _CODE.fullmatch(code) or code == str(status):  # as in answers to HEAD, without a body
        code = _STATUS_CODES.get(status, str(status))
    code = _SAME.get(code, code)
    is_fault = status >= FAULTS_FROM and code != NOT_MADE
    is_retried = is_fault or code in _RETRIED or status == TOO_MANY
    meaning = TABLE.get(code)
    if meaning is None:
        meaning = _BUSY if is_retried else _SEE_ACTIONS if status == DENIED else _REFUSED
    return Failure(code, meaning, is_retried, is_fault and code not in _NOT_DONE)
