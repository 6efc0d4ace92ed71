"""`replay` on small traces: the report, malformed rows, Ctrl-C, the progress bar."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from functools import partial

import pytest

from tierstore.trace import demo

HEADER = "timestamp_s,op,key,size_bytes,ttl_s"
ROWS = ["0,set,a,20,", "1,get,a,20,", "2,get,b,30,", "2,get,b,30,", "3,get,a,20,"]
PROMISED = {
    "requests", "wrong_reads", "hits", "edge_hit_ratio", "moves", "requests_per_s", "peak_rss_mb"
}  # fmt: skip


@pytest.fixture
def write_trace(folder):
    """`write_trace(rows)`: the path of a trace."""

    def write(rows, name="trace.csv"):
        (folder / name).write_text("\n".join([HEADER, *rows]) + "\n")
        return name

    return write


def test_the_report_as_json(cli_json, write_trace):
    code, report = cli_json("replay", write_trace(ROWS), "--verify")
    assert code == 0
    assert set(report) >= PROMISED
    assert (report["requests"], report["wrong_reads"]) == (5, 0)
    assert report["hits"] == {"edge": 3, "regional": 1, "cold": 0, "absent": 0}
    assert report["edge_hit_ratio"] == 0.75
    assert set(report["moves"]) == {"promoted", "demoted"}


def test_options_reach_the_replay(cli_json, write_trace):
    trace = write_trace(ROWS)
    assert cli_json("replay", trace)[1]["wrong_reads"] is None
    assert cli_json("replay", trace, "--limit", "2")[1]["requests"] == 2
    assert cli_json("replay", trace, "--no-preload")[1]["hits"]["absent"] == 2
    assert cli_json("replay", trace, "--value-cap", "15B")[1]["scale"] == 0.5
    assert cli_json("replay", trace, "--replicas", "2", "--verify")[1]["replicas"] == 2


def test_in_a_pipe_each_stage_is_a_line_when_it_begins(cli, folder, write_trace):
    result = cli("replay", write_trace(ROWS), "--verify")
    assert result.exit_code == 0
    assert [line.split() for line in result.stderr.splitlines()] == [
        ["reading"],
        ["loading", "1"],
        ["replaying", "5"],
    ]
    assert "Wrong reads" in result.stdout
    assert not (folder / "tierstore-data").exists()


def test_a_replay_uses_the_policy(cli_json, write_trace, write_policy):
    policy = write_policy(
        rest="rules: [{match: '**', place: {never: [edge]}, durability: regional}]\n"
    )
    for words in (["--policy", policy, "replay"], ["replay", "--policy", policy]):
        assert cli_json(*words, write_trace(ROWS))[1]["hits"]["edge"] == 0


@pytest.mark.parametrize("row", ["x,get,a,20,", "9,frob,a,20,", "9,get,a", "9,get,,20,"])
def test_malformed_rows_are_refused_or_skipped(cli, cli_json, write_trace, row):
    trace = write_trace([*ROWS, row])
    code, told = cli_json("replay", trace)
    assert (code, told["error"]["type"]) == (2, "TraceError")
    assert "trace.csv:7" in cli("replay", trace).stderr
    code, report = cli_json("replay", trace, "--skip-bad")
    assert (code, report["requests"], report["skipped"]) == (0, 5, 1)


@pytest.mark.parametrize(
    "words",
    [
        ["missing.csv"],
        ["."],
        ["trace.csv", "--limit", "0"],
        ["trace.csv", "--value-cap", "7"],
        ["trace.csv", "--replicas", "0"],
        ["trace.csv", "--policy", "missing.yaml"],
        [],
    ],
)
def test_wrong_calls_are_exit_code_2(cli, write_trace, words):
    write_trace(ROWS)
    result = cli("replay", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr


def test_wrong_reads_are_exit_code_5(cli_json, write_trace, monkeypatch):
    monkeypatch.setattr("tierstore.store.store.Store.get", lambda *_, **__: b"wrong")
    code, report = cli_json("replay", write_trace(ROWS), "--verify")
    assert code == 5
    assert report["wrong_reads"] > 0


def test_the_demo(cli, cli_json, folder, monkeypatch):
    monkeypatch.setattr(demo, "run_demo", partial(demo.run_demo, limit=3000))
    result = cli("demo")
    assert result.exit_code == 0
    assert "Wrong reads" in result.stdout
    assert "because" in result.stdout
    code, report = cli_json("demo")
    assert (code, report["requests"], report["wrong_reads"]) == (0, 3000, 0)
    assert set(report) >= PROMISED
    assert report["explanation"]["found"] is True
    assert not (folder / "tierstore-data").exists()


def test_the_demo_takes_no_policy(cli, write_policy, monkeypatch):
    monkeypatch.delattr(demo, "run_demo")
    policy = write_policy()
    for words in (["demo", "--policy", policy], ["--policy", policy, "demo"]):
        result = cli(*words)
        assert result.exit_code == 2
        assert "demo has a policy of its own" in result.stderr


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_ends_a_replay_that_shows_its_progress(folder, command, write_trace):
    trace = write_trace([f"{second},get,k{second % 50},200," for second in range(120_000)])
    (folder / "tmp").mkdir()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("replay", trace, "--verify"),
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "TMPDIR": str(folder / "tmp")},
    ) as process:
        os.close(theirs)
        shown = read_until(ours, b"replaying")
        process.send_signal(signal.SIGINT)
        shown += read_until(ours, None)
        assert process.stdout.read() == b""
    os.close(ours)
    assert process.returncode == 130
    assert b"%" in shown
    assert b"interrupted" in shown
    assert b"Traceback" not in shown
    assert os.listdir(folder / "tmp") == []


def read_until(terminal, mark):
    """What `terminal` shows up to `mark`, or to its end."""
    shown = b""
    while mark is None or mark not in shown:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux tells so that the other side is closed
            return shown
        if not data:
            return shown
        shown += data
    return shown
