"""Nothing in the tree speaks of the machine or the process that made it."""

from __future__ import annotations

import re

import pytest

# Written so that the patterns do not match themselves.
BANNED = re.compile(
    r"(?<![\w.])/(?:wor[k]|roo[t]|far[m])/[a-z.]|\.\./share[d]|/tmp/pla[n]|\b[Ii]ssue #?\d|"
    r"\b(?:TOD[O]|FIXM[E]|XX[X])\b|pragma: no cove[r]|raise NotImplementedErro[r](?:\(\))?$",
    re.MULTILINE,
)
_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".json", ".cfg", ""}
_SKIPPED = {"build", "dist", "tierstore-data", "__pycache__", "LICENSE"}


def texts(root):
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        if hidden or _SKIPPED & set(parts) or path.suffix not in _SUFFIXES or not path.is_file():
            continue
        yield path.relative_to(root), path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    ["see iss" + "ue 12", "# TOD" + "O later", "open('/wor" + "k/main')", "cat ../share" + "d/x"],
)
def test_the_scan_finds(text):
    assert BANNED.search(text)


def test_no_banned_words(root):
    found = [
        f"{path}:{text.count(chr(10), 0, match.start()) + 1} {match[0]}"
        for path, text in texts(root)
        for match in BANNED.finditer(text)
    ]
    assert not found, "\n".join(found)
