"""Every code block of README.md and docs/ runs, loads or parses, and every link leads somewhere.

Python blocks of one file share a namespace and a temporary working directory. A yaml block is a
policy; if its first line names a file (`# policy.yaml`), later blocks find it there. A Python block
whose first line names a file (`# shelf.py`) is only written there, for later blocks to run. Blocks
marked `text` or `console` are for reading only.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from tierstore import policy

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\S*)[^\n]*\n(?P<text>.*?)^ *```\s*$", re.M | re.S
)
_FILE_NAME = re.compile(r"\A\n*# (\S+\.(?:yaml|py))\n")
_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


def run_python(text, place, namespace):
    code = compile(text, place, "exec")
    if match := _FILE_NAME.match(text):
        Path(match[1]).write_text(text.lstrip("\n"), encoding="utf-8")
    else:
        exec(code, namespace)


def load_yaml(text, place, namespace):
    name = match[1] if (match := _FILE_NAME.match(text)) else "block.yaml"
    Path(name).write_text(text, encoding="utf-8")
    policy.load(name)


RUNNERS = {
    "python": run_python,
    "yaml": load_yaml,
    "json": lambda text, place, namespace: json.loads(text),
    "toml": lambda text, place, namespace: tomllib.loads(text),
    "text": lambda text, place, namespace: None,
    "console": lambda text, place, namespace: None,
}


def blocks(page):
    """(language, text, line) of every fenced block of `page`, in order."""
    source = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(source):
        line = source.count("\n", 0, match.start("text"))
        yield match["language"], match["text"], line


def page_id(page):
    return str(page.relative_to(ROOT))


@pytest.fixture
def memory(monkeypatch):
    """What a suite that a page runs writes lies in memory, where the system has that."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="tierstore", dir=folder) as path:
        monkeypatch.setenv("PYTEST_DEBUG_TEMPROOT", path)
        yield path


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_blocks(page, tmp_path, monkeypatch, memory):
    monkeypatch.chdir(tmp_path)
    module = ModuleType("__docs__")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look there
    namespace = vars(module)
    for language, text, line in blocks(page):
        padded = "\n" * line + text if language == "python" else text
        RUNNERS[language](padded, str(page), namespace)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links(page):
    targets = _LINK.findall(page.read_text(encoding="utf-8"))
    broken = [target for target in targets if not (page.parent / target).exists()]
    assert not broken, "\n".join(broken)


def test_every_page_is_in_the_index():
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    listed = set(_LINK.findall(index))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").glob("*.md")}
    assert pages - listed - {"README.md"} == set()


def test_every_decision_is_in_its_index():
    folder = ROOT / "docs" / "decisions"
    listed = set(_LINK.findall((folder / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in folder.glob("[0-9]*.md")} - listed == set()
