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
    DOCUMENT,
    LAWS,
    REGISTER,
    SAMPLES,
    SET,
    Do,
    Look,
    Script,
    Send,
    Touch,
    check,
    check_join,
    check_script,
    draw_script,
    explore,
    results_do_not_depend_on_hashes,
    scripts,
)
from tierstore.testing.laws.campaign import live_long, run
from tierstore.testing.laws.living import live
from tierstore.testing.laws.registers import draw_records, putting
from tierstore.testing.mutants.laws_of_types import NARROW

CASES, CASES_OF_DOCUMENTS = 1000, 130
CASES_OF_CAMPAIGN, CASES_OF_CAMPAIGN_OF_DOCUMENTS = 200_000, 20_000
CASES_OF_CLONES = 2000
DEPTH, DEPTH_OF_DOCUMENTS = 5, 4
STATES_MIN = {"register": 4000, "counter": 10_000, "set": 5000, "document": 800}
HALVES = (0, 1)
"""Two seeds, which two processes can check at the same time."""
LIGHT = [sample for sample in SAMPLES.values() if sample is not DOCUMENT]
"""All but documents, whose lives take twenty times as long: of those campaigns live more."""
each_type = pytest.mark.parametrize("under_test", SAMPLES.values(), ids=SAMPLES)


def lives_of(under_test, cases, cases_of_documents):
    """How many lives of this type are lived."""
    return cases_of_documents if under_test is DOCUMENT else cases


@pytest.mark.parametrize("seed", HALVES)
@each_type
def test_the_laws_hold_of_drawn_lives(under_test, seed):
    cases = lives_of(under_test, CASES, CASES_OF_DOCUMENTS)
    assert check(under_test, cases=cases, seed=seed).cases == cases


def test_a_touch_of_a_version_that_beats_an_own_write_is_sent():
    beaten, newer = Do(0, putting("own")), Do(2, putting("newer"))
    for ttl_ms in (None, 9):
        steps = (beaten, newer, Send(2), Look(0), Touch(0, ttl_ms), Send(0))
        check_script(REGISTER, Script(steps))
        record = live(REGISTER, Script(steps)).regions[0].record
        assert (record.replica, record.touch) == (13, 2)


def test_the_laws_hold_of_a_set_whose_elements_meet():
    check(NARROW, cases=CASES // 4)


@each_type
def test_the_laws_hold_of_more_regions_and_replicas(under_test):
    chance = Chance("more regions", under_test.name)
    for _ in range(lives_of(under_test, 60, 5)):
        check_script(under_test, draw_script(under_test, chance, 40, regions=3, replicas=5))


@each_type
def test_the_laws_hold_of_every_short_life(under_test):
    depth = lives_of(under_test, DEPTH, DEPTH_OF_DOCUMENTS)
    assert explore(under_test, depth) > STATES_MIN[under_test.name]


def test_join_of_registers_is_a_join_though_there_are_clones():
    chance = Chance("registers")
    triples = [draw_records(chance, 3) for _ in range(CASES_OF_CLONES)]
    check_join(register.join, encode, triples)


@each_type
def test_states_are_the_same_in_every_process(under_test):
    name, cases = under_test.name.upper(), lives_of(under_test, 20, 10)
    results_do_not_depend_on_hashes(f"tierstore.testing.laws:{name}", cases=cases)


@given(scripts(SET))
def test_lives_can_be_drawn_by_hypothesis(script):
    check_script(SET, script)


@each_type
def test_a_long_life_goes_well(under_test):
    operations = lives_of(under_test, 2000, 150)
    assert live_long(under_test, operations, seed=1).operations == operations


@pytest.mark.campaign
@each_type
def test_the_laws_hold_in_a_campaign(under_test):
    cases = lives_of(under_test, CASES_OF_CAMPAIGN, CASES_OF_CAMPAIGN_OF_DOCUMENTS)
    run(under_test, cases=cases, seed=1)


@pytest.mark.campaign
@each_type
def test_the_laws_hold_of_every_longer_life(under_test):
    depth = lives_of(under_test, DEPTH, DEPTH_OF_DOCUMENTS) + 1
    assert explore(under_test, depth) > 2 * STATES_MIN[under_test.name]


@pytest.mark.campaign
@pytest.mark.parametrize("under_test", LIGHT, ids=lambda sample: sample.name)
def test_thirty_thousand_operations_on_one_key(under_test):
    assert live_long(under_test, 30_000, seed=2).operations == 30_000


def test_a_type_without_a_model_is_held_to_the_other_laws():
    assert check(replace(COUNTER, expected=None), cases=20, laws=LAWS).cases == 20
