"""A damaged journal never gives a wrong value: an intact answer, or a typed error that names it."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tierstore.errors import TierStoreError

FILE = "worker-0001.journal"
POSITIONS = 200


def verdict(original, found):
    """ "intact", "reported" or, for each wrong value, a complaint."""
    wrong = {
        key: value
        for key, value in found.items()
        if not isinstance(value, TierStoreError) and value != original.expected[key]
    }
    if wrong:
        return f"wrong: {wrong}"[:200]
    errors = [value for value in found.values() if isinstance(value, TierStoreError)]
    return "reported" if errors else "intact"


def flipped(files, name, position, bit):
    content = bytearray(files[name])
    content[position] ^= 1 << bit
    return files | {name: bytes(content)}


def cut(files, name, size):
    return files | {name: files[name][:size]}


@pytest.mark.parametrize(
    ("state", "name"), [("settled", FILE), ("crashed", FILE), ("crashed", FILE + "-wal")]
)
@pytest.mark.parametrize("harm", ["flip", "cut"])
def test_no_damage_gives_a_wrong_value(original, answers, request, state, name, harm):
    files = request.getfixturevalue(state)
    chance = random.Random(f"{state} {name} {harm}")
    verdicts = Counter()
    for _ in range(POSITIONS):
        position = chance.randrange(len(files[name]))
        if harm == "flip":
            damaged = flipped(files, name, position, chance.randrange(8))
        else:
            damaged = cut(files, name, position)
        verdicts[verdict(original, answers(damaged))] += 1
    print(f"{harm} in {name}, {state}, {len(files[name])} bytes: {dict(verdicts)}")
    assert verdicts.keys() <= {"intact", "reported"}
