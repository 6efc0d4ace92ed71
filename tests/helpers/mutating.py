"""Mutations of bytes, and of the plain data that they encode."""

from __future__ import annotations

from tierstore.errors import EncodingError
from tierstore.record import REPLICA_MAX
from tierstore.stamp import STAMP_MAX
from tierstore.values.msgpack import pack, unpack

HUGE = [
    b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff", b"\xdc\xff\xff", b"\xff\xff\xff\x30", b"\xff" * 9,
]  # fmt: skip
"""Lengths that lie: of arrays, maps, bytes and texts of msgpack, and of all in lib0."""
DEPTHS = [1, 60, 700, 20_000]
NUMBERS = [
    0, 1, 2, 5, 6, -1, REPLICA_MAX, REPLICA_MAX + 1, STAMP_MAX, STAMP_MAX + 1, 1 << 32, 1 << 63,
    -(1 << 63),
]  # fmt: skip
NODES = [None, True, False, 1.0, "", "a", b"", b"\x01", [], {}, {"": ""}, [1, 2, 3], *NUMBERS]


def mutated(chance, data, others):
    """`data` with one to three mutations; parts of `others` may be put into it."""
    for _ in range(chance.randint(1, 3)):
        data = chance.choice(BYTEWISE)(chance, bytearray(data), others)
    return bytes(data)


def _flip(chance, data, others):
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return data


def _replace(chance, data, others):
    if data:
        data[chance.randrange(len(data))] = chance.choice((0, 1, 127, 128, 255, 0x90, 0xC0))
    return data


def _cut(chance, data, others):
    return data[: chance.randint(0, len(data))]


def _drop(chance, data, others):
    at = chance.randint(0, len(data))
    return data[:at] + data[at + chance.randint(1, 4) :]


def _insert(chance, data, others):
    at = chance.randint(0, len(data))
    return data[:at] + chance.randbytes(chance.randint(1, 6)) + data[at:]


def _splice(chance, data, others):
    other = chance.choice(others)
    at, first = chance.randint(0, len(data)), chance.randint(0, len(other))
    return data[:at] + other[first : first + chance.randint(1, 40)] + data[at:]


def _lie(chance, data, others):
    at, huge = chance.randint(0, len(data)), chance.choice(HUGE)
    return data[:at] + huge + data[at + chance.choice((0, 1, len(huge))) :]


def _nest(chance, data, others):
    at = chance.randint(0, len(data))
    return data[:at] + chance.choice((b"\x91", b"\x81\xa0", b"\x75\x01")) * chance.choice(
        DEPTHS
    ) + data[at:]  # fmt: skip


BYTEWISE = [_flip, _flip, _replace, _replace, _cut, _drop, _insert, _splice, _lie, _nest]


def regrown(chance, data, others):
    """`data`, which is msgpack, with one to three nodes of its tree mutated."""
    tree = unpack(data)
    for _ in range(chance.randint(1, 3)):
        tree = _mutate_tree(chance, tree, [unpack(other) for other in others[:4]])
    try:
        return pack(tree)
    except EncodingError:  # too deep, or a key that is none
        return mutated(chance, data, others)


def _mutate_tree(chance, tree, others):
    if isinstance(tree, list) and tree and chance.random() < 0.85:
        return _mutate_list(chance, list(tree), others)
    return _mutate_node(chance, tree, others)


def _mutate_list(chance, items, others):
    at, kind = chance.randrange(len(items)), chance.randrange(10)
    if kind < 6:
        items[at] = _mutate_tree(chance, items[at], others)
    elif kind == 6:
        del items[at]
    elif kind == 7:
        items.insert(at, items[chance.randrange(len(items))])
    elif kind == 8:
        other = chance.randrange(len(items))
        items[at], items[other] = items[other], items[at]
    else:
        items[at:] = items[:at]
    return items


def _mutate_node(chance, node, others):
    kind = chance.randrange(4)
    if type(node) is int and kind < 2:
        return node + chance.choice((-1, 1, 256)) if kind else chance.choice(NUMBERS)
    if type(node) is bytes and kind < 3:
        return mutated(chance, node, [node])
    if kind == 3:
        return chance.choice(others)
    return chance.choice(NODES)
