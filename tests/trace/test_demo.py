"""The demo and the slice of a real trace that ships with it."""

from __future__ import annotations

import json
from importlib.resources import files

from tierstore.trace import read_trace, run_demo
from tierstore.trace.demo import SLICE


def test_the_slice_is_small_and_sound():
    path = files("tierstore.trace") / "data" / SLICE
    assert len(path.read_bytes()) < 1_500_000
    rows = list(read_trace(path))
    assert 140_000 < len(rows) < 160_000
    assert {op for _, op, _, _, _ in rows} == {"get", "set"}


def test_a_short_demo():
    result = run_demo(limit=6_000)
    report = result.report
    assert (report.requests, report.replicas, report.wrong_reads) == (6_000, 2, 0)
    assert report.hits["edge"] > 0
    assert report.hits["regional"] > 0
    assert all(part.refreshed for part in report.per_replica)
    assert result.explanation.found


def test_the_demo_ends_with_a_table_and_an_explanation():
    result = run_demo(limit=3_000)
    text = str(result)
    assert "Wrong reads                        0" in text
    assert result.explanation.key in text
    assert str(result.explanation) in text
    assert all(len(line) <= 120 for line in text.splitlines())
    assert json.loads(json.dumps(result.as_dict()))["explanation"]["found"] is True
