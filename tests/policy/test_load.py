"""Where policies come from: files, dicts, nothing; and what cannot be one."""

from __future__ import annotations

import os

import pytest

from tierstore.errors import PolicyError
from tierstore.policy import Policy, check, load, resolve_path


def test_nothing_is_the_embedded_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load() == Policy(base_dir=str(tmp_path))
    assert check().policy == load()


def test_a_file_is_its_own_base(tmp_path):
    path = tmp_path / "conf" / "policy.yaml"
    path.parent.mkdir()
    path.write_text("tiers: {edge: {journal: data/j}}\n", encoding="utf-8")
    policy = load(path)
    assert policy.source == str(path)
    assert resolve_path(policy, policy.edge.journal) == str(path.parent / "data" / "j")
    assert load(str(path)) == policy
    assert load(path, base_dir=tmp_path).base_dir == str(tmp_path)


def test_a_relative_file_name_is_told_as_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text("version: 2\n", encoding="utf-8")
    with pytest.raises(PolicyError, match=r"^policy\.yaml:1:10: version: "):
        load("policy.yaml")


def test_absolute_paths_stay(tmp_path):
    assert resolve_path(Policy(base_dir="/base"), "/data/x") == "/data/x"
    assert resolve_path(Policy(base_dir="/base"), "x") == "/base/x"
    assert resolve_path(Policy(), "x") == os.path.join(os.getcwd(), "x")


def test_a_dict_starts_at_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load({"version": 1}).base_dir == str(tmp_path)
    assert load({"version": 1}, base_dir="sub").base_dir == str(tmp_path / "sub")


def test_a_byte_order_mark_is_no_part_of_the_policy(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1\n")
    assert load(path).version == 1


def make_file(data):
    def make(path):
        path.write_bytes(data)

    return make


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such policy file"),
        (lambda path: path.mkdir(), "a directory; a policy is a file"),
        (make_file(b"version: \xff\n"), "not UTF-8 at byte 9"),
        (make_file(b"#" * (256 * 1024 + 1)), "longer than 256 KiB"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, make, message):
    path = tmp_path / "policy.yaml"
    make(path)
    with pytest.raises(PolicyError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"
    assert check(path).faults == (f"{path}: {message}",)


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(PolicyError, match="the policy cannot be read: Not a directory"):
        load(tmp_path / "file" / "policy.yaml")


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (7, "a policy is a path, a dict or None, not a value of type int"),
        ([], "a policy is a path, a dict or None, not a value of type list"),
        ("", "the path of the policy is empty"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_what_is_no_policy(policy, message):
    with pytest.raises(PolicyError, match=message):
        load(policy)


def test_check_tells_faults_and_warnings_at_once(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text("rules:\n  - {match: a, ttl: 5s}\n  - {match: b, ttl: 5}\n", encoding="utf-8")
    found = check(path)
    assert found.policy is None
    assert [line.split(": ")[1] for line in found.faults] == ["rules[1].ttl"]
    assert [line.split(": ")[1] for line in found.warnings] == ["rules[0].ttl"]


def test_check_of_a_sound_policy_holds_it():
    found = check({"rules": [{"match": "a"}]})
    assert found.policy == load({"rules": [{"match": "a"}]})
    assert (found.faults, found.warnings) == ((), ())
