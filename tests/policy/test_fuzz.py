"""Whatever the text, the loader returns a policy or raises PolicyError, within bounds."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import PolicyError
from tierstore.policy.model import Policy
from tierstore.policy.read import load_dict
from tierstore.policy.yaml import load_yaml

WORDS = st.sampled_from(
    """version tiers rules match edge regional cold url hotness hot ttl place never only - : ? |
    > { } [ ] , & * ! !!str << # % @ ` ' " \\ \\n \\x \\ud800 \\UFFFFFFFF ~ --- ... 5min 64KiB 6/h
    none auto ** * a/** ${env:A} ${ redis://u:p@h""".split(" ")
).map(str.strip) | st.sampled_from(["\n", "\n  ", "\n    ", "\t", " ", "\r\n", "\u2028", "\x85"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.binary(max_size=3)
    | WORDS
)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=12,
)


def load_or_refuse(load, data):
    """Runs `load`, which must return a policy or tell faults."""
    policy, faults = None, ()
    try:
        policy = load(data)
    except PolicyError as exc:
        faults = exc.faults
    assert isinstance(policy, Policy) if not faults else policy is None
    assert all(fault.isprintable() for fault in faults)


@given(st.text(max_size=300))
def test_any_text(text):
    load_or_refuse(load_yaml, text)


@given(st.lists(WORDS, max_size=60))
def test_text_of_yaml_pieces(words):
    load_or_refuse(load_yaml, " ".join(words))
    load_or_refuse(load_yaml, "".join(words))


@given(DATA)
def test_any_data(data):
    if isinstance(data, Mapping):
        load_or_refuse(load_dict, data)


@given(st.data())
def test_changed_policies(policies, data):
    text = json.dumps(data.draw(policies), ensure_ascii=data.draw(st.booleans()))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 20, len(text))))
    load_or_refuse(load_yaml, text[:start] + data.draw(WORDS | st.text(max_size=3)) + text[end:])


@given(st.data())
def test_a_field_of_any_value(policies, data):
    policy = data.draw(policies)
    place = policy
    while True:
        name = data.draw(st.sampled_from(sorted(place) or ["rules"]))
        inner = place.get(name)
        if not isinstance(inner, dict) or data.draw(st.booleans()):
            break
        place = inner
    place[name] = data.draw(DATA)
    load_or_refuse(load_dict, policy)


@given(st.data())
def test_yaml_and_dict_agree(policies, data):
    policy = data.draw(policies)
    expected = load_dict(policy, source="s", base_dir="/b")
    assert load_yaml(json.dumps(policy), source="s", base_dir="/b") == expected
