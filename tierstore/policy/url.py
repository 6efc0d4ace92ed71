"""Urls and secrets that cannot leak: what is printed, logged or pickled is masked.

A url may name `${env:NAME}`; only `reveal()`, called when a tier is opened, puts the value in.
"""

from __future__ import annotations

import os

from tierstore.errors import PolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

UNPARSABLE = "<unparsable url>"
MASK = "***"

_ENV_OPEN = "${env:"
_LOCAL_SCHEMES = ("file", "sqlite", "memory")
_NAME_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"
_HOST_CHARS = _NAME_CHARS + "-."
_PATH_CHARS = _NAME_CHARS + "-./%~+=,"
_SCHEME_CHARS = "abcdefghijklmnopqrstuvwxyz0123456789+.-"
# Stands for the n-th environment reference while a url is masked; not allowed in urls themselves.
_REFERENCE_BASE = 0xE000
_REFERENCES_MAX = 16


class Secret:
    """Text that may hold `${env:NAME}` and is shown as `***`. `reveal()` returns the text."""

    __slots__ = ("template",)

    template: str

    def __init__(self, template: str) -> None:
        object.__setattr__(self, "template", template)

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        """The text with every `${env:NAME}` replaced from `environ` (default: the process's).

        Raises: PolicyError if a variable is not set; the message names the variable only.
        """
        known = os.environ if environ is None else environ
        text = ""
        for literal, name in split_references(self.template):
            text += literal
            if name:
                if name not in known:
                    raise PolicyError(f"the environment variable {name} is not set; {self} uses it")
                text += known[name]
        return text

    def __str__(self) -> str:
        return MASK

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.template == self.template

    def __hash__(self) -> int:
        return hash(self.template)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> tuple[type, tuple[str]]:
        if str(self) != self.template:
            raise TypeError("a url or secret is not pickled; write ${env:NAME} in the policy")
        return type(self), (self.template,)


class Url(Secret):
    """The url of a tier. `str`, `repr` and `format` mask userinfo, query and fragment."""

    __slots__ = ()

    @property
    def scheme(self) -> str:
        """The part before the first colon, or "" where only the environment knows it."""
        scheme, colon, _ = self.template.partition(":")
        return scheme if colon and _is_scheme(scheme) else ""

    def __str__(self) -> str:
        return mask_url(self.template)


def split_references(template: str) -> list[tuple[str, str]]:
    """`template` cut into (literal text, name of the variable after it); the last name is "".

    Raises: ValueError for a reference that is not `${env:NAME}`.
    """
    parts: list[tuple[str, str]] = []
    literal, mark, rest = template.partition("${")
    while mark:
        name, closed, rest_after = rest.removeprefix("env:").partition("}")
        if not rest.startswith("env:") or not closed or not name or name.strip(_NAME_CHARS):
            raise ValueError("a reference must be written ${env:NAME}")
        parts.append((literal, name))
        literal, mark, rest = rest_after.partition("${")
    return [*parts, (literal, "")]


def mask_url(text: str) -> str:
    """`text` without what may be secret: userinfo, query values, fragment, and any odd shape.

    Errs on the side of hiding: everything up to the last `@` counts as userinfo.
    """
    try:
        parts = split_references(text)
    except ValueError:
        return UNPARSABLE
    names = [name for _, name in parts if name]
    if len(names) > _REFERENCES_MAX or any(0xE000 <= ord(c) < 0xF900 for c in text):
        return UNPARSABLE
    marked = "".join(
        literal + (chr(_REFERENCE_BASE + i) if name else "")
        for i, (literal, name) in enumerate(parts)
    )
    masked = marked if text == f"{_ENV_OPEN}{names[0] if names else ''}}}" else _mask(marked)
    for i, name in enumerate(names):
        masked = masked.replace(chr(_REFERENCE_BASE + i), f"{_ENV_OPEN}{name}}}")
    return masked


def _mask(text: str) -> str:
    scheme, colon, rest = text.partition(":")
    if not colon or not _is_scheme(scheme):
        return text if text == "regional" else UNPARSABLE
    slashes = "//" if rest.startswith("//") else ""
    rest = rest[len(slashes) :]
    if scheme in _LOCAL_SCHEMES and (not slashes or rest[:1] in ("", "/", "?", "#")):
        return f"{scheme}:{slashes}{_without_query(rest)}"
    userinfo, at, rest = rest.rpartition("@")
    address = _without_query(rest)
    if not slashes or any(c in "/?#" for c in userinfo) or not _is_address(address):
        return UNPARSABLE
    return f"{scheme}://{MASK if at else ''}{at}{address}"


def _without_query(rest: str) -> str:
    cut = min((rest.find(c) for c in "?#" if c in rest), default=len(rest))
    return rest[:cut] + (rest[cut] + MASK if cut < len(rest) else "")


def _is_address(address: str) -> bool:
    """Whether this is hosts, ports and a path, with nothing that could be a misplaced password."""
    hosts, _, path = address.removesuffix(MASK).rstrip("?#").partition("/")
    return _all_in(path, _PATH_CHARS) and all(map(_is_host, hosts.split(",")))


def _is_host(host: str) -> bool:
    if host.startswith("["):
        number, _, port = host[1:].partition("]")
        return _all_in(number, "0123456789abcdefABCDEF:.") and _all_in(port, ":0123456789")
    name, _, port = host.partition(":")
    return _all_in(name, _HOST_CHARS) and _all_in(port, "0123456789")


def _all_in(text: str, allowed: str) -> bool:
    return all(c in allowed or 0 <= ord(c) - _REFERENCE_BASE < _REFERENCES_MAX for c in text)


def _is_scheme(scheme: str) -> bool:
    return scheme[:1].isalpha() and not scheme.strip(_SCHEME_CHARS)
