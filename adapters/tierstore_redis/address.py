"""Where a server, or some of a cluster's, are, taken from a url that may hold a password.

What is wrong with a url is told without quoting any part of it: whatever is malformed may be a
password at a wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import unquote

from tierstore.errors import PolicyError

SCHEMES = ("redis", "rediss", "unix")
CLUSTERS = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Schemes of clusters, and how each of its nodes is talked to."""
EXAMPLE = "redis://user:password@host:6379/0"
EXAMPLE_OF_CLUSTER = "redis+cluster://user:password@host-1:6379,host-2:6379"
SEEDS_MAX = 100
PORT_DEFAULT, PORT_MAX = 6379, 65_535
DB_MAX = 1_000_000
POOL_DEFAULT, POOL_MAX = 16, 1_000
PREFIX_CHARACTERS_MAX = 40

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAME = _LETTERS + "0123456789_-."
_PATH = _NAME + "/ ,+~@"
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_KNOWN = ("db", "pool", *_FILES)


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Address:
    """A server and which of its databases, or a cluster."""

    shown: str
    """What may be told of it."""
    scheme: str
    pool: int = POOL_DEFAULT
    options: dict[str, str | int] = field(default_factory=dict, repr=False)
    """What the driver is given; it may hold a password."""
    seeds: tuple[Node, ...] = ()
    """Of a cluster: nodes to ask first. Then `options` name no host, but `at` a node do."""

    def at(self, node: Node) -> Address:
        """The address of one node of a cluster."""
        return replace(self, options={**self.options, "host": node.host, "port": node.port})


def parse_address(url: str) -> Address:
    """The address that a url names.

    Raises PolicyError, which quotes nothing of it, if it is malformed.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in (*SCHEMES, *CLUSTERS):
        raise _wrong(f"it does not begin with {', '.join((*SCHEMES, *CLUSTERS))} and ://")
    rest, _, query = rest.partition("?")
    fields = _read_query(query, CLUSTERS.get(scheme, scheme))
    pool = _number(fields.pop("pool", str(POOL_DEFAULT)), 1, POOL_MAX, "`pool`")
    database = fields.pop("db", None)
    authority, path = _split(rest, scheme)
    userinfo, _, hosts = authority.rpartition("@")
    options: dict[str, str | int] = {**_read_user(userinfo), **fields}
    seeds: tuple[Node, ...] = ()
    if scheme == "unix":
        if hosts:
            raise _wrong("`unix://` is for the absolute path of a socket, without a host")
        options["path"] = _text(path, _PATH, "the path of the socket", at_least=2)
    else:
        database = _the_one(path[1:], database)
    if scheme in CLUSTERS:
        seeds = _read_seeds(hosts)
    elif scheme != "unix":
        node = _read_host(hosts)
        options |= {"host": node.host, "port": node.port}
    options["db"] = _number(database or "0", 0, 0 if seeds else DB_MAX, "the database")
    shown = f"{scheme}://{'***@' if userinfo else ''}{hosts}{path}{'?***' if query else ''}"
    return Address(shown, CLUSTERS.get(scheme, scheme), pool, options, seeds)


def check_prefix(prefix: str) -> str:
    """`prefix`, if keys can begin with it. Raises PolicyError."""
    if not 0 < len(prefix) <= PREFIX_CHARACTERS_MAX or prefix.strip(_NAME):
        raise PolicyError("the prefix of the edge's keys has to be short, of letters and digits")
    if not all(character in _NAME for character in prefix):
        raise PolicyError("the prefix of the edge's keys may hold letters, digits, `_-.` only")
    return prefix


def _split(rest: str, scheme: str) -> tuple[str, str]:
    """What comes before the path, and the path with its slash."""
    authority, slash, path = rest.partition("/")
    if scheme != "unix" and "/" in path:
        raise _wrong("after the host there may be the number of a database only")
    return authority, slash + path


def _the_one(in_path: str, in_query: str | None) -> str:
    if in_path and in_query is not None:
        raise _wrong("it names the database twice")
    return in_path or in_query or ""


def _read_user(userinfo: str) -> dict[str, str]:
    user, _, password = userinfo.partition(":")
    if any(mark in userinfo for mark in "/?#@[]") or ":" in password:
        raise _wrong("user or password hold a character that has to be written as %XX")
    found = {"username": _decoded(user), "password": _decoded(password)}
    if found["username"] and not found["password"]:
        raise _wrong("it names a user without a password")
    return {name: value for name, value in found.items() if value}


def _read_seeds(hosts: str) -> tuple[Node, ...]:
    nodes = tuple(dict.fromkeys(_read_host(host) for host in hosts.split(",")))
    if len(nodes) > SEEDS_MAX:
        raise _wrong(f"it names more than {SEEDS_MAX} hosts")
    return nodes


def _read_host(host: str) -> Node:
    if host.startswith("["):
        name, closing, port = host[1:].partition("]")
        _text(name, "0123456789abcdefABCDEF:.", "a host", at_least=2)
        if not closing or (port and not port.startswith(":")):
            raise _wrong("a host in brackets is not closed, or a port is not a number")
        port = port[1:]
    else:
        name, _, port = host.partition(":")
        _text(name, _NAME, "the host", at_least=1)
    return Node(name, _number(port or str(PORT_DEFAULT), 1, PORT_MAX, "the port"))


def _read_query(query: str, scheme: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, raw = part.partition("=")
        if name not in _KNOWN or name in found:
            raise _wrong(f"after the `?` there may be, each once: {', '.join(_KNOWN)}")
        found[name] = _text(_decoded(raw), _PATH, f"`{name}`", at_least=1)
    if scheme != "rediss" and any(name in found for name in _FILES):
        raise _wrong("files of TLS are for rediss:// and rediss+cluster:// only")
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


def _number(text: str, number_min: int, number_max: int, what: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number or not number_min <= int(text) <= number_max:
        raise _wrong(f"{what} is not a number from {number_min} to {number_max:,}")
    return int(text)


def _text(text: str, allowed: str, what: str, *, at_least: int) -> str:
    if len(text) < at_least or not all(character in allowed for character in text):
        raise _wrong(f"{what} is missing or holds a character that is not allowed there")
    return text


def _wrong(why: str) -> PolicyError:
    examples = f"{EXAMPLE} or {EXAMPLE_OF_CLUSTER}"
    return PolicyError(f"the url of the edge tier is malformed: {why}; write {examples}")
