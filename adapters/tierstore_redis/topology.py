"""Which node of a cluster serves which home, as its nodes tell."""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, replace
from typing import Any

from redis.exceptions import AskError, MovedError

from tierstore_redis.address import Node
from tierstore_redis.keys import HOMES

SLOTS = 16_384
_UNKNOWN = (None, b"", b"?")
"""How a node tells that others are where it was itself asked."""


def slot_of(name: bytes) -> int:
    """The slot of a key: CRC-16 (XMODEM) of what is in its first braces, if anything, else of all.

    https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
    """
    begin = name.find(b"{")
    end = name.find(b"}", begin + 1)
    hashed = name[begin + 1 : end] if begin >= 0 and end > begin + 1 else name
    return crc_hqx(hashed, 0) % SLOTS


SLOT_OF_HOME = tuple(slot_of(name) for name in HOMES)


@dataclass(frozen=True, slots=True)
class Topology:
    """What a node said of its cluster."""

    masters: tuple[Node | None, ...] = (None,) * len(HOMES)
    """Of each home; None where nobody serves the slot."""
    others: tuple[Node, ...] = ()
    """Its other nodes, which may be asked for the slots, too."""
    has_replicas: bool = False

    def nodes(self) -> list[Node]:
        """The masters of homes, each once."""
        return list(dict.fromkeys(node for node in self.masters if node is not None))

    def moved(self, slot: int, node: Node) -> Topology:
        """The same with one slot at another node."""
        masters = tuple(
            node if at == slot else was for at, was in zip(SLOT_OF_HOME, self.masters, strict=True)
        )
        return replace(self, masters=masters)


@dataclass(frozen=True, slots=True)
class Redirection:
    """Where a node sends a caller."""

    is_asking: bool
    """Only this time, with ASKING: the slot is being moved."""
    slot: int
    node: Node


def read_topology(answer: Any, asked: Node) -> Topology:
    """What a CLUSTER SLOTS reply of the node `asked` says. Raises ValueError."""
    ranges: list[tuple[int, int, list[Node]]] = []
    try:
        for first, last, *nodes in answer:
            ranges.append((int(first), int(last), [_node(one, asked) for one in nodes]))
    except (TypeError, AttributeError, IndexError) as error:
        raise ValueError("it does not tell its slots as a cluster does") from error
    masters = tuple(_master_of(slot, ranges) for slot in SLOT_OF_HOME)
    told = dict.fromkeys(node for *_, nodes in ranges for node in nodes)
    others = tuple(node for node in told if node not in masters)
    return Topology(masters, others, any(len(nodes) > 1 for *_, nodes in ranges))


def _master_of(slot: int, ranges: list[tuple[int, int, list[Node]]]) -> Node | None:
    serving = [nodes for first, last, nodes in ranges if first <= slot <= last]
    return serving[0][0] if serving and serving[0] else None


def read_redirection(error: Exception, asked: Node) -> Redirection | None:
    """Where an error reply of the node `asked` sends the caller; None if it does not."""
    if not isinstance(error, AskError):  # of which MovedError is one
        return None
    node = Node(asked.host if error.host in ("", "?") else error.host, error.port)
    return Redirection(not isinstance(error, MovedError), error.slot_id, node)


def _node(told: Any, asked: Node) -> Node:
    host, port = told[0], int(told[1])
    return Node(asked.host if host in _UNKNOWN else host.decode(), port)
