"""Real processes: two policies that share a region, Ctrl-C, readers that go away."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys

import pytest

import tierstore

PIPE_BYTES = 1 << 16
KEYS = [f"{'k' * 200}/{number:05}" for number in range(3 * PIPE_BYTES // 200)]


@pytest.fixture
def filled(folder):
    """The embedded default with more keys than a pipe holds."""
    with tierstore.open() as store:
        store.put_many(dict.fromkeys(KEYS, 1))
    return folder


@pytest.mark.parametrize("words", [["ls"], ["ls", "--json"]])
@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_in_a_listing_leaves_a_consistent_store(filled, cli, command, words):
    with subprocess.Popen(
        command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline()  # it stands in the next write now, or soon
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.decode().strip().endswith("tierstore: interrupted")
    assert b"Traceback" not in errors
    assert cli("put", "after", "1").exit_code == 0
    assert cli("ls").stdout.splitlines() == ["after", *KEYS]


def test_a_reader_that_goes_away_is_no_error(filled, command):
    for words in (["ls"], ["ls", "--json", "--values"]):
        with subprocess.Popen(
            command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout.readline()
            process.stdout.close()
            errors = process.stderr.read()
        assert (process.returncode, errors) == (0, b"")


@pytest.mark.parametrize(
    "words", [["get", "k"], ["get", "k", "--json"], ["ls"], ["ls", "--json"], ["stats", "--json"]]
)
def test_output_that_cannot_be_written_is_exit_code_5(folder, command, words):
    with tierstore.open() as store:
        store.put("k", "text")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(*words), stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 5
    assert done.stderr == b"tierstore: No space left on device\n"


def test_an_error_that_cannot_be_printed_as_json_is_told_as_text(folder, command):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command("get", "", "--json"), stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"tierstore: key: empty")


def test_closed_output_is_no_error(folder, command):
    with tierstore.open() as store:
        store.put("k", "text")
    for words in (["get", "k"], ["ls"], ["stats", "--json"]):
        line = f"{shlex.join(command(*words))} >&-"
        done = subprocess.run(["sh", "-c", line], stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_put_reaches_another_replica_through_the_region(shell, write_policy):
    here = write_policy("here.yaml", journal="here")
    there = write_policy("there.yaml", journal="there")
    assert shell("--policy", here, "put", "greeting", '{"say": "ä"}').returncode == 0
    done = shell("--policy", there, "get", "greeting")
    assert (done.returncode, done.stdout) == (0, b'{"say": "\\u00e4"}\n')
    assert shell("--policy", there, "rm", "greeting").returncode == 0
    assert shell("--policy", here, "get", "greeting").returncode == 1


def test_text_is_utf_8_in_any_locale(shell):
    environment = {"LC_ALL": "en_US.ISO-8859-1", "PYTHONIOENCODING": "latin-1"}
    assert shell("put", "ключ", "-", input="значение".encode(), env=environment).returncode == 0
    assert shell("get", "ключ", env=environment).stdout == "значение".encode()
    assert shell("ls", env=environment).stdout == "ключ\n".encode()


def test_get_loads_no_yaml_parser_and_no_trace_reader(folder):
    code = (
        "import sys\nfrom tierstore.cli import main\ntry: main(['get', 'k'])\n"
        "except SystemExit as e: assert e.code == 1\n"
        "late = {'yaml', 'msgspec', 'zstandard', 'tierstore.trace', 'pycrdt'}\n"
        "assert not late & set(sys.modules), late & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
