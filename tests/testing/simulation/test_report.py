"""What a failing run leaves behind can be read, and played again."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tierstore.testing.history import History
from tierstore.testing.simulation import play, script_json
from tierstore.testing.simulation.campaign import run_campaign
from tierstore.testing.simulation.chronicle import Chronicle, is_told_of
from tierstore.testing.simulation.report import write_report
from tierstore.testing.simulation.story import tell
from tierstore.testing.simulation.timeline import render

VOID = {"meta", "line", "rect", "circle"}


@pytest.fixture
def failing(small, broken_join):
    """A run in which something went wrong."""
    failure = run_campaign(small, seeds=60).failures[0]
    return play(small.script(failure.seed), is_told=True)


@pytest.fixture
def good(small):
    """A run with faults of many kinds, in which all was well."""
    return play(small.script(8), is_told=True)


class Page(HTMLParser):
    """Whether every tag is closed, and what texts there are."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_report_has_all_files(failing, tmp_path):
    folder = write_report(tmp_path / "deep" / "report", failing, original=failing.script)
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names >= {
        "history.jsonl", "options.json", "original.json", "story.txt", "timeline.html",
        "dumps/n0.txt", "dumps/region.txt", "dumps/cold.txt",
    }  # fmt: skip
    assert History.loads((folder / "history.jsonl").read_text()).events == failing.history.events


def test_the_script_of_a_report_plays_the_same_again(failing, tmp_path):
    folder = write_report(tmp_path, failing)
    again = play(script_json.loads((folder / "options.json").read_text(encoding="utf-8")))
    assert (again.digest, again.violations) == (failing.digest, failing.violations)


def test_a_story_tells_what_went_wrong_and_marks_it(failing):
    story = tell(failing)
    assert failing.violations[0] in story
    assert failing.digest in story
    marked = [line for line in story.splitlines() if line.startswith(">>")]
    assert len(marked) >= 2  # who looked, and who wrote


def test_a_story_without_violation_marks_nothing(good):
    story = tell(good)
    assert "What went wrong:\n  nothing\n" in story
    assert not [line for line in story.splitlines() if line.startswith(">>")]


def test_a_chronicle_has_every_operation_and_fault_in_order(good):
    rows = Chronicle.of(good).rows
    assert [row.at_ns for row in rows] == sorted(row.at_ns for row in rows)
    asked = [row.operation for row in rows if row.kind in ("ask", "whole")]
    assert asked == good.history.operations()
    begun = [moment for moment in good.moments if moment.who == "nemesis"]
    ends = [moment for moment in begun if moment.what.startswith("end of ")]
    assert len([row for row in rows if row.kind == "fault"]) == len(begun) - len(ends) > 0


def test_violations_speak_of_operations(failing):
    spoken = [
        operation
        for operation in failing.history.operations()
        if is_told_of(operation, failing.violations[0])
    ]
    assert 2 <= len(spoken) < 10


def test_a_timeline_is_one_page_that_needs_nothing_else(failing):
    page = Page(render(failing))
    assert page.open == []
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe")
        assert not {"src", "href", "onload"} & attributes.keys()
    assert {"prefers-color-scheme", failing.digest} <= set(
        re.findall(r"prefers-color-scheme|" + failing.digest, render(failing))
    )
    assert any(attributes.get("class") == "bad" for _, attributes in page.tags)


def test_a_timeline_escapes_what_it_shows(failing):
    failing.violations.insert(0, "<script>alert(1)</script> & more")
    failing.moments[0] = type(failing.moments[0])(0, "nemesis", '<b a="x">', "n0")
    page = render(failing)
    assert "<script" not in page
    assert "<b " not in page
    assert "&lt;script&gt;" in page


def test_a_long_traceback_is_folded(good):
    good.violations.append("it broke:\nTraceback (most recent call last):\n  x\n  y\nKeyError: 7")
    page = render(good)
    assert "it broke: KeyError: 7<details>" in page
