"""Laws of bytes: one spelling for each state, and damage that is noticed or is another state."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tierstore.errors import DecodingError
from tierstore.record import hash_payload
from tierstore.runtime.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tierstore.testing.laws.life import Life

DAMAGES = 6
NASTY = (0x00, 0x01, 0xC0, 0xC2, 0xC3, 0x90, 0x91, 0x7F, 0xFF)
"""0, 1, nil, false, true, arrays, the ends of small numbers."""


def equal_states_have_equal_bytes(life: Life) -> None:
    """States are equal if and only if their bytes are, and bytes if and only if their digests."""
    type_ = life.under_test.type
    known: list[tuple[Any, bytes]] = []
    for payload in payloads(life):
        state = type_.decode(payload)
        assert type_.encode(state) == payload, f"{payload!r} is not what {state!r} encodes to"
        for other, spelled in known:
            is_same = spelled == payload
            assert (other == state) is is_same, f"{other!r} and {state!r} by their bytes differ"
            assert (hash_payload(spelled) == hash_payload(payload)) is is_same
        known.append((state, payload))


def deltas_come_back(life: Life) -> None:
    """A delta that was sent is the delta that arrives."""
    type_ = life.under_test.type
    for delta in life.deltas():
        back = type_.decode_delta(type_.encode_delta(delta))
        assert back == delta, f"{delta!r} came back as {back!r}"


def damage_is_noticed(life: Life) -> None:
    """Damaged bytes are refused, or they are the bytes of another state and its only ones."""
    type_, chance = life.under_test.type, Chance(life.script.seed)
    for payload in sorted(payloads(life), key=len)[-2:]:
        for damaged in _damaged(chance, payload):
            state = _refused_or_spelled(type_.decode, type_.encode, damaged)
            if state is not None:
                joined = type_.join(state, type_.empty())
                assert joined == state, f"{damaged!r} was read as {state!r}, which is no state"
    for delta in life.deltas()[-2:]:
        for damaged in _damaged(chance, type_.encode_delta(delta)):
            if life.has_one_spelling_of_deltas:
                _refused_or_spelled(type_.decode_delta, type_.encode_delta, damaged)
            else:
                _refused_or_read(type_.decode_delta, type_.encode_delta, damaged)


def arguments_are_left(life: Life) -> None:
    """Join and compose change neither of their arguments, and apply does not change the delta."""
    type_ = life.under_test.type
    states = [type_.decode(payload) for payload in payloads(life)[-3:]]
    for left, right in pairwise(states):
        before = type_.encode(left), type_.encode(right)
        type_.join(left, right)
        after = type_.encode(left), type_.encode(right)
        assert before == after, f"join left {after} of {before}"
    deltas = life.deltas()[-4:]
    for first, second in pairwise(deltas):
        before = type_.encode_delta(first), type_.encode_delta(second)
        for is_same_life in (True, False):
            type_.compose(first, second, is_same_life=is_same_life)
        for state in map(type_.decode, payloads(life)[-1:]):
            with suppress(DecodingError):  # it may need what is not there
                type_.apply(state, first, origin=1, actor=1, is_same_life=True)
        after = type_.encode_delta(first), type_.encode_delta(second)
        assert before == after, f"compose or apply left {after} of {before}"


def payloads(life: Life) -> list[bytes]:
    """The bytes of every state that some region had, each once, in the order of their first."""
    return list(dict.fromkeys(life.spelled(life.records())))


def _damaged(chance: Chance, payload: bytes) -> list[bytes]:
    return [_damage(chance, payload) for _ in range(DAMAGES)]


def _damage(chance: Chance, payload: bytes) -> bytes:
    """`payload` with a byte replaced, left out or doubled, or with neighbouring bytes swapped."""
    at, kind = chance.randrange(len(payload)), chance.randrange(5)
    head, here, tail = payload[:at], payload[at : at + 1], payload[at + 1 :]
    if kind == 0:
        return head + bytes([chance.randrange(256)]) + tail
    if kind == 1:
        return head + bytes([chance.choice(NASTY)]) + tail
    if kind == 2:
        return head + tail
    if kind == 3:
        return head + here + here + tail
    size = chance.randint(1, 4)
    one, two, rest = (
        payload[at : at + size],
        payload[at + size : at + 2 * size],
        tail[2 * size - 1 :],
    )
    return head + two + one + rest


def _refused_or_spelled(
    decode: Callable[[bytes], Any], encode: Callable[[Any], bytes], damaged: bytes
) -> Any:
    try:
        decoded = decode(damaged)
    except DecodingError:
        return None
    again = encode(decoded)
    assert again == damaged, f"{damaged!r} was read as {decoded!r}, which is {again!r}"
    return decoded


def _refused_or_read(
    decode: Callable[[bytes], Any], encode: Callable[[Any], bytes], damaged: bytes
) -> None:
    """What is read comes back when it is written."""
    with suppress(DecodingError):
        decoded = decode(damaged)
        again = decode(encode(decoded))
        assert again == decoded, f"{damaged!r} was read as {decoded!r}, and then as {again!r}"
