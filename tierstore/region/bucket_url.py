"""Urls that name a bucket: `scheme://[user:secret@]bucket[/prefix][?option=value&…]`.

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

PREFIX_BYTES_MAX = 900  # a key has at most 1,024 bytes, of which a minted name takes 115
TOKEN = re.compile(r"[\x21-\x7e]+")
"""What a secret may look like."""

_SEGMENT = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9!_.*'()-]+")  # "=" would let an option pass for one
_SIDES_MAX = 2


@dataclass(frozen=True, slots=True)
class Form:
    """What urls of one scheme look like."""

    scheme: str
    bucket: re.Pattern[str]
    options: Mapping[str, re.Pattern[str]]
    userinfo: tuple[str, str] | None
    """The options that the two sides of what stands before the bucket are; None: none may."""
    example: str


@dataclass(frozen=True, slots=True)
class BucketUrl:
    """What a url says."""

    bucket: str
    prefix: str
    """Before every name: empty, or it ends in a slash."""
    options: Mapping[str, str] = field(repr=False)

    def has(self, *names: str) -> bool:
        """Whether one of these options is there."""
        return any(name in self.options for name in names)


def parse_bucket_url(url: str, form: Form) -> BucketUrl:
    """What `url` says. Raises PolicyError, which tells the place of the fault and no content."""
    start = f"{form.scheme}://"
    address, mark, query = url.removeprefix(start).partition("?")
    userinfo, _, place = address.rpartition("@")
    bucket, _, prefix = place.partition("/")
    if not url.startswith(start) or not form.bucket.fullmatch(bucket):
        raise url_fault(f"it names no bucket; write {form.example}")
    options = _options(query if mark else "", form)
    if userinfo:
        options = _with_userinfo(options, userinfo, form)
    return BucketUrl(bucket, _checked_prefix(prefix), options)


def check_endpoint(endpoint_url: str) -> None:
    """Raise PolicyError for a malformed endpoint, and for one that is never a store."""
    try:
        parts = urlsplit(endpoint_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise url_fault("its endpoint_url is malformed; write http://host:port or https://host")
    if is_refused_address(host):
        raise url_fault("its endpoint_url is a link-local address, which is never a store")


def url_fault(text: str) -> PolicyError:
    """The error for a url of a cold tier."""
    return PolicyError(f"the url of the cold tier: {text}")


def _options(query: str, form: Form) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in form.options:
            raise url_fault(
                f"it has an unknown option; known are {', '.join(sorted(form.options))}"
            )
        if name in options:
            raise url_fault(f"it has the option {name} twice")
        value = unquote(value)
        if not form.options[name].fullmatch(value):
            raise url_fault(
                f"its option {name} is malformed; write & ? # % in it as %26 %3F %23 %25"
            )
        options[name] = value
    return options


def _with_userinfo(options: dict[str, str], userinfo: str, form: Form) -> dict[str, str]:
    if form.userinfo is None:
        raise url_fault(f"nothing may stand before the bucket; write {form.example}")
    sides = [unquote(side) for side in userinfo.split(":")]
    patterns = [form.options[name] for name in form.userinfo]
    if len(sides) != _SIDES_MAX or not all(map(re.Pattern.fullmatch, patterns, sides)):
        named = ":".join(form.userinfo)
        raise url_fault(f"what stands before the bucket has to be {named}@, each percent-encoded")
    if any(name in options for name in form.userinfo):
        raise url_fault("it has credentials both before the bucket and among its options")
    return options | dict(zip(form.userinfo, sides, strict=True))


def _checked_prefix(prefix: str) -> str:
    prefix = prefix.removesuffix("/")
    if not prefix:
        return ""
    if len(prefix) > PREFIX_BYTES_MAX:
        raise url_fault(f"its prefix is longer than {PREFIX_BYTES_MAX} characters")
    if not all(map(_SEGMENT.fullmatch, prefix.split("/"))):
        raise url_fault("its prefix may have letters, digits and !_.*'()- between single slashes")
    return f"{prefix}/"
