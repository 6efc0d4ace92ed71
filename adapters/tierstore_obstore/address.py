"""Where a cold tier is, read from its url; what is secret in it is never shown.

s3://[key:secret@]bucket[/prefix][?option=value&…]
gs://bucket[/prefix][?option=value&…]
az://[account:key@]container[/prefix][?option=value&…]
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tierstore.region.bucket_url import TOKEN, Form, check_endpoint, parse_bucket_url, url_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tierstore.region.bucket_url import BucketUrl

_ENDPOINT = re.compile(r"https?://[^/?#@\s\\]+/?")
_ENDPOINT_WITH_PATH = re.compile(r"https?://[^/?#@\s\\]+(?:/[A-Za-z0-9._-]+)?/?")
_REFUSED_OPTIONS = {
    "profile": "a profile is of boto3's configuration: name credentials, or leave client out",
    "owner": "only boto3 can ask for the owner of a bucket: leave client out",
}

FORMS = {
    "s3": Form(
        "s3",
        re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
        {
            "access_key": TOKEN,
            "secret_key": TOKEN,
            "session_token": TOKEN,
            "endpoint_url": _ENDPOINT,
            "region": re.compile(r"[a-z0-9-]{1,32}"),
            "addressing": re.compile(r"auto|path|virtual"),
            "sse": re.compile(r"AES256|aws:kms|aws:kms:dsse"),
            "kms_key": re.compile(r"[A-Za-z0-9:/_-]{1,2048}"),
            "profile": re.compile(r".*", re.DOTALL),
            "owner": re.compile(r".*", re.DOTALL),
        },
        ("access_key", "secret_key"),
        "s3://bucket/prefix?region=eu-central-1",
    ),
    "gs": Form(
        "gs",
        re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]"),
        {
            "endpoint_url": _ENDPOINT,
            "service_account": re.compile(r"[^\0\n\r]{1,1024}"),
            "token": TOKEN,
        },
        None,
        "gs://bucket/prefix",
    ),
    "az": Form(
        "az",
        re.compile(r"[a-z0-9](?:-?[a-z0-9]){2,62}"),
        {
            "account": re.compile(r"[a-z0-9]{3,24}"),
            "account_key": re.compile(r"[A-Za-z0-9+/]{4,}={0,2}"),
            "sas": TOKEN,
            "endpoint_url": _ENDPOINT_WITH_PATH,
        },
        ("account", "account_key"),
        "az://container/prefix?account=name",
    ),
}


@dataclass(frozen=True, slots=True)
class Address:
    """A bucket, a prefix, and what a store of obstore is made with."""

    scheme: str
    bucket: str
    prefix: str
    """Before every name: empty, or it ends in a slash."""
    endpoint_url: str | None = field(default=None, repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The configuration of the store, by obstore's names."""
    asks_for_credentials: bool = True
    """Whether obstore looks for them by itself, which may take a request of its own."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.prefix}".rstrip("/")


def parse_address(url: str, base_dir: str) -> Address:
    """What `url` says; files that it names are relative to `base_dir`.

    Raises PolicyError, which tells the place of the fault and no content.
    """
    scheme = url.partition(":")[0]
    if scheme not in FORMS:
        raise url_fault(f"its scheme is none of {', '.join(FORMS)}")
    said = parse_bucket_url(url, FORMS[scheme])
    endpoint_url = said.options.get("endpoint_url")
    if endpoint_url:
        check_endpoint(endpoint_url)
    settings = _SETTINGS[scheme](said, base_dir)
    has_own = said.has("access_key", "token", "account_key", "sas")
    return Address(scheme, said.bucket, said.prefix, endpoint_url, settings, not has_own)


def _settings_of_s3(said: BucketUrl, base_dir: str) -> dict[str, Any]:
    options = said.options
    for name, text in _REFUSED_OPTIONS.items():
        if name in options:
            raise url_fault(text)
    _check_credentials(said)
    _check_encryption(options)
    named = {
        "access_key": "access_key_id",
        "secret_key": "secret_access_key",
        "session_token": "session_token",
        "region": "region",
        "sse": "server_side_encryption",
        "kms_key": "sse_kms_key_id",
    }
    found: dict[str, Any] = {own: options[name] for name, own in named.items() if name in options}
    found["checksum_algorithm"] = "SHA256"  # which signing has made of each body anyway
    return found | _addressing(said)


def _addressing(said: BucketUrl) -> dict[str, Any]:
    """Where the bucket's name stands; obstore wants it within a virtual host's endpoint."""
    endpoint_url = said.options.get("endpoint_url")
    style = said.options.get("addressing", "auto")
    is_virtual = style == "virtual" or (
        style == "auto" and not endpoint_url and "." not in said.bucket
    )
    found: dict[str, Any] = {"virtual_hosted_style_request": is_virtual}
    if endpoint_url:
        parts = urlsplit(endpoint_url)
        host = f"{said.bucket}.{parts.netloc}" if is_virtual else parts.netloc
        found["endpoint"] = f"{parts.scheme}://{host}"
    return found


def _check_credentials(said: BucketUrl) -> None:
    given = [name in said.options for name in ("access_key", "secret_key")]
    if any(given) and not all(given):
        raise url_fault("access_key and secret_key go together")
    if said.has("session_token") and not any(given):
        raise url_fault("it has a session_token without access_key and secret_key")


def _check_encryption(options: Mapping[str, str]) -> None:
    if "kms_key" in options and options.get("sse") in (None, "AES256"):
        raise url_fault("kms_key needs sse=aws:kms")


def _settings_of_gs(said: BucketUrl, base_dir: str) -> dict[str, Any]:
    options = said.options
    if "token" in options and "service_account" in options:
        raise url_fault("it has both a token and a service_account")
    found: dict[str, Any] = {}
    if "endpoint_url" in options:
        found["base_url"] = options["endpoint_url"].removesuffix("/")
    if "service_account" in options:
        found["service_account"] = os.path.join(base_dir, options["service_account"])
    if "token" in options:
        found["bearer_token"] = options["token"]
    return found


def _settings_of_az(said: BucketUrl, base_dir: str) -> dict[str, Any]:
    options = said.options
    if "account_key" in options and "sas" in options:
        raise url_fault("it has both an account_key and a sas")
    if said.has("account_key", "sas") and "account" not in options:
        raise url_fault("its credentials need the account that they are of")
    named = {"account": "account_name", "account_key": "account_key", "sas": "sas_key"}
    found: dict[str, Any] = {own: options[name] for name, own in named.items() if name in options}
    if "endpoint_url" in options:
        found["endpoint"] = options["endpoint_url"].removesuffix("/")
    return found


_SETTINGS: dict[str, Callable[[BucketUrl, str], dict[str, Any]]] = {
    "s3": _settings_of_s3,
    "gs": _settings_of_gs,
    "az": _settings_of_az,
}
