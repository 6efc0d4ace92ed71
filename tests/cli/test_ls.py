"""`ls` lists what a sorted dict would, in any direction, in pieces or whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tierstore

KEYS = [f"{prefix}/{number:02}" for prefix in ("a", "b", "ü") for number in range(6)]
MODEL = {key: index for index, key in enumerate(KEYS)}
KEY = st.sampled_from(KEYS)


@pytest.fixture
def filled(folder):
    """The embedded default with `MODEL` in it."""
    with tierstore.open() as store:
        store.put_many(MODEL)
    return folder


def expected(prefix, start, end, reverse, limit):
    keys = [
        key
        for key in sorted(MODEL, key=str.encode)
        if key.startswith(prefix)
        and (start is None or key.encode() >= start.encode())
        and (end is None or key.encode() < end.encode())
    ]
    return (keys[::-1] if reverse else keys)[:limit]


@given(
    prefix=st.sampled_from(["", "a", "b/", "c", "ü"]),
    start=st.none() | KEY,
    end=st.none() | KEY,
    reverse=st.booleans(),
    limit=st.none() | st.integers(0, 20),
)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ls_is_a_sorted_dict(filled, cli, prefix, start, end, reverse, limit):
    words = ["ls", prefix, *(["--reverse"] if reverse else [])]
    for name, value in (("--start", start), ("--end", end), ("--limit", limit)):
        words += [] if value is None else [name, str(value)]
    result = cli(*words)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == expected(prefix, start, end, reverse, limit)


@pytest.mark.parametrize("reverse", [[], ["--reverse"]])
def test_a_listing_goes_on_at_its_cursor(filled, cli, reverse):
    found, cursor = [], []
    for _ in range(len(MODEL) + 1):
        result = cli("ls", "--limit", "5", *reverse, *cursor)
        found += result.stdout.splitlines()
        if not result.stderr:
            break
        cursor = result.stderr.strip().removeprefix("tierstore: more: ").split(" ")
    assert found == expected("", None, None, bool(reverse), None)


def test_pages_carry_their_cursor(filled, cli_json):
    found, cursor = [], []
    while True:
        code, page = cli_json("ls", "--page", "5", "--values", *cursor)
        assert code == 0
        found += page["entries"]
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]
    assert {entry["key"]: entry["value"] for entry in found} == MODEL


def test_json_is_one_array_with_one_entry_per_line(filled, cli):
    result = cli("ls", "b/", "--values", "--json")
    entries = json.loads(result.stdout)
    assert {e["key"]: e["value"] for e in entries} == {k: v for k, v in MODEL.items() if "b/" in k}
    assert list(entries[0]) == ["key", "value", "version", "expires_at", "metadata"]
    assert [json.loads(line.rstrip(",")) for line in result.stdout.splitlines()[1:-1]] == entries
    without = json.loads(cli("ls", "b/", "--json").stdout)
    assert "value" not in without[0]
    assert json.loads(cli("ls", "nothing/", "--json").stdout) == []


def test_values_are_json_after_a_tab(filled, cli):
    assert cli("ls", "a/", "--limit", "2", "--values").stdout == "a/00\t0\na/01\t1\n"


def test_a_failure_in_the_middle_is_the_last_element(filled, cli, monkeypatch):
    pages = tierstore.Scan.pages

    def failing(self, size=5):
        yield next(pages(self, 5))
        raise tierstore.UnavailableError("the region went away")

    monkeypatch.setattr(tierstore.Scan, "pages", failing)
    result = cli("ls", "--json")
    assert result.exit_code == 3
    *entries, last = json.loads(result.stdout)
    assert [entry["key"] for entry in entries] == KEYS[:5]
    assert last["error"]["type"] == "UnavailableError"
    cursor = result.stderr.split("--cursor ")[1].split()[0]
    result = cli("ls")
    assert result.exit_code == 3
    assert "the region went away" in result.stderr
    monkeypatch.setattr(tierstore.Scan, "pages", pages)
    assert cli("ls", "--cursor", cursor).stdout.splitlines() == KEYS[5:]


@pytest.mark.parametrize(
    "words",
    [["--limit", "-1"], ["--limit", "x"], ["--page", "0"], ["--cursor", "garbage"], ["a", "b"]],
)
def test_bad_bounds_are_refused(filled, cli, words):
    assert cli("ls", *words).exit_code == 2
