"""Compiled policies: the same policy comes back, or a clear refusal."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierstore.errors import PolicyError
from tierstore.frozen import replace
from tierstore.policy import check, compiled, load
from tierstore.policy.compiled import compile_policy, load_compiled
from tierstore.policy.model import Policy, Rule, default_rule
from tierstore.policy.read import load_dict
from tierstore.policy.url import Url

TEXT = compile_policy(load_dict({"rules": [{"match": "a/**", "ttl": "30d"}]}))


@given(st.data())
def test_what_was_compiled_comes_back(policies, data):
    policy = load_dict(data.draw(policies), source="s", base_dir="/b")
    text = compile_policy(policy)
    assert load_compiled(text, source="s", base_dir="/b") == policy
    assert compile_policy(policy) == text


def test_white_space_does_not_matter():
    document = json.loads(TEXT)
    for indent in (None, 8):
        assert load_compiled(json.dumps(document, indent=indent)) == load_compiled(TEXT)


def test_without_the_c_scanner_the_answer_is_the_same(monkeypatch):
    expected = load_compiled(TEXT)
    monkeypatch.setitem(sys.modules, "_json", None)
    assert load_compiled(TEXT) == expected


def test_environment_references_are_not_resolved(monkeypatch):
    monkeypatch.setenv("DATA_DIR", "/secret")
    text = compile_policy(load_dict({"tiers": {"cold": {"url": "file:${env:DATA_DIR}/cold"}}}))
    assert "/secret" not in text
    assert "${env:DATA_DIR}" in text
    assert load_compiled(text).cold.url.reveal() == "file:/secret/cold"


def test_secrets_come_back_as_secrets():
    policy = load_dict({"security": {"session_key": ["${env:NEW}", "${env:OLD}"]}})
    text = compile_policy(policy)
    assert "${env:NEW}" in text
    assert load_compiled(text).security == policy.security
    assert repr(policy.security) == "Security(session_key=(Secret('***'), Secret('***')))"


@given(st.integers(0, len(TEXT) - 3))
def test_a_cut_is_refused(end):
    with pytest.raises(PolicyError, match=r"^p\.json: not a compiled policy"):
        load_compiled(TEXT[:end], source="p.json")


@given(st.integers(0, len(TEXT) - 2), st.characters(codec="utf-8"))
def test_a_changed_character_is_refused_or_without_meaning(position, character):
    changed = TEXT[:position] + character + TEXT[position + 1 :]
    try:
        found = load_compiled(changed)
    except PolicyError:
        return
    assert found == load_compiled(TEXT)


@given(
    st.text(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["tierstore_policy", "policy", "checksum"]), inner)
        ),
    ).map(json.dumps)
)
def test_anything_else_is_refused(text):
    with pytest.raises(PolicyError):
        load_compiled(text)


@given(st.data())
def test_values_of_another_shape_are_refused(data):
    document = json.loads(TEXT)
    values = document["policy"]
    name = data.draw(st.sampled_from(["edge", "rules", "limits", "security", "extra", "version"]))
    if name in values and name != "version":
        values[name] = data.draw(st.sampled_from([None, 7, "x", [1], {"url": 5}]))
    elif name == "extra":
        values["extra"] = 1
    else:
        del values[name]
    document["checksum"] = compiled._checksum(values)
    with pytest.raises(PolicyError):
        load_compiled(json.dumps(document))


def test_deep_nesting_is_refused():
    with pytest.raises(PolicyError):
        load_compiled("[" * 200_000)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tierstore_policy": 2}, "its format is not 1, the only one this version reads"),
        ({"checksum": "00000000"}, "it was changed or damaged since"),
        ({"policy": []}, "it was changed or damaged since"),
    ],
)
def test_why_it_is_refused(change, why):
    with pytest.raises(PolicyError) as caught:
        load_compiled(json.dumps({**json.loads(TEXT), **change}), source="p.json")
    fault = f"p.json: not a compiled policy that can be used: {why}; compile the YAML again"
    assert caught.value.faults == (fault,)
    assert str(caught.value) == fault


def test_not_a_number_is_refused():
    with pytest.raises(PolicyError, match="not complete JSON"):
        load_compiled(TEXT.replace('"version": 1', '"version": NaN'))


def test_what_another_version_could_do_is_refused():
    rule = Rule(index=0, name="a", match=("a",), type="bounded_counter", durability="regional")
    rules = (rule, default_rule(1))
    policy = replace(Policy(rules=rules), coordinator=type(Policy().coordinator)(Url("http://c")))
    with pytest.raises(PolicyError) as caught:
        load_compiled(compile_policy(policy), source="p.json")
    assert caught.value.faults == (
        "p.json: coordinator.url: a coordinator other than regional, sqlite:///… or"
        " postgresql+psycopg://… is not available in this version",
        "p.json: rules[0].durability: regional of a bounded_counter is not available in this"
        " version: declare journal",
    )


def test_a_file_ending_in_json_is_a_compiled_policy(tmp_path):
    path = tmp_path / "policy.json"
    path.write_text(TEXT, encoding="utf-8")
    policy = load(path)
    assert policy.rules[0].ttl_s == 2592000.0
    assert policy.base_dir == str(tmp_path)
    assert check(path).faults == ()


def test_loading_imports_nothing_slow(tmp_path):
    (tmp_path / "policy.json").write_text(TEXT, encoding="utf-8")
    code = (
        "import sys; from tierstore import units; from tierstore.policy import load, match;"
        "match.Matcher(load('policy.json').rules).rule_for('a/b');"
        "print(*{m.partition('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    slow = {"dataclasses", "typing", "re", "json", "enum", "functools", "yaml", "datetime"}
    assert slow & set(done.stdout.split()) == set()


def test_the_library_that_compiled_is_named():
    import tierstore

    assert json.loads(TEXT)["library"] == tierstore.__version__
