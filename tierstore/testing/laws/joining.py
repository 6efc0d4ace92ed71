"""Laws of joins: whoever heard the same, in whatever order and however often, has the same."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from tierstore.record import encode as encode_record
from tierstore.runtime.chance import Chance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tierstore.record import Record
    from tierstore.testing.laws.life import Life

TRIPLES_MAX = 12


def check_join(
    join: Callable[[Any, Any], Any], encode: Callable[[Any], bytes], triples: Sequence[Any]
) -> None:
    """That `join` is a join on each of `triples`: of any lattice, not of a type alone.

    Raises AssertionError that names the law and shows the states.
    """
    for a, b, c in triples:
        ab = join(a, b)
        _same(encode, "join(a, b) is not join(b, a)", ab, join(b, a), a, b)
        _same(encode, "join is not associative", join(ab, c), join(a, join(b, c)), a, b, c)
        _same(encode, "join(a, a) is not a", join(a, a), a, a)
        _same(encode, "join(a, b) joined with a is another", join(ab, a), ab, a, b)
        _same(encode, "join(a, b) joined with b is another", join(b, ab), ab, a, b)


def _same(encode: Callable[[Any], bytes], law: str, one: Any, two: Any, *given: Any) -> None:
    if encode(one) != encode(two):
        told = ", ".join(map(repr, given))
        raise AssertionError(f"{law}: of {told} came {one!r} and {two!r}")


def join_is_a_join(life: Life) -> None:
    """Join of states is commutative, associative, idempotent, and goes up only."""
    type_ = life.under_test.type
    spelled = sorted(set(life.spelled(_of_one_generation(life))))
    states = [type_.empty(), *map(type_.decode, spelled)]
    check_join(type_.join, type_.encode, _triples(life, states))


def join_of_records_is_a_join(life: Life) -> None:
    """The same of whole records, with versions, generations and lifetimes."""
    check_join(life.join, encode_record, _triples(life, life.records()))


def changes_only_add(life: Life) -> None:
    """A record is at least what it was before a change."""
    for applied in life.applied:
        if applied.after is not None and applied.before is not None:
            joined = life.join(applied.before, applied.after)
            assert joined == applied.after, f"{applied} went back, for they join to {joined!r}"


def regions_agree(life: Life) -> None:
    """Regions that heard of everything have the same record."""
    found = {None if region.record is None else encode_record(region.record)
             for region in life.regions}  # fmt: skip
    assert len(found) == 1, f"regions differ: {[region.record for region in life.regions]}"


def _of_one_generation(life: Life) -> list[Record]:
    records = life.records()
    latest = max((record.generation for record in records), default=0)
    chosen = Chance(life.script.seed).randint(1, latest) if latest else 0
    return [record for record in records if record.generation == chosen]


def _triples(life: Life, states: Sequence[Any]) -> list[Any]:
    """All triples if they are few, or some that are drawn."""
    if len(states) ** 3 <= TRIPLES_MAX:
        return list(product(states, repeat=3))
    chance = Chance(life.script.seed)
    return [chance.choices(states, k=3) for _ in range(TRIPLES_MAX // 3)]
