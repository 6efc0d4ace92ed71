"""Where a cold tier is, read from its url; what is secret in it is never shown.

    s3://[key:secret@]bucket[/prefix][?option=value&…]

Messages about a malformed url name the option, never what stands there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tierstore.errors import PolicyError
from tierstore.region.endpoints import is_refused_address

if TYPE_CHECKING:
    from collections.abc import Mapping

EXAMPLE = "s3://bucket/prefix?region=eu-central-1"
PREFIX_BYTES_MAX = 900  # a key has at most 1,024 bytes, of which a minted name takes 115

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!_.*'()-]+")  # "=" would let an option pass for one
_TOKEN = re.compile(r"[\x21-\x7e]+")
_VALUES = {
    "access_key": _TOKEN,
    "secret_key": _TOKEN,
    "session_token": _TOKEN,
    "endpoint_url": re.compile(r"https?://[^/?#@\s\\]+/?"),
    "region": re.compile(r"[a-z0-9-]{1,32}"),
    "profile": re.compile(r"[\w.@-]{1,64}"),
    "addressing": re.compile(r"auto|path|virtual"),
    "sse": re.compile(r"AES256|aws:kms|aws:kms:dsse"),
    "kms_key": re.compile(r"[A-Za-z0-9:/_-]{1,2048}"),
    "owner": re.compile(r"[0-9]{12}"),
}
_SIDES_MAX = 2


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
    address, mark, query = url.removeprefix("s3://").partition("?")
    userinfo, _, place = address.rpartition("@")
    bucket, _, prefix = place.partition("/")
    if not url.startswith("s3://") or not _BUCKET.fullmatch(bucket):
        raise _fault(f"it names no bucket; write {EXAMPLE}")
    options = _options(query if mark else "")
    if userinfo:
        options = _with_userinfo(options, userinfo)
    endpoint_url = options.get("endpoint_url")
    return Location(
        bucket,
        _checked_prefix(prefix),
        _checked_endpoint(endpoint_url) if endpoint_url else None,
        options.get("region"),
        options.get("profile"),
        options.get("addressing", "path" if endpoint_url else "auto"),
        options.get("owner"),
        _encryption(options),
        _credentials(options),
    )


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in _VALUES:
            raise _fault(f"it has an unknown option; known are {', '.join(sorted(_VALUES))}")
        if name in options:
            raise _fault(f"it has the option {name} twice")
        value = unquote(value)
        if not _VALUES[name].fullmatch(value):
            raise _fault(f"its option {name} is malformed; write & ? # % in it as %26 %3F %23 %25")
        options[name] = value
    return options


def _with_userinfo(options: dict[str, str], userinfo: str) -> dict[str, str]:
    sides = [unquote(side) for side in userinfo.split(":")]
    if len(sides) != _SIDES_MAX or not all(map(_TOKEN.fullmatch, sides)):
        raise _fault("what stands before the bucket has to be key:secret@, each percent-encoded")
    if "access_key" in options or "secret_key" in options:
        raise _fault("it has credentials both before the bucket and among its options")
    return options | {"access_key": sides[0], "secret_key": sides[1]}


def _credentials(options: Mapping[str, str]) -> Credentials | None:
    given = [name in options for name in ("access_key", "secret_key")]
    if not any(given):
        if "session_token" in options:
            raise _fault("it has a session_token without access_key and secret_key")
        return None
    if not all(given):
        raise _fault("access_key and secret_key go together")
    if "profile" in options:
        raise _fault("it has both a profile and credentials")
    return Credentials(options["access_key"], options["secret_key"], options.get("session_token"))


def _encryption(options: Mapping[str, str]) -> dict[str, str]:
    if "sse" not in options:
        if "kms_key" in options:
            raise _fault("kms_key needs sse=aws:kms")
        return {}
    asked = {"ServerSideEncryption": options["sse"]}
    if "kms_key" in options:
        if options["sse"] == "AES256":
            raise _fault("kms_key needs sse=aws:kms")
        asked["SSEKMSKeyId"] = options["kms_key"]
    return asked


def _checked_prefix(prefix: str) -> str:
    prefix = prefix.removesuffix("/")
    if not prefix:
        return ""
    if len(prefix) > PREFIX_BYTES_MAX:
        raise _fault(f"its prefix is longer than {PREFIX_BYTES_MAX} characters")
    if not all(map(_SEGMENT.fullmatch, prefix.split("/"))):
        raise _fault("its prefix may have letters, digits and !_.*'()- between single slashes")
    return f"{prefix}/"


def _checked_endpoint(endpoint_url: str) -> str:
    try:
        parts = urlsplit(endpoint_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise _fault("its endpoint_url is malformed; write http://host:port or https://host")
    if is_refused_address(host):
        raise _fault("its endpoint_url is a link-local address, which is never a store")
    return endpoint_url


def _fault(text: str) -> PolicyError:
    return PolicyError(f"the url of the cold tier: {text}")
