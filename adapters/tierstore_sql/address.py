"""Where a PostgreSQL server is, taken from a url that may hold a password.

What is wrong with a url is told without quoting any part of it: whatever is malformed may be a
password at a wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote

from tierstore.errors import PolicyError

SCHEMES = ("postgresql+psycopg", "postgresql")
EXAMPLE = "postgresql+psycopg://user:password@host:5432/database"
POOL_DEFAULT, POOL_MAX = 10, 1_000
NAME_BYTES_MAX = 40  # of 63 that PostgreSQL keeps; the longest name of an index takes the rest

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_NAME = _LETTERS + "0123456789_"
_HOST = _NAME + _LETTERS.upper() + "-."
_DATABASE = _HOST + " $"
_PLAIN = _HOST + "/:@ ,"
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSIONS = ("any", "read-write", "primary")
_FILES = ("sslrootcert", "sslcert", "sslkey", "passfile")
_KNOWN = (
    "schema", "prefix", "pool", "host", "sslmode", "target_session_attrs", "application_name",
    *_FILES,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and where in it the tables are."""

    shown: str
    """What may be told of it."""
    schema: str = "tierstore"
    prefix: str = "ts_"
    pool: int = POOL_DEFAULT
    options: dict[str, str] = field(default_factory=dict, repr=False)
    """What the driver is given; it may hold a password."""


def parse_address(url: str) -> Address:
    """The address that a url names.

    Raises PolicyError, which quotes nothing of it, if it is malformed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise _wrong("it does not begin with postgresql+psycopg://")
    rest, _, query = rest.partition("?")
    authority, slash, database = rest.partition("/")
    userinfo, _, hosts = authority.rpartition("@")
    fields = _read_query(query)
    options = {**_read_user(userinfo), **_read_hosts(hosts, fields.pop("host", None))}
    options["dbname"] = _text(database, _DATABASE, "the database's name", at_least=1)
    pool = _number(fields.pop("pool", str(POOL_DEFAULT)), POOL_MAX, "`pool`")
    schema = _name(fields.pop("schema", "tierstore"), "`schema`")
    prefix = _name(fields.pop("prefix", "ts_"), "`prefix`")
    shown = f"{scheme}://{'***@' if userinfo else ''}{hosts}{slash}{database}"
    return Address(shown + ("?***" if query else ""), schema, prefix, pool, options | fields)


def _read_user(userinfo: str) -> dict[str, str]:
    user, _, password = userinfo.partition(":")
    if any(mark in userinfo for mark in "/?#@[]") or ":" in password:
        raise _wrong("user or password hold a character that has to be written as %XX")
    found = {"user": _decoded(user), "password": _decoded(password)}
    return {name: value for name, value in found.items() if value}


def _read_hosts(hosts: str, folder: str | None) -> dict[str, str]:
    """`host` and `port` as the driver takes them: lists, if there are several."""
    if folder is not None:
        if hosts or not folder.startswith("/"):
            raise _wrong("`host` is for the absolute path of a folder of sockets, without a host")
        return {"host": folder}
    if not hosts:
        raise _wrong("it names no host")
    names, ports = zip(*map(_read_host, hosts.split(",")), strict=True)
    return {"host": ",".join(names), "port": ",".join(ports)}


def _read_host(host: str) -> tuple[str, str]:
    if host.startswith("["):
        name, closing, port = host[1:].partition("]")
        _text(name, "0123456789abcdefABCDEF:.", "a host", at_least=2)
        if not closing or (port and not port.startswith(":")):
            raise _wrong("a host in brackets is not closed, or a port is not a number")
        port = port[1:]
    else:
        name, _, port = host.partition(":")
        _text(name, _HOST, "a host", at_least=1)
    return name, str(_number(port or "5432", 65_535, "a port"))


def _read_query(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, raw = part.partition("=")
        if name not in _KNOWN or name in found:
            raise _wrong(f"after the `?` there may be, each once: {', '.join(_KNOWN)}")
        found[name] = _text(_decoded(raw), _PLAIN, f"`{name}`", at_least=1)
    for name, allowed in (("sslmode", _SSLMODES), ("target_session_attrs", _SESSIONS)):
        if found.get(name, allowed[0]) not in allowed:
            raise _wrong(f"`{name}` has to be one of {', '.join(allowed)}")
    return found


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
        decoded.encode()
    except UnicodeError:
        decoded = "\0"
    if "\0" in decoded:
        raise _wrong("a part of it is not UTF-8, or holds a NUL")
    return decoded


def _name(text: str, what: str) -> str:
    if text[:1].isdigit() or len(text) > NAME_BYTES_MAX:
        raise _wrong(f"{what} has to begin with a letter and to be short")
    return _text(text, _NAME, what, at_least=1)


def _number(text: str, number_max: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= number_max:
        raise _wrong(f"{what} is not a number from 1 to {number_max:,}")
    return int(text[:9])


def _text(text: str, allowed: str, what: str, *, at_least: int) -> str:
    if len(text) < at_least or text.strip(allowed):
        raise _wrong(f"{what} is missing or holds a character that is not allowed there")
    if not all(character in allowed for character in text):
        raise _wrong(f"{what} holds a character that is not allowed there")
    return text


def _wrong(why: str) -> PolicyError:
    return PolicyError(f"the url of the regional tier is malformed: {why}; write {EXAMPLE}")
