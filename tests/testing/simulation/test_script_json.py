"""A script survives its way through JSON, and what is none is told why."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.testing.simulation import draw_script
from tierstore.testing.simulation.script_json import ScriptError, dumps, loads


@given(seed=st.integers(0, 10_000), operations=st.integers(1, 40))
def test_a_script_is_the_same_after_a_round_trip(seed, operations):
    from tierstore.testing.simulation import draw_options

    script = draw_script(seed, draw_options(seed, operations))
    assert loads(dumps(script)) == script


def changed(**changes):
    return json.dumps({"tierstore_script": 1, "seed": 1, "options": {}, **changes})


def test_what_is_left_out_is_as_usual():
    script = loads(changed())
    assert (script.options.nodes, script.steps, script.faults) == (3, (), ())


STEP = {"number": 1, "client": 0, "pause_ms": 0, "verb": "get", "keys": ["j/0"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ("[]", '"tierstore_script": 1'),
        (changed(tierstore_script=2), '"tierstore_script": 1'),
        (changed(seed="x"), "has a seed"),
        (changed(more=1), "more"),
        (changed(options=[]), "options must be an object"),
        (changed(options={"nodes": "three"}), "options: nodes must not be 'three'"),
        (changed(options={"clock": 1}), "not known: clock"),
        (changed(options={"rates": {"error": "often"}}), "rates: error"),
        (changed(steps={}), "steps must be an array"),
        (changed(steps=[{**STEP, "keys": "j/0"}]), "step 0: keys"),
        (changed(steps=[{**STEP, "client": True}]), "step 0: client"),
        (changed(steps=[{"number": 1}]), "step 0"),
        (changed(faults=[{"kind": "crash", "length": 1}]), "fault 0 .* length"),
    ],
)
def test_what_is_no_script_is_told_why(text, reason):
    with pytest.raises(ScriptError, match=reason):
        loads(text)
