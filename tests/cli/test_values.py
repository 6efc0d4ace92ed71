"""`put`, `get`, `rm`: values and keys go in and come out as they were."""

from __future__ import annotations

import json
import math

import pytest

STRANGE_KEYS = [
    "a b",
    "ä/ö",
    "../../etc",
    "-dash",
    "%s",
    "new\nline",
    "\x01",
    '"',
    "*",
    "🗝",
    "a" * 1024,
]
VALUES = {
    "null": None,
    "true": True,
    "-5": -5,
    "-.5": "-.5",
    "-5 apples": "-5 apples",
    "1.5": 1.5,
    '"text"': "text",
    "text": "text",
    "{broken": "{broken",
    "NaN": "NaN",
    "": "",
    '[1, {"a": null}]': [1, {"a": None}],
}


@pytest.mark.parametrize(("argument", "value"), VALUES.items())
def test_a_value_is_json_if_it_parses_and_else_text(cli, cli_json, argument, value):
    assert cli("put", "k", argument).exit_code == 0
    code, reading = cli_json("get", "k")
    assert (code, reading["value"]) == (0, value)


def test_put_reports_with_json(cli_json):
    assert cli_json("put", "k", "1") == (0, {"key": "k", "flushed": True})


def test_text_and_bytes_are_printed_as_they_are_and_the_rest_as_json(cli):
    for key, words, printed in [
        ("text", ["a\x1b ä"], "a\x1b ä".encode()),
        ("json-as-text", ["--text", "[1]"], b"[1]"),
        ("bytes", ["--raw", "[1]"], b"[1]"),
        ("data", ['{"a": [1, {"$bytes": "AP8="}]}'], b'{"a": [1, {"$bytes": "AP8="}]}\n'),
    ]:
        assert cli("put", key, *words).exit_code == 0
        assert cli("get", key).stdout_bytes == printed


@pytest.mark.parametrize(
    ("kind", "content", "value"),
    [
        ((), b'{"a": 1}\n', {"a": 1}),
        ((), b"hello\n", "hello\n"),
        ((), b"\xff\x00", {"$bytes": "/wA="}),
        (("--raw",), b"1", {"$bytes": "MQ=="}),
        (("--text",), b"1", "1"),
    ],
)
def test_standard_input_and_files_are_read_as_the_argument_is(
    cli, cli_json, folder, kind, content, value
):
    (folder / "content").write_bytes(content)
    assert cli("put", "in", "-", *kind, input=content).exit_code == 0
    assert cli("put", "file", "--file", "content", *kind).exit_code == 0
    assert cli_json("get", "in")[1]["value"] == value
    assert cli_json("get", "file")[1]["value"] == value


def test_the_receipt(cli, cli_json):
    assert cli("put", "k", "1", "--ttl", "30d", "--metadata", "by=a=b").exit_code == 0
    code, reading = cli_json("get", "k")
    assert code == 0
    assert list(reading) == (
        "key value found version tier age_s expires_at metadata rule replica stale".split()
    )
    assert reading["key"] == "k"
    assert reading["found"] is True
    assert reading["tier"] in ("edge", "regional")
    assert reading["metadata"] == {"by": "a=b"}
    assert math.isfinite(reading["expires_at"])
    assert cli("put", "k", "1", "--ttl", "none").exit_code == 0
    assert cli_json("get", "k")[1]["expires_at"] is None


def test_an_absent_key_is_exit_code_1(cli, cli_json):
    result = cli("get", "nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "tierstore: nothing is absent\n"
    code, reading = cli_json("get", "nothing")
    assert (code, reading["found"], reading["value"], reading["tier"]) == (1, False, None, None)


def test_a_stored_null_is_not_absent(cli):
    assert cli("put", "k", "null").exit_code == 0
    result = cli("get", "k")
    assert (result.exit_code, result.stdout) == (0, "null\n")


def test_strange_keys_stay_themselves(cli, cli_json):
    for number, key in enumerate(STRANGE_KEYS):
        assert cli("put", "--", key, str(number)).exit_code == 0
    for number, key in enumerate(STRANGE_KEYS):
        assert cli("get", "--", key).stdout == f"{number}\n"
    listed = cli_json("ls")[1]
    assert [entry["key"] for entry in listed] == sorted(STRANGE_KEYS, key=str.encode)
    lines = cli("ls").stdout.splitlines()
    shown = [json.loads(line) if line.startswith('"') else line for line in lines]
    assert shown == sorted(STRANGE_KEYS, key=str.encode)


def test_rm_deletes_every_key_and_is_blind(cli, cli_json):
    for key in "abc":
        cli("put", key, "1")
    assert cli_json("rm", "a", "b", "nothing") == (
        0,
        {"keys": ["a", "b", "nothing"], "flushed": True},
    )
    assert [entry["key"] for entry in cli_json("ls")[1]] == ["c"]
    assert cli("get", "a").exit_code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["put", "k"],
        ["put", "k", "1", "--file", "x"],
        ["put", "k", "--file", "no-such-file"],
        ["put", "k", "1", "--ttl", "soon"],
        ["put", "k", "1", "--ttl", "30"],
        ["put", "k", "1", "--metadata", "novalue"],
        ["put", "k", "1", "--metadata", "big=" + "x" * 1025],
        ["put", "k", str(2**65)],
        ["put", "k", "[" * 70 + "]" * 70],
        ["put", "", "1"],
        ["put", "x" * 1025, "1"],
        ["put", "\udcff", "1"],
        ["put", "k", "1", "--timeout", "5"],
        ["put", "k", "--jsn"],
        ["put", "k", "-x"],
        ["put", "-k", "1"],
        ["put", "k", "1e400"],
        ["put", "k", '{"$bytes": "!!"}'],
        ["put", "k", '{"a": 1, "a": 2}'],
        ["get"],
        ["get", "a", "b"],
        ["get", "a", "--max-age", "x"],
        ["rm"],
        ["frobnicate"],
    ],
)
def test_wrong_calls_are_exit_code_2_and_change_nothing(cli, folder, words):
    result = cli(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert not list(folder.glob("**/*.journal"))
    code, error = cli(*words, "--json").exit_code, json.loads(cli(*words, "--json").stdout)
    assert code == 2
    assert set(error["error"]) >= {"type", "message", "outcome", "retry"}


def test_an_unknown_option_comes_with_advice(cli, cli_json):
    error = cli("put", "k", "--jsn").stderr
    assert "No such option: --jsn; write -- before" in error
    assert "--json" in error
    assert cli("put", "--", "k", "--jsn").exit_code == 0
    assert cli_json("get", "k")[1]["value"] == "--jsn"


def test_json_that_stands_for_no_value_can_be_stored_as_text(cli, cli_json):
    assert "--text stores it as it is" in cli("put", "k", '{"$bytes": "!!"}').stderr
    assert cli("put", "k", "--text", '{"$bytes": "!!"}').exit_code == 0
    assert cli_json("get", "k")[1]["value"] == '{"$bytes": "!!"}'


def test_text_that_is_not_utf_8_needs_raw(cli):
    assert cli("put", "k", "-", "--text", input=b"\xff").exit_code == 2
