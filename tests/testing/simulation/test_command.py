"""`python -m tierstore.testing`: what it prints, writes and exits with."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

from tierstore.testing.simulation.command import main

SMALL = ("--operations", "60")


@pytest.fixture
def command():
    """`command(*words)`: the result, with exit_code, stdout and stderr."""

    def run(*words):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return run


def test_a_good_campaign_prints_a_table(command):
    result = command("simulate", "--seeds", 2, *SMALL)
    assert result.exit_code == 0
    rows = {line[:12].strip(): line[12:] for line in result.stdout.splitlines()}
    assert rows["seeds"] == "2"
    assert rows["operations"].startswith("120 (")
    assert rows["failures"] == "0"


def test_a_good_campaign_as_json(command):
    result = command("simulate", "--seeds", 1, "--first-seed", 5, *SMALL, "--json")
    figures = json.loads(result.stdout)
    assert (figures["seeds"], figures["failures"], figures["missed"]) == (1, [], [])


@pytest.mark.usefixtures("broken_join")
def test_a_failure_is_a_line_a_folder_and_exit_code_1(command, tmp_path):
    words = ("simulate", "--seeds", 9, *SMALL, "--out", tmp_path, "--shrink-runs", 20)
    result = command(*words)
    assert result.exit_code == 1
    [folder] = tmp_path.iterdir()
    seed = folder.name.removeprefix("seed-")
    line = result.stdout.splitlines()[0]
    assert line.startswith(f"seed {seed}: ")
    repeated = command(*shlex.split(line.partition("tierstore.testing ")[2]))
    assert repeated.exit_code == 1
    assert (folder / "timeline.html").is_file()
    again = command("replay", "--script", folder / "options.json")
    assert again.exit_code == 1
    assert again.stdout.startswith((folder / "story.txt").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("broken_join")
def test_a_failure_as_json(command):
    result = command("simulate", "--seeds", 9, *SMALL, "--json")
    assert result.exit_code == 1
    [failure] = json.loads(result.stdout)["failures"]
    assert failure["violations"]
    assert failure["folder"] is None


def test_a_seed_is_repeated_exactly(command, tmp_path):
    words = ("replay", "--seed", 5, *SMALL)
    one, other = command(*words), command(*words, "--out", tmp_path)
    assert one.exit_code == other.exit_code == 0
    assert one.stdout == other.stdout
    assert "digest" in one.stdout.splitlines()[-1]
    assert (tmp_path / "history.jsonl").is_file()


@pytest.mark.parametrize(
    "words",
    [
        ("replay",),
        ("replay", "--seed", "1", "--script", __file__),
        ("replay", "--script", __file__),
        ("replay", "--script", "nowhere.json"),
        ("simulate", "--seeds", "0"),
        ("simulate", "--fault", "earthquake"),
        ("simulate", "--region", "mars"),
        ("dance",),
    ],
)
def test_wrong_usage_is_exit_code_2(command, words):
    assert command(*words).exit_code == 2


def test_it_is_a_module_whose_help_needs_nothing_optional():
    code = (
        "import sys; sys.modules |= dict.fromkeys(('greenlet', 'zstandard', 'cachetools'));"
        "sys.argv = ['x', '--help'];"
        "import runpy; runpy.run_module('tierstore.testing', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "simulate" in done.stdout
    assert "replay" in done.stdout
    assert "mutants" in done.stdout
