"""Urls: what is understood, what is refused, and that nothing of a password is ever told."""

from __future__ import annotations

import logging
import random

import pytest

from tierstore.errors import PolicyError
from tierstore.region.apply import Limits
from tierstore.runtime.manual import ManualRuntime
from tierstore.testing.conformance.telling import told
from tierstore_sql.address import parse_address

CANARY = "c4n4ry"
MALFORMED = 10_000
PIECES = [
    "postgresql", "+psycopg", "://", ":", "/", "@", "?", "#", "&", "=", "[", "]", ",", "%", "%00",
    "%ff", "user", "host", "5432", "database", "schema", "prefix", "sslmode", "pool", "options",
    "-c", " ", "\0", "\n", "é", "\ud800", "'", '"', "\\", "..", "99999999", "",
]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("postgresql://h/d", {"host": "h", "port": "5432", "dbname": "d"}),
        (
            "postgresql+psycopg://u:p%40%2f@h:1/d",
            {"user": "u", "password": "p@/", "host": "h", "port": "1", "dbname": "d"},
        ),
        ("postgresql://[::1]:7/d", {"host": "::1", "port": "7", "dbname": "d"}),
        (
            "postgresql://a:1,b:2/d?target_session_attrs=read-write",
            {"host": "a,b", "port": "1,2", "dbname": "d", "target_session_attrs": "read-write"},
        ),
        ("postgresql:///d?host=/run/pg", {"host": "/run/pg", "dbname": "d"}),
        (
            "postgresql://h/d?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            {
                "host": "h", "port": "5432", "dbname": "d", "sslmode": "verify-full",
                "sslrootcert": "/etc/ca.pem",
            },
        ),
    ],
)  # fmt: skip
def test_a_url_says_where_the_server_is(url, options):
    assert parse_address(url).options == options


def test_tables_lie_where_the_url_says():
    address = parse_address("postgresql://h/d?schema=app&prefix=cache_&pool=3")
    assert (address.schema, address.prefix, address.pool) == ("app", "cache_", 3)
    assert parse_address("postgresql://h/d").schema == "tierstore"


@pytest.mark.parametrize(
    "url",
    [
        "", "postgresql", "postgresql:", "postgresql://", "postgresql://h", "postgresql://h/",
        "mysql://h/d", "postgresql://u:p@/d", "postgresql://h:0/d", "postgresql://h:65536/d",
        "postgresql://h:x/d", "postgresql://u:a@b@h/d", "postgresql://u:a/b@h/d",
        "postgresql://u:a?b@h/d", "postgresql://u:a#b@h/d", "postgresql://u:a:b@h/d",
        "postgresql://h/d?schema=A", "postgresql://h/d?schema=a;b", "postgresql://h/d?schema=1a",
        "postgresql://h/d?schema=", "postgresql://h/d?prefix=a-b",
        "postgresql://h/d?prefix=" + "a" * 41,
        "postgresql://h/d?pool=0", "postgresql://h/d?pool=1001", "postgresql://h/d?pool=x",
        "postgresql://h/d?options=-cx", "postgresql://h/d?password=p", "postgresql://h/d?sslmode=x",
        "postgresql://h/d?schema=a&schema=b", "postgresql://h/d#f", "postgresql://h/d/e",
        "postgresql://h/d?host=/x", "postgresql:///d?host=x", "postgresql:///d",
        "postgresql://u%00@h/d", "postgresql://u%ff@h/d", "postgresql://[::1/d", "postgresql://h,/d",
    ],
)  # fmt: skip
def test_a_malformed_url_is_refused(url):
    with pytest.raises(PolicyError, match="write postgresql"):
        parse_address(url)


def test_no_url_tells_its_password(postgres, caplog):
    caplog.set_level(logging.DEBUG)
    chance, refused = random.Random(1), 0
    for _ in range(MALFORMED):
        url = damaged_url(chance)
        try:
            region = postgres.PostgresRegion(
                url, runtime=ManualRuntime(), terms=Limits(), base_dir="/"
            )
            texts = [repr(region), str(region), region.path, region._session.dialect.place]
            texts.append(repr(region._session.dialect.address))
        except PolicyError as error:
            refused += 1
            texts = told(error)
        assert CANARY not in "".join(texts), url
    assert MALFORMED // 2 < refused < MALFORMED
    assert CANARY not in caplog.text


def damaged_url(chance):
    """A url with the canary as its password, and with pieces put in, left out or doubled."""
    parts = ["postgresql", "://", "user", ":", CANARY, "@", "host", ":", "5432", "/", "database"]
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(parts))
        kind = chance.randrange(4)
        if kind == 0:
            parts.insert(at, chance.choice(PIECES))
        elif kind == 1 and parts[at] not in (CANARY, ":"):
            parts[at] = chance.choice(PIECES)
        elif kind == 2:
            parts.insert(at, parts[at])
        else:
            parts.append(chance.choice(["?", "&", "="]) + chance.choice(PIECES))
    return "".join(parts)
