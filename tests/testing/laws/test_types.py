"""The types that ship obey every law, in lives that are drawn and in all that are short."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from tierstore.crdt import register
from tierstore.record import encode
from tierstore.runtime.chance import Chance
from tierstore.testing.laws import (
    COUNTER,
    LAWS,
    SAMPLES,
    SET,
    check,
    check_join,
    check_script,
    draw_script,
    explore,
    results_do_not_depend_on_hashes,
    scripts,
)
from tierstore.testing.laws.campaign import live_long, run
from tierstore.testing.laws.samples import draw_registers
from tierstore.testing.mutants.laws_of_types import NARROW

CASES = 1000
CASES_OF_CAMPAIGN = 200_000
CASES_OF_REGISTERS = 2000
DEPTH, DEPTH_OF_CAMPAIGN = 5, 6
HALVES = (0, 1)
"""Two seeds, which two processes can check at the same time."""
each_type = pytest.mark.parametrize("under_test", SAMPLES.values(), ids=SAMPLES)


@pytest.mark.parametrize("seed", HALVES)
@each_type
def test_the_laws_hold_of_drawn_lives(under_test, seed):
    assert check(under_test, cases=CASES, seed=seed).cases == CASES


def test_the_laws_hold_of_a_set_whose_elements_meet():
    check(NARROW, cases=CASES // 4)


@each_type
def test_the_laws_hold_of_more_regions_and_replicas(under_test):
    chance = Chance("more regions", under_test.name)
    for _ in range(60):
        check_script(under_test, draw_script(under_test, chance, 40, regions=3, replicas=5))


@each_type
def test_the_laws_hold_of_every_short_life(under_test):
    assert explore(under_test, DEPTH) > 5000


def test_join_of_registers_is_a_join():
    chance = Chance("registers")
    triples = [draw_registers(chance, 3) for _ in range(CASES_OF_REGISTERS)]
    check_join(register.join, encode, triples)


@pytest.mark.parametrize("name", ["COUNTER", "SET"])
def test_states_are_the_same_in_every_process(name):
    results_do_not_depend_on_hashes(f"tierstore.testing.laws:{name}", cases=30)


@given(scripts(SET))
def test_lives_can_be_drawn_by_hypothesis(script):
    check_script(SET, script)


@each_type
def test_a_long_life_goes_well(under_test):
    assert live_long(under_test, 2000, seed=1).operations == 2000


@pytest.mark.campaign
@each_type
def test_the_laws_hold_in_a_campaign(under_test):
    run(under_test, cases=CASES_OF_CAMPAIGN, seed=1)


@pytest.mark.campaign
@each_type
def test_the_laws_hold_of_every_longer_life(under_test):
    assert explore(under_test, DEPTH_OF_CAMPAIGN) > 15_000


@pytest.mark.campaign
@each_type
def test_thirty_thousand_operations_on_one_key(under_test):
    assert live_long(under_test, 30_000, seed=2).operations == 30_000


def test_a_type_without_a_model_is_held_to_the_other_laws():
    assert check(replace(COUNTER, expected=None), cases=20, laws=LAWS).cases == 20
