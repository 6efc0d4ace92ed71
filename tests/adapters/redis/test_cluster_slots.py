"""Which slot a key has, and what nodes tell of slots."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis._parsers.base import BaseParser
from redis.crc import key_slot

from tierstore.region.shared import TAGS
from tierstore_redis.address import Node
from tierstore_redis.keys import HOMES, Names
from tierstore_redis.topology import (
    SLOT_OF_HOME,
    read_redirection,
    read_topology,
    slot_of,
)

HERE = Node("here", 7000)
PIECES = st.sampled_from([b"{", b"}", b"{}", b"a", b":", b"\xff", b"{3}", b""])


@given(st.binary(max_size=40) | st.lists(PIECES, max_size=8).map(b"".join))
def test_slots_are_those_of_the_driver(name):
    assert slot_of(name) == key_slot(name)


def test_everything_of_a_home_has_its_slot():
    names = Names("ts")
    for tag in range(TAGS):
        of_tag = [names.lives[tag], names.identities[tag], names.queue(tag, 7)]
        of_tag.append(names.copy("{x}}{", tag))
        assert {key_slot(name) for name in of_tag} == {SLOT_OF_HOME[tag]}
    rest = [names.standing, names.lead("{work}"), names.layout]
    assert [key_slot(name) for name in rest] == list(SLOT_OF_HOME[TAGS:])
    assert len(HOMES) == len(SLOT_OF_HOME)


def test_masters_are_read_with_their_replicas():
    answer = [
        [0, 8_000, [b"a", 1, b"id", {}], [b"r", 9, b"id", {}]],
        [8_001, 16_383, [b"b", 2, b"id", {}]],
    ]
    topology = read_topology(answer, HERE)
    assert set(topology.nodes()) == {Node("a", 1), Node("b", 2)}
    assert topology.others == (Node("r", 9),)
    assert topology.has_replicas
    for slot, node in zip(SLOT_OF_HOME, topology.masters, strict=True):
        assert node == (Node("a", 1) if slot <= 8_000 else Node("b", 2))


@pytest.mark.parametrize("host", [b"", None, b"?"])
def test_a_node_that_names_no_host_is_where_it_was_asked(host):
    topology = read_topology([[0, 16_383, [host, 7001, b"id"]]], HERE)
    assert topology.nodes() == [Node("here", 7001)]


def test_slots_that_nobody_serves_have_no_master():
    topology = read_topology([[0, 100, [b"a", 1, b"id"]]], HERE)
    assert None in topology.masters
    assert read_topology([], HERE).nodes() == []


@pytest.mark.parametrize(
    "answer", [None, 7, [1], [[1, 2, 3]], [[0, 1, [b"a"]]], [[0, 1, [b"\xff", 1]]], [[0]]]
)
def test_what_is_no_list_of_slots_is_refused(answer):
    with pytest.raises((ValueError, UnicodeError)):
        read_topology(answer, HERE)


@pytest.mark.parametrize(
    ("reply", "is_asking", "node"),
    [
        ("MOVED 3999 127.0.0.1:6381", False, Node("127.0.0.1", 6381)),
        ("ASK 3999 name:6381", True, Node("name", 6381)),
        ("MOVED 3999 :6381", False, Node("here", 6381)),
        ("ASK 3999 ?:6381", True, Node("here", 6381)),
        ("MOVED 3999 ::1:6381", False, Node("::1", 6381)),
    ],
)
def test_redirections_name_a_node(reply, is_asking, node):
    told = read_redirection(BaseParser.parse_error(reply), HERE)
    assert (told.is_asking, told.slot, told.node) == (is_asking, 3999, node)


@pytest.mark.parametrize("reply", ["TRYAGAIN x", "CLUSTERDOWN x", "ERR MOVED 1 a:1", "NOSCRIPT x"])
def test_other_errors_are_no_redirections(reply):
    assert read_redirection(BaseParser.parse_error(reply), HERE) is None
