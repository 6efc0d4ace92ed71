"""Urls: what is understood, what is refused, and that nothing of a password is ever told."""

from __future__ import annotations

import logging
import random

import pytest

from tierstore.errors import PolicyError, TierStoreError
from tierstore.runtime import Runtime
from tierstore.testing.conformance.telling import told
from tierstore_redis.address import parse_address
from tierstore_redis.edge import RedisEdge

CANARY = "c4n4ry"
MALFORMED = 1_000
PIECES = [
    "redis", "rediss", "unix", "://", ":", "/", "@", "?", "#", "&", "=", "[", "]", ",", "%", "%00",
    "%ff", "user", "host", "6379", "db", "pool", "0", " ", "\0", "\n", "é", "\ud800", "'", '"',
    "\\", "..", "99999999", "", "+cluster", "redis+cluster", "rediss+cluster", ",host-2:7000",
]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://h", {"host": "h", "port": 6379, "db": 0}),
        ("redis://h:1/2", {"host": "h", "port": 1, "db": 2}),
        ("redis://h/?db=3", {"host": "h", "port": 6379, "db": 3}),
        ("redis://[::1]:7/0", {"host": "::1", "port": 7, "db": 0}),
        (
            "redis://u:p%40%2f@h/0",
            {"username": "u", "password": "p@/", "host": "h", "port": 6379, "db": 0},
        ),
        ("rediss://:p@h", {"password": "p", "host": "h", "port": 6379, "db": 0}),
        (
            "rediss://h?ssl_ca_certs=/etc/ca.pem",
            {"ssl_ca_certs": "/etc/ca.pem", "host": "h", "port": 6379, "db": 0},
        ),
        ("unix:///run/redis.sock?db=1", {"path": "/run/redis.sock", "db": 1}),
        ("unix://u:p@/r/s", {"username": "u", "password": "p", "path": "/r/s", "db": 0}),
    ],
)
def test_a_url_says_where_the_server_is(url, options):
    assert parse_address(url).options == options


@pytest.mark.parametrize(
    "url",
    [
        "", "redis", "redis:", "redis://", "redis:///0", "http://h", "redis+sentinel://h",
        "redis://h:0", "redis://h:65536", "redis://h:x", "redis://u:a@b@h", "redis://u:a/b@h",
        "redis://u:a?b@h", "redis://u:a#b@h", "redis://u:a:b@h", "redis://u@h", "redis://h/x",
        "redis://h/-1", "redis://h/0/1", "redis://h/1?db=1", "redis://h?pool=0", "redis://h?x=1",
        "redis://h?db=1&db=1", "redis://h#f", "redis://h?password=p", "redis://u%00:p@h",
        "redis://u%ff:p@h", "redis://[::1", "redis://h?ssl_ca_certs=/x", "unix://", "unix://h/x",
        "unix:///", "unix:///a\0b", "rediss://h?ssl_cert_reqs=none", "redis+cluster://",
        "redis+cluster://a,", "redis+cluster://a,,b", "redis+cluster://a:0,b", "redis+cluster://a/1",
        "redis+cluster://a?db=1", "redis+cluster://a?ssl_ca_certs=/x", "redis+cluster:///0",
        "redis+cluster://u@a,b", "redis+cluster://u:p,q@a@b", "unix+cluster:///a", "redis://a,b",
        "redis+cluster://" + ",".join(f"h{number}" for number in range(101)),
    ],
)  # fmt: skip
def test_a_malformed_url_is_refused_at_the_first_use(url):
    edge = RedisEdge(url, runtime=Runtime())
    with pytest.raises(PolicyError, match="write redis://"):
        edge.connect(1.0)


@pytest.mark.parametrize(
    ("url", "seeds", "options"),
    [
        ("redis+cluster://h", [("h", 6379)], {"db": 0}),
        ("redis+cluster://h:1,h:2,h:1", [("h", 1), ("h", 2)], {"db": 0}),
        ("redis+cluster://[::1]:7,a/0", [("::1", 7), ("a", 6379)], {"db": 0}),
        ("redis+cluster://:p@h:1", [("h", 1)], {"password": "p", "db": 0}),
        (
            "rediss+cluster://u:p%40@a,b?ssl_ca_certs=/etc/ca.pem",
            [("a", 6379), ("b", 6379)],
            {"username": "u", "password": "p@", "ssl_ca_certs": "/etc/ca.pem", "db": 0},
        ),
    ],
)
def test_a_url_names_nodes_of_a_cluster(url, seeds, options):
    address = parse_address(url)
    assert [(node.host, node.port) for node in address.seeds] == seeds
    assert address.options == options
    assert address.scheme == url.partition("+")[0]
    node = address.at(address.seeds[0])
    assert node.options == {**options, "host": seeds[0][0], "port": seeds[0][1]}


@pytest.mark.parametrize("prefix", ["", "a b", "a{", "a:b", "é", "a" * 41, "*"])
def test_a_prefix_that_scripts_or_patterns_may_misread_is_refused(prefix):
    with pytest.raises(PolicyError, match="prefix"):
        RedisEdge("redis://h", runtime=Runtime(), prefix=prefix).connect(1.0)


def test_no_url_tells_its_password(caplog):
    caplog.set_level(logging.DEBUG)
    chance, refused = random.Random(1), 0
    for _ in range(MALFORMED):
        url = damaged_url(chance)
        edge = RedisEdge(url, runtime=Runtime())
        try:
            texts = [repr(edge), repr(parse_address(url)), parse_address(url).shown]
            edge._parts()
            texts.append(repr(edge))
        except PolicyError as error:
            refused += 1
            texts = [*told(error), repr(edge)]
        assert CANARY not in "".join(texts), url
    assert MALFORMED // 2 < refused < MALFORMED
    assert CANARY not in caplog.text


def test_nobody_there_is_told_without_the_password():
    edge = RedisEdge(f"redis://user:{CANARY}@127.0.0.1:1/0", runtime=Runtime())
    with pytest.raises(TierStoreError) as raised:
        edge.connect(1.0)
    assert CANARY not in "".join([*told(raised.value), repr(edge)])


def damaged_url(chance):
    """A url with the canary as its password, and with pieces put in, left out or doubled."""
    scheme = chance.choice(["redis", "redis", "rediss", "redis+cluster"])
    parts = [scheme, "://", "user", ":", CANARY, "@", "host", ":", "6379", "/", "0"]
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
