"""A mistake that is planted is everywhere, and one that is taken away again is nowhere."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from tierstore.crdt import register
from tierstore.edge.table import EdgeTable
from tierstore.region import apply
from tierstore.testing import memory_region
from tierstore.testing.mutants import MUTANTS, both, patched, plants


def snapshot():
    """Every name of every module of the product, and of its classes."""
    names = {}
    for module_name, module in list(sys.modules.items()):
        if not module_name.startswith("tierstore"):
            continue
        for name, value in vars(module).items():
            names[module_name, name] = value
            if isinstance(value, type) and value.__module__ == module_name:
                names |= {(module_name, name, key): part for key, part in vars(value).items()}
    return {place: value for place, value in names.items() if is_code(value)}


def is_code(value):
    return callable(value) or isinstance(value, (classmethod, staticmethod, property))


def difference(before, after):
    return {place for place in before if after.get(place) is not before[place]}


def test_every_mutant_changes_something_and_leaves_nothing_behind():
    for mutant in MUTANTS:
        with mutant.plant():
            pass  # loads what planting loads
    before = snapshot()
    for mutant in MUTANTS:
        with mutant.plant():
            planted = difference(before, snapshot())
        assert planted, mutant.name
        assert not difference(before, snapshot()), mutant.name


def test_a_function_is_replaced_where_it_was_imported_by_name_too():
    right = apply.admit
    with patched(apply, "admit", lambda _: "wrong"):
        assert (apply.admit, memory_region.admit) == ("wrong", "wrong")
    assert apply.admit is memory_region.admit is right


def test_a_local_one_is_replaced_in_one_place():
    right = apply.admit
    with patched(memory_region, "admit", lambda _: "wrong", is_local=True):
        assert (apply.admit, memory_region.admit) == (right, "wrong")
    assert memory_region.admit is right


def test_a_module_that_is_loaded_meanwhile_does_not_keep_it(monkeypatch):
    late = ModuleType("tierstore_late")
    with patched(register, "join", lambda _: "wrong"):
        late.join = register.join
        monkeypatch.setitem(sys.modules, "tierstore_late", late)
    assert late.join is register.join != "wrong"


def test_it_is_taken_away_when_something_is_raised():
    right = EdgeTable.evict

    with pytest.raises(LookupError), patched(EdgeTable, "evict", lambda _: None):
        raise LookupError
    assert EdgeTable.evict is right


@pytest.mark.parametrize("owner", [apply, EdgeTable])
def test_a_target_that_has_vanished_is_an_error(owner):
    plant = plants(owner, "what_was_renamed")(lambda right: right)
    with pytest.raises(AttributeError, match="has no what_was_renamed of its own"):
        plant().__enter__()


def test_of_two_both_are_planted_or_none():
    right = apply.admit
    here, gone = plants(apply, "admit"), plants(apply, "what_was_renamed")
    with pytest.raises(AttributeError, match="what_was_renamed"):
        both(here(lambda _: "wrong"), gone(lambda _: "wrong"))().__enter__()
    assert apply.admit is right
