"""Where a cold tier is, read from its url; what is secret in it is never shown.

s3://[key:secret@]bucket[/prefix][?option=value&…]
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tierstore.region.bucket_url import TOKEN, Form, check_endpoint, parse_bucket_url, url_fault

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM = Form(
    "s3",
    re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    {
        "access_key": TOKEN,
        "secret_key": TOKEN,
        "session_token": TOKEN,
        "endpoint_url": re.compile(r"https?://[^/?#@\s\\]+/?"),
        "region": re.compile(r"[a-z0-9-]{1,32}"),
        "profile": re.compile(r"[\w.@-]{1,64}"),
        "addressing": re.compile(r"auto|path|virtual"),
        "sse": re.compile(r"AES256|aws:kms|aws:kms:dsse"),
        "kms_key": re.compile(r"[A-Za-z0-9:/_-]{1,2048}"),
        "owner": re.compile(r"[0-9]{12}"),
    },
    ("access_key", "secret_key"),
    "s3://bucket/prefix?region=eu-central-1",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks. Shown as nothing."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Location:
    """A bucket, a prefix, and how to get there."""

    bucket: str
    prefix: str
    """Before every name: empty, or it ends in a slash."""
    endpoint_url: str | None = field(default=None, repr=False)
    region: str | None = None
    profile: str | None = field(default=None, repr=False)
    addressing: str = "auto"
    owner: str | None = field(default=None, repr=False)
    """The account that the bucket has to belong to."""
    encryption: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What every write asks for: parameters of PutObject."""
    credentials: Credentials | None = field(default=None, repr=False)
    """None: what boto3 finds by itself."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def parse_location(url: str) -> Location:
    """What `url` says. Raises PolicyError, which tells the place of the fault and no content."""
    said = parse_bucket_url(url, FORM)
    options = said.options
    endpoint_url = options.get("endpoint_url")
    if endpoint_url:
        check_endpoint(endpoint_url)
    return Location(
        said.bucket,
        said.prefix,
        endpoint_url,
        options.get("region"),
        options.get("profile"),
        options.get("addressing", "path" if endpoint_url else "auto"),
        options.get("owner"),
        _encryption(options),
        _credentials(options),
    )


def _credentials(options: Mapping[str, str]) -> Credentials | None:
    given = [name in options for name in ("access_key", "secret_key")]
    if not any(given):
        if "session_token" in options:
            raise url_fault("it has a session_token without access_key and secret_key")
        return None
    if not all(given):
        raise url_fault("access_key and secret_key go together")
    if "profile" in options:
        raise url_fault("it has both a profile and credentials")
    return Credentials(options["access_key"], options["secret_key"], options.get("session_token"))


def _encryption(options: Mapping[str, str]) -> dict[str, str]:
    if "sse" not in options:
        if "kms_key" in options:
            raise url_fault("kms_key needs sse=aws:kms")
        return {}
    asked = {"ServerSideEncryption": options["sse"]}
    if "kms_key" in options:
        if options["sse"] == "AES256":
            raise url_fault("kms_key needs sse=aws:kms")
        asked["SSEKMSKeyId"] = options["kms_key"]
    return asked
